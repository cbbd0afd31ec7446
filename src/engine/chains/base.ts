/** Base: its tokens, its exchanges and the rules of trading on it. Addresses as in docs/decisions/0004. */
import { type ChainProfile, UNISWAP_FEES } from './profile.ts'

export const base: ChainProfile = {
  name: 'base',
  chainId: 8_453,
  nativeSymbol: 'ETH',
  wrappedNative: '0x4200000000000000000000000000000000000006',
  numeraire: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913',
  tokens: [
    { symbol: 'WETH', decimals: 18, address: '0x4200000000000000000000000000000000000006' },
    { symbol: 'USDC', decimals: 6, address: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913' },
    { symbol: 'USDbC', decimals: 6, address: '0xd9aaec86b65d86f6a7b5b1b0c42ffa531710b6ca' },
    { symbol: 'cbETH', decimals: 18, address: '0x2ae3f1ec7f1f5012cfeab0185bfc7aa3cf0dec22' },
    { symbol: 'wstETH', decimals: 18, address: '0xc1cba3fcea344f92d9239c08c0568f6f2f0ee452' },
    { symbol: 'weETH', decimals: 18, address: '0x04c0599ae5a44757c0af6f9ec3b93da8976c150a' },
    { symbol: 'cbBTC', decimals: 8, address: '0xcbb7c0000ab88b473b1f5afd9ef808440eed33bf' },
    { symbol: 'EURC', decimals: 6, address: '0x60a3e35cc302bfa44cb288bc5a4f316fdb1adb42' },
    { symbol: 'AAVE', decimals: 18, address: '0x63706e401c06ac8513145b7687a14804d17f814b' },
    { symbol: 'tBTC', decimals: 18, address: '0x236aa50979d5f3de3bd1eeb40e81137f22ab794b' },
    { symbol: 'LBTC', decimals: 8, address: '0xecac9c5f704e954931349da37f60e39f515c11c1' },
    { symbol: 'GHO', decimals: 18, address: '0x6bb7a212910682dcfdbd5bcbb3e28fb4e8da10ee' },
    { symbol: 'ezETH', decimals: 18, address: '0x2416092f143378750bb29b79ed961ab195cceea5' },
  ],
  multicall: '0xca11bde05977b3631167028862be2a173976ca11',
  exchanges: [
    {
      kind: 'uniswap-v2',
      dex: 'uniswap_v2',
      factory: '0x8909dc15e40173ff4699343b6eb8132c65e18ec6',
      feeBps: 30,
    },
    {
      kind: 'uniswap-v2',
      dex: 'sushiswap',
      factory: '0x71524b4f93c58fcbf659783284e38825f0622859',
      feeBps: 30,
    },
    {
      kind: 'uniswap-v3',
      dex: 'uniswap_v3',
      factory: '0x33128a8fc17869897dce68ed026d694621f6fdfd',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'uniswap-v3',
      dex: 'sushiswap_v3',
      factory: '0xc35dadb65012ec5796536bd9864ed8773abc74c4',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'uniswap-v4',
      dex: 'uniswap_v4',
      manager: '0x498581ff718922c3f8e6a244956af099b2652b2b',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'balancer-v2',
      dex: 'balancer_v2',
      vault: '0xba12222222228d8ba445958a75a0704d566bf2c8',
      sinceBlock: 1_196_036,
    },
  ],
  aave: { pool: '0xa238dd80c259a72e81d7e4664a9801593f98d1c5' },
  // The sequencer orders by tip, and does not publish pending transactions.
  submission: { kind: 'sequencer' },
  gas: { kind: 'op-stack', minPriorityFee: 0n, oracle: '0x420000000000000000000000000000000000000f' },
  finality: { tag: 'finalized', depthWithoutTag: 1_800 },
  maxGasCost: 5_000_000_000_000_000n,
  maxFeePerGas: 20_000_000_000n,
}
