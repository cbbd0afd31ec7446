/** The maximum profit of the present market over all trades, against what cycles take of it. */
import type { Address } from '../../amm/index.ts'
import { planCycles, type SizedCycle, upperBound } from '../../graph/index.ts'
import type { MarketView } from '../../ports/market.ts'
import { humanValue } from '../market/tokens.ts'
import { searchOf } from './opportunities.ts'

/** The longest cycle of the plan, in pools. */
const MAX_HOPS = 4
const MAX_PLANNED = 64

/** Values in whole quote tokens, before premiums and gas. */
export interface MarketBound {
  /** No trade over these pools earns more. */
  readonly upperBound: number
  readonly bestSingleCycle: number
  readonly plan: number
  readonly planCycles: number
  /** False: the bound holds but is not tight. */
  readonly converged: boolean
  readonly iterations: number
  /** The prices that prove the bound: quote units per unit, both smallest. */
  readonly prices: ReadonlyMap<Address, number>
}

/** The convex optimum over all trades by its dual, in at most `maxIterations` iterations. */
export function marketBound(market: MarketView, maxIterations: number): MarketBound {
  const { manifest } = market
  const start = new Map([...market.prices()].map(([token, { rate }]) => [token, rate] as const))
  const search = searchOf(market, MAX_HOPS)
  const bound = upperBound(search.graph, manifest.numeraire, { start, maxIterations })
  search.setValues(bound.prices)
  search.search()
  const worth = ({ hops, grossProfit }: SizedCycle) =>
    hops[0] ? humanValue(manifest, Number(grossProfit) * search.valueOf(hops[0].tokenIn)) : 0
  const planned = planCycles(search, { maxCycles: MAX_PLANNED, worth: () => 0 })
  return {
    upperBound: humanValue(manifest, bound.value),
    bestSingleCycle: Math.max(0, ...search.best(1).map(worth)),
    plan: planned.reduce((sum, cycle) => sum + worth(cycle), 0),
    planCycles: planned.length,
    converged: bound.converged,
    iterations: bound.iterations,
    prices: bound.prices,
  }
}
