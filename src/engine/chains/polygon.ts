/** Polygon: its tokens, its exchanges and the rules of trading on it. Addresses as in docs/decisions/0004. */
import { type ChainProfile, UNISWAP_FEES } from './profile.ts'

export const polygon: ChainProfile = {
  name: 'polygon',
  chainId: 137,
  nativeSymbol: 'POL',
  wrappedNative: '0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270',
  numeraire: '0x2791bca1f2de4661ed88a30c99a7a9449aa84174',
  tokens: [
    { symbol: 'WMATIC', decimals: 18, address: '0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270' },
    { symbol: 'WETH', decimals: 18, address: '0x7ceb23fd6bc0add59e62ac25578270cff1b9f619' },
    { symbol: 'USDC', decimals: 6, address: '0x2791bca1f2de4661ed88a30c99a7a9449aa84174' },
    { symbol: 'USDCn', decimals: 6, address: '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359' },
    { symbol: 'USDT', decimals: 6, address: '0xc2132d05d31c914a87c6611c10748aeb04b58e8f' },
    { symbol: 'DAI', decimals: 18, address: '0x8f3cf7ad23cd3cadbd9735aff958023239c6a063' },
    { symbol: 'WBTC', decimals: 8, address: '0x1bfd67037b42cf73acf2047067bd4f2c47d9bfd6' },
    { symbol: 'LINK', decimals: 18, address: '0x53e0bca35ec356bd5dddfebbd1fc0fd03fabad39' },
    { symbol: 'AAVE', decimals: 18, address: '0xd6df932a45c0f255f85145f286ea0b292b21c90b' },
    { symbol: 'CRV', decimals: 18, address: '0x172370d5cd63279efa6d502dab29171933a610af' },
    { symbol: 'SUSHI', decimals: 18, address: '0x0b3f868e0be5597d5db7feb59e1cadbb0fdda50a' },
    { symbol: 'GHST', decimals: 18, address: '0x385eeac5cb85a38a9a07a70c73e0a3271cfb54a7' },
    { symbol: 'BAL', decimals: 18, address: '0x9a71012b13ca4d3d0cdc72a177df3ef03b0e76a3' },
    { symbol: 'wstETH', decimals: 18, address: '0x03b54a6e9a984069379fae1a4fc4dbae93b3bccd' },
    { symbol: 'stMATIC', decimals: 18, address: '0x3a58a54c066fdc0f2d55fc9c89f0415c92ebf3c4' },
    { symbol: 'MaticX', decimals: 18, address: '0xfa68fb4628dff1028cfec22b4162fccd0d45efb6' },
  ],
  multicall: '0xca11bde05977b3631167028862be2a173976ca11',
  exchanges: [
    {
      kind: 'uniswap-v2',
      dex: 'quickswap',
      factory: '0x5757371414417b8c6caad45baef941abc7d3ab32',
      feeBps: 30,
    },
    {
      kind: 'uniswap-v2',
      dex: 'sushiswap',
      factory: '0xc35dadb65012ec5796536bd9864ed8773abc74c4',
      feeBps: 30,
    },
    {
      kind: 'uniswap-v2',
      dex: 'uniswap_v2',
      factory: '0x9e5a52f57b3038f1b8eee45f28b3c1967e22799c',
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
      factory: '0x917933899c6a5f8e37f31e19f92cdbff7e8ff0e2',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'uniswap-v4',
      dex: 'uniswap_v4',
      manager: '0x67366782805870060151383f4bbff9dab53e5cd6',
      fees: UNISWAP_FEES,
    },
    {
      kind: 'balancer-v2',
      dex: 'balancer_v2',
      vault: '0xba12222222228d8ba445958a75a0704d566bf2c8',
      sinceBlock: 15_832_990,
    },
  ],
  aave: { pool: '0x794a61358d6845594f94dc1db02a252b5b4814ad' },
  // Plain transactions compete, unless a private endpoint is configured; there are no bundles. Validators
  // accept no tip below 25 gwei.
  submission: { kind: 'relay', method: 'private-transaction', blocks: 8 },
  gas: { kind: 'auction', minPriorityFee: 25_000_000_000n },
  // Milestones make blocks final within seconds; a node that does not report them is given an epoch.
  finality: { tag: 'finalized', depthWithoutTag: 256 },
  maxGasCost: 50_000_000_000_000_000_000n,
  maxFeePerGas: 20_000_000_000_000n,
}
