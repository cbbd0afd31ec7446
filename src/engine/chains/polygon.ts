/** Polygon: the tokens and exchanges that are looked at. Addresses as in docs/decisions/0004; read from the chain before anything is believed. */
import type { ChainProfile } from '../discovery.ts'

export const polygon: ChainProfile = {
  chainId: 137,
  network: 'polygon',
  nativeSymbol: 'POL',
  wrappedNative: '0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270',
  numeraire: '0x2791bca1f2de4661ed88a30c99a7a9449aa84174',
  tokens: [
    { symbol: 'WMATIC', decimals: 18, address: '0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270' },
    { symbol: 'WETH', decimals: 18, address: '0x7ceb23fd6bc0add59e62ac25578270cff1b9f619' },
    { symbol: 'USDC', decimals: 6, address: '0x2791bca1f2de4661ed88a30c99a7a9449aa84174' },
    { symbol: 'USDT', decimals: 6, address: '0xc2132d05d31c914a87c6611c10748aeb04b58e8f' },
    { symbol: 'DAI', decimals: 18, address: '0x8f3cf7ad23cd3cadbd9735aff958023239c6a063' },
    { symbol: 'WBTC', decimals: 8, address: '0x1bfd67037b42cf73acf2047067bd4f2c47d9bfd6' },
    { symbol: 'LINK', decimals: 18, address: '0x53e0bca35ec356bd5dddfebbd1fc0fd03fabad39' },
    { symbol: 'AAVE', decimals: 18, address: '0xd6df932a45c0f255f85145f286ea0b292b21c90b' },
  ],
  multicall: '0xca11bde05977b3631167028862be2a173976ca11',
  pairFactories: [
    { dex: 'quickswap', factory: '0x5757371414417b8c6caad45baef941abc7d3ab32', feeBps: 30 },
    { dex: 'sushiswap', factory: '0xc35dadb65012ec5796536bd9864ed8773abc74c4', feeBps: 30 },
  ],
  poolFactories: [
    {
      dex: 'uniswap_v3',
      factory: '0x1f98431c8ad98523631ae4a59f267346ea31f984',
      fees: [
        { feePips: 100, tickSpacing: 1 },
        { feePips: 500, tickSpacing: 10 },
        { feePips: 3000, tickSpacing: 60 },
        { feePips: 10_000, tickSpacing: 200 },
      ],
    },
  ],
  aave: { pool: '0x794a61358d6845594f94dc1db02a252b5b4814ad' },
  balancer: { vault: '0xba12222222228d8ba445958a75a0704d566bf2c8' },
}
