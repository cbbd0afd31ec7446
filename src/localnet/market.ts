/** The embedded market: Polygon's best-known tokens over exchanges of every kind. */
import {
  type Address,
  type ConcentratedPool,
  type Pool,
  sqrt,
  type Tick,
  tickAtSqrtRatio,
} from '../amm/index.ts'
import type { MarketSnapshot, Token } from '../graph/index.ts'
import type { Random } from '../std/random.ts'
import type { MarketPlan } from './plan.ts'

const TOKENS: readonly (Token & { dollars: number })[] = [
  { symbol: 'WMATIC', decimals: 18, address: '0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270', dollars: 0.45 },
  { symbol: 'WETH', decimals: 18, address: '0x7ceb23fd6bc0add59e62ac25578270cff1b9f619', dollars: 3_000 },
  { symbol: 'USDC', decimals: 6, address: '0x2791bca1f2de4661ed88a30c99a7a9449aa84174', dollars: 1 },
  { symbol: 'USDT', decimals: 6, address: '0xc2132d05d31c914a87c6611c10748aeb04b58e8f', dollars: 1 },
  { symbol: 'DAI', decimals: 18, address: '0x8f3cf7ad23cd3cadbd9735aff958023239c6a063', dollars: 1 },
  { symbol: 'WBTC', decimals: 8, address: '0x1bfd67037b42cf73acf2047067bd4f2c47d9bfd6', dollars: 90_000 },
  { symbol: 'LINK', decimals: 18, address: '0x53e0bca35ec356bd5dddfebbd1fc0fd03fabad39', dollars: 15 },
  { symbol: 'AAVE', decimals: 18, address: '0xd6df932a45c0f255f85145f286ea0b292b21c90b', dollars: 180 },
]

/**
 * exchange, pair, dollars of depth (for concentrated pools: of a full-range pool as deep at the price), fee
 * in pips.
 */
const POOLS: readonly (readonly [
  dex: string,
  pair: string,
  dollars: number,
  feePips: number,
  special?: 'native' | 'dynamic',
])[] = [
  ['quickswap', 'WMATIC/USDC', 3_000_000, 3000],
  ['quickswap', 'WMATIC/WETH', 2_500_000, 3000],
  ['quickswap', 'WETH/USDC', 4_000_000, 3000],
  ['quickswap', 'WETH/USDT', 1_500_000, 3000],
  ['quickswap', 'WBTC/WETH', 1_200_000, 3000],
  ['quickswap', 'LINK/WETH', 700_000, 3000],
  ['quickswap', 'AAVE/WETH', 600_000, 3000],
  ['quickswap', 'DAI/USDC', 1_000_000, 3000],
  ['quickswap', 'USDC/USDT', 1_200_000, 3000],
  ['sushiswap', 'WMATIC/USDC', 1_400_000, 3000],
  ['sushiswap', 'WMATIC/WETH', 1_100_000, 3000],
  ['sushiswap', 'WETH/USDC', 2_200_000, 3000],
  ['sushiswap', 'WBTC/WETH', 900_000, 3000],
  ['sushiswap', 'LINK/WETH', 500_000, 3000],
  ['sushiswap', 'AAVE/WETH', 400_000, 3000],
  ['sushiswap', 'DAI/WETH', 600_000, 3000],
  ['uniswap_v3', 'WETH/USDC', 8_000_000, 500],
  ['uniswap_v3', 'WETH/USDC', 3_500_000, 3000],
  ['uniswap_v3', 'WMATIC/USDC', 3_200_000, 500],
  ['uniswap_v3', 'WMATIC/WETH', 2_600_000, 500],
  ['uniswap_v3', 'WMATIC/WETH', 1_300_000, 3000],
  ['uniswap_v3', 'WBTC/WETH', 2_400_000, 500],
  ['uniswap_v3', 'USDC/USDT', 5_000_000, 500],
  ['uniswap_v3', 'DAI/USDC', 3_000_000, 500],
  ['uniswap_v3', 'LINK/WETH', 1_200_000, 3000],
  ['uniswap_v3', 'AAVE/WETH', 900_000, 3000],
  ['uniswap_v3', 'AAVE/WETH', 400_000, 10_000],
  ['uniswap_v3', 'WMATIC/USDT', 500_000, 10_000],
  ['quickswap_v3', 'WETH/USDC', 2_800_000, 900],
  ['quickswap_v3', 'WMATIC/USDC', 1_600_000, 700, 'dynamic'],
  ['uniswap_v4', 'WETH/USDC', 2_400_000, 500],
  ['uniswap_v4', 'WMATIC/WETH', 900_000, 3000],
  // Holds the native coin itself.
  ['uniswap_v4', 'WMATIC/USDC', 1_100_000, 500, 'native'],
]

