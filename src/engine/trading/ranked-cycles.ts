/** Cycles of the pool graph through one token, by how close they are to paying. */
import type { Address } from '../../amm/index.ts'
import { type Cycle, cyclesOf, logRate } from '../../graph/index.ts'
import type { MarketView } from '../../ports/market.ts'

/** A cycle, and what a tiny amount gains in one round after fees, as a fraction: above 0 it pays. */
export interface RankedCycle {
  readonly cycle: Cycle
  readonly gain: number
}

/** The cycles that start and end at `start`, best first; those that a pool cannot trade now are left out. */
export function rankedCycles(market: MarketView, start: Address, maxHops: number): RankedCycle[] {
  const options = { maxHops, startTokens: [start], onlyStartTokens: true }
  return cyclesOf(market.pools.values(), options)
    .map((cycle) => ({ cycle, gain: Math.expm1(logRate(cycle, market.pools)) }))
    .filter(({ gain }) => Number.isFinite(gain) && gain > -1)
    .sort((a, b) => b.gain - a.gain)
}
