/**
 * Arbitrum: its tokens, its exchanges and the rules of trading on it. Addresses as in docs/decisions/0004.
 */
import { type ChainProfile, UNISWAP_FEES } from './profile.ts'

export const arbitrum: ChainProfile = {
  name: 'arbitrum',
  chainId: 42_161,
  nativeSymbol: 'ETH',
  wrappedNative: '0x82af49447d8a07e3bd95bd0d56f35241523fbab1',
  numeraire: '0xaf88d065e77c8cc2239327c5edb3a432268e5831',
  tokens: [
    { symbol: 'WETH', decimals: 18, address: '0x82af49447d8a07e3bd95bd0d56f35241523fbab1' },
    { symbol: 'USDC', decimals: 6, address: '0xaf88d065e77c8cc2239327c5edb3a432268e5831' },
    { symbol: 'USDC.e', decimals: 6, address: '0xff970a61a04b1ca14834a43f5de4533ebddb5cc8' },
    { symbol: 'USDT', decimals: 6, address: '0xfd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9' },
    { symbol: 'DAI', decimals: 18, address: '0xda10009cbd5d07dd0cecc66161fc93d7c9000da1' },
    { symbol: 'WBTC', decimals: 8, address: '0x2f2a2543b76a4166549f7aab2e75bef0aefc5b0f' },
    { symbol: 'ARB', decimals: 18, address: '0x912ce59144191c1204e64559fe8253a0e49e6548' },
    { symbol: 'LINK', decimals: 18, address: '0xf97f4df75117a78c1a5a0dbb814af92458539fb4' },
    { symbol: 'AAVE', decimals: 18, address: '0xba5ddd1f9d7f570dc94a51479a000e3bce967196' },
    { symbol: 'wstETH', decimals: 18, address: '0x5979d7b546e38e414f7e9822514be443a4800529' },
    { symbol: 'rETH', decimals: 18, address: '0xec70dcb4a1efa46b8f2d97c310c9c4790ba5ffa8' },
    { symbol: 'FRAX', decimals: 18, address: '0x17fc002b466eec40dae837fc4be5c67993ddbd6f' },
    { symbol: 'LUSD', decimals: 18, address: '0x93b346b6bc2548da6a1e7d98e9a421b42541425b' },
    { symbol: 'weETH', decimals: 18, address: '0x35751007a407ca6feffe80b3cb397736d2cf4dbe' },
    { symbol: 'GHO', decimals: 18, address: '0x7dff72693f6a4149b17e7c6314655f6a9f7c8b33' },
    { symbol: 'tBTC', decimals: 18, address: '0x6c84a8f1c29108f47a79964b5fe888d4f4d0de40' },
  ],
  multicall: '0xca11bde05977b3631167028862be2a173976ca11',
  exchanges: [
    {
      kind: 'uniswap-v2',
      dex: 'uniswap_v2',
      factory: '0xf1d7cc64fb4452f05c498126312ebe29f30fbcf9',
      feeBps: 30,
    },
    {
      kind: 'uniswap-v2',
      dex: 'sushiswap',
      factory: '0xc35dadb65012ec5796536bd9864ed8773abc74c4',
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
      factory: '0x1af415a1eba07a4986a52b6f2e7de7003d82231e',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'uniswap-v4',
      dex: 'uniswap_v4',
      manager: '0x360e68faccca8ca495c1b759fd9eee466db9fb32',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'balancer-v2',
      dex: 'balancer_v2',
      vault: '0xba12222222228d8ba445958a75a0704d566bf2c8',
      sinceBlock: 222_832,
    },
  ],
  aave: { pool: '0x794a61358d6845594f94dc1db02a252b5b4814ad' },
  // The sequencer orders transactions by arrival: a tip has no effect.
  submission: { kind: 'sequencer' },
  gas: { kind: 'arbitrum', gasInfo: '0x000000000000000000000000000000000000006c' },
  // Final once the batch is in a final block of Ethereum.
  finality: { tag: 'finalized', depthWithoutTag: 12_000 },
  maxGasCost: 5_000_000_000_000_000n,
  maxFeePerGas: 20_000_000_000n,
}