/**
 * Balancer pools: tokens with their weights in percent, dollars in total, fee in 1e18. The first holds most
 * of the vault's liquidity.
 */
const WEIGHTED: readonly {
  readonly weights: Readonly<Record<string, number>>
  readonly dollars: number
  readonly fee: bigint
  readonly powShortcuts?: boolean
}[] = [
  {
    weights: { WMATIC: 20, WETH: 20, USDC: 20, WBTC: 20, DAI: 20 },
    dollars: 7_500_000,
    fee: 2n * 10n ** 15n,
  },
  { weights: { AAVE: 80, WETH: 20 }, dollars: 900_000, fee: 3n * 10n ** 15n, powShortcuts: true },
]
const STABLE = { symbols: ['USDC', 'USDT', 'DAI'], dollars: 4_000_000, amp: 500_000n, fee: 10n ** 14n }

const TICK_SPACING: Readonly<Record<number, number>> = { 100: 1, 500: 10, 3000: 60, 10000: 200 }

/** Ranges around the price as fractions, and the share of the pool's depth in each. */
const RANGES: readonly (readonly [width: number, share: number])[] = [
  [0.7, 0.25],
  [0.25, 0.35],
  [0.06, 0.4],
]

/** The embedded market; `random` offsets the pools' prices by less than their fees. */
export function embeddedMarket(random: Random): MarketPlan {
  const bySymbol = new Map(TOKENS.map((token) => [token.symbol, token]))
  const pools = POOLS.map(([dex, pair, dollars, feePips, special], index): Pool => {
    const [a, b] = pair.split('/').map((symbol) => bySymbol.get(symbol) as (typeof TOKENS)[number]) as [
      (typeof TOKENS)[number],
      (typeof TOKENS)[number],
    ]
    const [token0, token1] = a.address < b.address ? [a, b] : [b, a]
    const units = (token: typeof a) =>
      BigInt(Math.round((dollars / 2 / token.dollars) * 1e6)) *
      10n ** BigInt(token.decimals - 6 < 0 ? 0 : token.decimals - 6)
    const nudge = BigInt(Math.round((1 + (random() - 0.5) * 0.001) * 1e9))
    const reserves: [bigint, bigint] = [units(token0), (units(token1) * nudge) / 1_000_000_000n]
    // Identifies the pool in the plan; its factory decides its address on the chain.
    const identity = {
      address: `0x${(index + 1).toString(16).padStart(40, '0')}` as Address,
      dex,
      tokens: [token0.address, token1.address] as const,
    }
    if (dex === 'uniswap_v3') return concentrated(identity, reserves, feePips)
    if (dex === 'quickswap_v3')
      return {
        ...concentrated(identity, reserves, feePips, 60),
        engine: 'algebra',
        ...(special === 'dynamic' ? { dynamicFee: true } : {}),
      }
    if (dex === 'uniswap_v4')
      return {
        ...concentrated(identity, reserves, feePips),
        engine: 'uniswap-v4',
        ...(special === 'native' ? { native: true } : {}),
      }
    return { kind: 'constant-product', ...identity, reserves, feeBps: feePips / 100 }
  })
  pools.push(...vaultPools(bySymbol))
  return {
    network: 'local',
    nativeSymbol: 'MATIC',
    wrappedNative: (bySymbol.get('WMATIC') as Token).address,
    numeraire: (bySymbol.get('USDC') as Token).address,
    snapshot: { chainId: 31_337, block: 0, tokens: TOKENS, pools, leftOut: {} },
    dollars: new Map(TOKENS.map((token) => [token.address, token.dollars])),
  }
}

