/** Depth of pools: holdings at the price, and the price impact of orders. */
import {
  type Address,
  type ConcentratedPool,
  feeFraction,
  type Pool,
  quoteExactIn,
  spotPrice,
  sqrtRatioAtTick,
  virtualReserves,
} from '../../amm/index.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { humanValue } from './tokens.ts'

/**
 * Value of a pool's holdings near its price in whole numeraire units: its reserves; for a concentrated pool
 * its active range.
 */
export function valueHeld(market: MarketView, address: Address): number {
  const pool = market.pools.get(address)
  if (!pool) return 0
  const prices = market.prices()
  const value = heldBy(pool).reduce(
    (sum, amount, index) => sum + Number(amount) * (prices.get(pool.tokens[index] as Address)?.rate ?? 0),
    0,
  )
  return humanValue(market.manifest, value)
}

/** Amount of each token near the price, in smallest units. */
export function heldBy(pool: Pool): readonly bigint[] {
  if (pool.kind === 'constant-product') return pool.reserves
  if (pool.kind === 'concentrated') return activeRange(pool)
  return pool.balances
}

/** The holdings of a token near the price by pool, in smallest units, largest first. */
export function holdingsOf(market: MarketView, token: Address): { pool: Pool; held: bigint }[] {
  return [...market.pools.values()]
    .flatMap((pool) => {
      const index = pool.tokens.indexOf(token)
      return index < 0 ? [] : [{ pool, held: heldBy(pool)[index] ?? 0n }]
    })
    .sort((a, b) => (a.held < b.held ? 1 : -1))
}

function activeRange(pool: ConcentratedPool): bigint[] {
  const below =
    pool.ticks?.findLast(([tick]) => tick <= pool.tick)?.[0] ??
    Math.floor(pool.tick / pool.tickSpacing) * pool.tickSpacing
  const above = pool.ticks?.find(([tick]) => tick > pool.tick)?.[0] ?? below + pool.tickSpacing
  const [root, low, high] = [
    Number(pool.sqrtPriceX96),
    Number(sqrtRatioAtTick(below)),
    Number(sqrtRatioAtTick(above)),
  ].map((value) => value / 2 ** 96) as [number, number, number]
  const liquidity = Number(pool.liquidity)
  return [liquidity * (1 / root - 1 / high), liquidity * (root - low)].map((amount) =>
    BigInt(Math.floor(Math.max(0, amount))),
  )
}

/**
 * The largest input, in smallest units, whose average price is within `bps` of the marginal one, without the
 * fee; 0 if no input is.
 */
export function inputWithin(pool: Pool, tokenIn: Address, tokenOut: Address, bps: number): bigint {
  const price = spotPrice(pool, tokenIn, tokenOut)
  const keep = 1 - feeFraction(pool, tokenIn)
  const fits = (amount: bigint) => {
    const out = quoteExactIn(pool, tokenIn, tokenOut, amount)
    return out !== undefined && Number(out) / (Number(amount) * keep * price) >= 1 - bps / 10_000
  }
  // From the smallest amount that rounding does not distort up to the first that does not fit.
  let low = BigInt(Math.ceil((20_000 / bps) * Math.max(1, 1 / price)))
  if (!fits(low)) return 0n
  let high = low * 2n
  while (fits(high) && high < 1n << 120n) [low, high] = [high, high * 2n]
  while (high - low > low / 1_000n + 1n) {
    const middle = (low + high) / 2n
    if (fits(middle)) low = middle
    else high = middle
  }
  return low
}

export interface ImpactPoint {
  readonly amountIn: bigint
  readonly amountOut: bigint
  /** Loss of the average price against the marginal price before the trade, as a fraction, fee included. */
  readonly impact: number
}

/** Quotes of growing size, from a ten-thousandth of the depth to all of it. */
export function impactCurve(pool: Pool, tokenIn: Address, tokenOut: Address, points: number): ImpactPoint[] {
  const price = spotPrice(pool, tokenIn, tokenOut)
  const [depth] = virtualReserves(pool, tokenIn, tokenOut)
  return Array.from({ length: points }, (_, index) =>
    BigInt(Math.ceil(depth * 10 ** (-4 + (4 * index) / Math.max(1, points - 1)))),
  ).flatMap((amountIn) => {
    const amountOut = quoteExactIn(pool, tokenIn, tokenOut, amountIn)
    return amountOut === undefined
      ? []
      : [{ amountIn, amountOut, impact: 1 - Number(amountOut) / (Number(amountIn) * price) }]
  })
}

/** A stretch between two initialised ticks of a concentrated pool. */
export interface TickRange {
  readonly from: number
  readonly to: number
  /** Whole token1 per whole token0. */
  readonly priceFrom: number
  readonly priceTo: number
  readonly liquidity: bigint
  /** Whether the price is in it. */
  readonly active: boolean
}

/**
 * The liquidity of a concentrated pool by tick, and its price in whole token1 per whole token0. `decimals`:
 * token0's less token1's.
 */
export function tickRanges(pool: ConcentratedPool, decimals: number): { price: number; ranges: TickRange[] } {
  const priceAt = (ratio: bigint) => (Number(ratio) / 2 ** 96) ** 2 * 10 ** decimals
  const ticks = pool.ticks ?? []
  let liquidity = 0n
  const ranges = ticks.slice(0, -1).map(([from, net], index) => {
    liquidity += net
    const to = (ticks[index + 1] as (typeof ticks)[number])[0]
    const [priceFrom, priceTo] = [priceAt(sqrtRatioAtTick(from)), priceAt(sqrtRatioAtTick(to))]
    return { from, to, priceFrom, priceTo, liquidity, active: pool.tick >= from && pool.tick < to }
  })
  return { price: priceAt(pool.sqrtPriceX96), ranges }
}

/**
 * The direction of a trade in a pool; without `tokenIn`, from its first token. Throws `unknown-symbol`, and
 * `bad-argument` for a token that the pool does not trade.
 */
export function tradeDirection(market: MarketView, pool: Pool, tokenIn?: string): [Address, Address] {
  const from = tokenIn === undefined ? (pool.tokens[0] as Address) : market.token(tokenIn).address
  const to = pool.tokens.find((other) => other !== from)
  if (pool.tokens.includes(from) && to) return [from, to]
  throw new KintsugiError('bad-argument', `tokenIn: expected a token of the pool (got ${tokenIn})`, {
    hint: pool.tokens.map((other) => market.symbol(other)).join(', '),
  })
}
