/** Price differences of the same pair between pools. */
import { feeFraction } from '../../amm/index.ts'
import type { MarketView } from '../../ports/market.ts'
import { type PairPrice, pairsOf } from './pair-prices.ts'

/** A pair that several pools trade. */
export interface PairSpread {
  /** Number of pools with a price. */
  readonly pools: number
  readonly cheapest: PairPrice
  readonly dearest: PairPrice
  /** The dearest above the cheapest, in percent. */
  readonly gapPercent: number
  /** Gap that pays both fees, in percent. */
  readonly feesPercent: number
}

/** Every pair that at least two pools trade, largest gap after fees first. */
export function pairSpreads(market: MarketView): PairSpread[] {
  const prices = [...market.pools.values()].flatMap((pool) => pairsOf(market, pool))
  const pairs = Map.groupBy(
    prices.filter(({ price }) => price > 0),
    ({ base, quote }) => `${base} ${quote}`,
  )
  return [...pairs.values()]
    .flatMap((list): PairSpread[] => {
      const sorted = list.sort((a, b) => a.price - b.price)
      const [cheapest, dearest] = [sorted[0], sorted.at(-1)]
      if (!cheapest || !dearest || cheapest === dearest) return []
      const kept = (1 - feeFraction(cheapest.pool)) * (1 - feeFraction(dearest.pool))
      return [
        {
          pools: sorted.length,
          cheapest,
          dearest,
          gapPercent: 100 * (dearest.price / cheapest.price - 1),
          feesPercent: 100 * (1 / kept - 1),
        },
      ]
    })
    .sort((a, b) => b.gapPercent - b.feesPercent - (a.gapPercent - a.feesPercent))
}