function vaultPools(bySymbol: ReadonlyMap<string, (typeof TOKENS)[number]>): Pool[] {
  const tokensOf = (symbols: readonly string[]) =>
    symbols
      .map((symbol) => bySymbol.get(symbol) as (typeof TOKENS)[number])
      .sort((a, b) => (a.address < b.address ? -1 : 1))
  const units = (token: (typeof TOKENS)[number], dollars: number) =>
    BigInt(Math.round((dollars / token.dollars) * 100)) * 10n ** BigInt(token.decimals - 2)
  const identity = (index: number, tokens: readonly Token[]) => ({
    address: `0x${(0xba1a0000 + index).toString(16).padStart(40, '0')}` as Address,
    dex: 'balancer_v2',
    tokens: tokens.map((token) => token.address),
    scalingFactors: tokens.map((token) => 10n ** BigInt(36 - token.decimals)),
  })
  const weighted = WEIGHTED.map(({ weights, dollars, fee, powShortcuts }, index): Pool => {
    const tokens = tokensOf(Object.keys(weights))
    const shares = tokens.map((token) => weights[token.symbol] as number)
    return {
      kind: 'weighted',
      ...identity(index, tokens),
      balances: tokens.map((token, at) => units(token, (dollars * (shares[at] as number)) / 100)),
      weights: shares.map((share) => BigInt(share) * 10n ** 16n),
      swapFee: fee,
      ...(powShortcuts ? { powShortcuts } : {}),
    }
  })
  const tokens = tokensOf(STABLE.symbols)
  const balances = tokens.map((token) => units(token, STABLE.dollars / tokens.length))
  return [
    ...weighted,
    { kind: 'stable', ...identity(WEIGHTED.length, tokens), balances, amp: STABLE.amp, swapFee: STABLE.fee },
  ]
}

function concentrated(
  identity: Pick<ConcentratedPool, 'address' | 'dex' | 'tokens'>,
  [x, y]: [bigint, bigint],
  feePips: number,
  tickSpacing = TICK_SPACING[feePips] as number,
): ConcentratedPool {
  const sqrtPriceX96 = sqrt((y << 192n) / x)
  const tick = tickAtSqrtRatio(sqrtPriceX96)
  const depth = sqrt(x * y)
  const ticks = new Map<number, [number, bigint, bigint]>()
  let liquidity = 0n
  for (const [width, share] of RANGES) {
    const span = Math.ceil(Math.log(1 + width) / Math.log(1.0001) / tickSpacing) * tickSpacing
    const centre = Math.round(tick / tickSpacing) * tickSpacing
    const amount = (depth * BigInt(Math.round(share * 1_000))) / 1_000n
    liquidity += amount
    for (const [at, net] of [
      [centre - span, amount],
      [centre + span, -amount],
    ] as const) {
      const [, oldNet, oldGross] = ticks.get(at) ?? [at, 0n, 0n]
      ticks.set(at, [at, oldNet + net, oldGross + amount])
    }
  }
  const sorted: Tick[] = [...ticks.values()].sort((a, b) => a[0] - b[0])
  return {
    kind: 'concentrated',
    ...identity,
    sqrtPriceX96,
    liquidity,
    tick,
    tickSpacing,
    feePips,
    ticks: sorted,
  }
}

const DOLLAR_SYMBOLS = new Set(['USDC', 'USDT', 'DAI'])

/**
 * The market of a snapshot; values are in its wrapped native token. Tokens other than stablecoins get no
 * starting price.
 */
export function snapshotMarket(snapshot: MarketSnapshot): MarketPlan {
  const bySymbol = (symbol: string) => snapshot.tokens.find((token) => token.symbol === symbol)
  const native = bySymbol('WETH') ?? bySymbol('WMATIC') ?? (snapshot.tokens[0] as Token)
  return {
    network: 'snapshot',
    nativeSymbol: native.symbol.replace(/^W/, ''),
    wrappedNative: native.address,
    numeraire: native.address,
    snapshot,
    dollars: new Map(
      snapshot.tokens.filter((token) => DOLLAR_SYMBOLS.has(token.symbol)).map((token) => [token.address, 1]),
    ),
  }
}
