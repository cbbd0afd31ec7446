/** How far a price can be relied on: the agreement of pools, the distance from an oracle, and its age. */
import type { TokenPrice } from '../../arbitrage/index.ts'
import type { Token } from '../../graph/index.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

/** Dispersion at which confidence is 0. */
const MAX_DISPERSION = 0.05
/** Confidence below which a price is not valid. */
const MIN_CONFIDENCE = 0.3

/**
 * The price of a token in this market. Throws `no-price` if no chain of pools connects it to the quote token.
 */
export function tokenPriceOf(market: MarketView, { address, symbol }: Token): TokenPrice {
  const found = market.prices().get(address)
  if (found) return found
  const quote = market.symbol(market.manifest.numeraire)
  throw new KintsugiError('no-price', `${symbol}: no chain of pools connects it to ${quote}`)
}

/** From 0 (pools disagree, or there is none) to 1 (many pools agree). A single pool counts half. */
export function priceConfidence({ dispersion, pools }: Pick<TokenPrice, 'dispersion' | 'pools'>): number {
  return Math.max(0, 1 - dispersion / MAX_DISPERSION) * (1 - 0.5 ** pools)
}

/** Facts of a price that decide whether it is valid. */
export interface PriceCheck {
  readonly ageMs: number
  /** From 0 to 1. */
  readonly confidence: number
  /** Distance of the price from the oracle's, in percent; null without an oracle. */
  readonly oracleDeviationPercent: number | null
  /** Why the market may be stale, or undefined. */
  readonly failure: string | undefined
}

/** Limits that a valid price keeps. */
export interface PriceLimits {
  readonly maxAgeMs: number
  readonly maxDeviationPercent: number
}

/** The reasons in words why a price is not valid; empty for a valid price. */
export function priceFaults(
  { ageMs, confidence, oracleDeviationPercent: deviation, failure }: PriceCheck,
  { maxAgeMs, maxDeviationPercent }: PriceLimits,
): string[] {
  return [
    ...(ageMs > maxAgeMs ? [`the price is ${ageMs} ms old (limit ${maxAgeMs} ms)`] : []),
    ...(deviation !== null && Math.abs(deviation) > maxDeviationPercent
      ? [`the median is ${deviation.toFixed(2)} % from the oracle (limit ${maxDeviationPercent} %)`]
      : []),
    ...(failure === undefined ? [] : [failure]),
    ...(confidence < MIN_CONFIDENCE
      ? [`the pools disagree: confidence ${confidence.toFixed(2)} (limit ${MIN_CONFIDENCE})`]
      : []),
  ]
}
