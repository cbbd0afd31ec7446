/**
 * Optimism: its tokens, its exchanges and the rules of trading on it. Addresses as in docs/decisions/0004.
 */
import { type ChainProfile, UNISWAP_FEES } from './profile.ts'

export const optimism: ChainProfile = {
  name: 'optimism',
  chainId: 10,
  nativeSymbol: 'ETH',
  wrappedNative: '0x4200000000000000000000000000000000000006',
  numeraire: '0x0b2c639c533813f4aa9d7837caf62653d097ff85',
  tokens: [
    { symbol: 'WETH', decimals: 18, address: '0x4200000000000000000000000000000000000006' },
    { symbol: 'USDC', decimals: 6, address: '0x0b2c639c533813f4aa9d7837caf62653d097ff85' },
    { symbol: 'USDC.e', decimals: 6, address: '0x7f5c764cbc14f9669b88837ca1490cca17c31607' },
    { symbol: 'USDT', decimals: 6, address: '0x94b008aa00579c1307b0ef2c499ad98a8ce58e58' },
    { symbol: 'DAI', decimals: 18, address: '0xda10009cbd5d07dd0cecc66161fc93d7c9000da1' },
    { symbol: 'WBTC', decimals: 8, address: '0x68f180fcce6836688e9084f035309e29bf0a2095' },
    { symbol: 'OP', decimals: 18, address: '0x4200000000000000000000000000000000000042' },
    { symbol: 'LINK', decimals: 18, address: '0x350a791bfc2c21f9ed5d10980dad2e2638ffa7f6' },
    { symbol: 'AAVE', decimals: 18, address: '0x76fb31fb4af56892a25e32cfc43de717950c9278' },
    { symbol: 'wstETH', decimals: 18, address: '0x1f32b1c2345538c0c6f582fcb022739c4a194ebb' },
    { symbol: 'rETH', decimals: 18, address: '0x9bcef72be871e61ed4fbbc7630889bee758eb81d' },
    { symbol: 'sUSD', decimals: 18, address: '0x8c6f28f2f1a3c87f0f938b96d27520d9751ec8d9' },
    { symbol: 'LUSD', decimals: 18, address: '0xc40f949f8a4e094d1b49a23ea9241d289b7b2819' },
  ],
  multicall: '0xca11bde05977b3631167028862be2a173976ca11',
  exchanges: [
    {
      kind: 'uniswap-v2',
      dex: 'uniswap_v2',
      factory: '0x0c3c1c532f1e39edf36be9fe0be1410313e074bf',
      feeBps: 30,
    },
    {
      kind: 'uniswap-v2',
      dex: 'sushiswap',
      factory: '0xfbc12984689e5f15626bad03ad60160fe98b303c',
      feeBps: 30,
    },
    {
      kind: 'uniswap-v3',
      dex: 'uniswap_v3',
      factory: '0x1f98431c8ad98523631ae4a59f267346ea31f984',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'uniswap-v3',
      dex: 'sushiswap_v3',
      factory: '0x9c6522117e2ed1fe5bdb72bb0ed5e3f2bde7dbe0',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'uniswap-v4',
      dex: 'uniswap_v4',
      manager: '0x9a13f98cb987694c9f086b1f5eb990eea8264ec3',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'balancer-v2',
      dex: 'balancer_v2',
      vault: '0xba12222222228d8ba445958a75a0704d566bf2c8',
      sinceBlock: 7_003_431,
    },
  ],
  aave: { pool: '0x794a61358d6845594f94dc1db02a252b5b4814ad' },
  // The sequencer orders by tip, and does not publish pending transactions.
  submission: { kind: 'sequencer' },
  gas: { kind: 'op-stack', minPriorityFee: 0n, oracle: '0x420000000000000000000000000000000000000f' },
  finality: { tag: 'finalized', depthWithoutTag: 1_800 },
  maxGasCost: 5_000_000_000_000_000n,
  maxFeePerGas: 20_000_000_000n,
}
