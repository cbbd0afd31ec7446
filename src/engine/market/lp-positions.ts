/**
 * Value of liquidity positions after a price move, against holding the tokens. Pure mathematics, fees
 * excluded.
 */
import { KintsugiError } from '../../std/errors.ts'

/** Values after the move of a position that was worth 1 before, in the token whose price stays. */
export interface PositionValue {
  readonly providing: number
  readonly holding: number
}

/**
 * A full-range position. `priceRatio`: price after over price before; `weight`: share of the token whose
 * price changes, 0.5 in a constant-product pool. From the invariant x^w * y^(1-w).
 */
export const weightedPosition = (priceRatio: number, weight: number): PositionValue => ({
  providing: priceRatio ** weight,
  holding: weight * priceRatio + 1 - weight,
})

/**
 * Liquidity between two prices, given as fractions of the price before. Source: Uniswap V3 whitepaper,
 * section 6. Throws `bad-argument` unless lower < 1 < upper.
 */
export function rangePosition(priceRatio: number, lower: number, upper: number): PositionValue {
  if (!(lower < 1 && upper > 1))
    throw new KintsugiError(
      'bad-argument',
      `lower, upper: expected lower below 1 and upper above 1 (got ${lower}, ${upper})`,
    )
  const amountsAt = (price: number) => {
    const root = Math.sqrt(Math.min(Math.max(price, lower), upper))
    return [1 / root - 1 / Math.sqrt(upper), root - Math.sqrt(lower)] as const
  }
  const [x0, y0] = amountsAt(1)
  const [x1, y1] = amountsAt(priceRatio)
  const before = x0 + y0
  return { providing: (x1 * priceRatio + y1) / before, holding: (x0 * priceRatio + y0) / before }
}

/** Impermanent loss in percent of what holding is worth. */
export const lossPercent = ({ providing, holding }: PositionValue): number => 100 * (1 - providing / holding)
