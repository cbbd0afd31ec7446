/**
 * The gas that a trade is expected to use, before a simulation or a receipt gives the real figure. Measured:
 * docs/benchmarks.md.
 */
import { LOAN_GAS } from '../flash/index.ts'
import type { Cycle, PoolLookup } from '../graph/index.ts'
import { type Financed, legsIn, type Opportunity } from './opportunity.ts'

/** Gas of a transaction and the cheapest loan, without the swaps. */
export const TRANSACTION_GAS = 95_000
const LEG_GAS = {
  'constant-product': 62_000,
  concentrated: 88_000,
  weighted: 105_000,
  stable: 115_000,
} as const

/** Gas of the swaps alone, without the loan and the transaction around them. */
export const gasOfHops = (hops: Cycle, pools: PoolLookup): number =>
  hops.reduce((sum, hop) => sum + LEG_GAS[pools.get(hop.pool)?.kind ?? 'concentrated'], 0)

/** Gas of an opportunity: the transaction, its loan and its swaps. */
export const gasOf = (opportunity: Pick<Opportunity, 'cycles' | 'loan'>): number =>
  TRANSACTION_GAS +
  LOAN_GAS[opportunity.loan.kind] +
  legsIn(opportunity).reduce((sum, leg) => sum + LEG_GAS[leg.kind], 0)

/** The same for a plan that is not written out as an opportunity yet. */
export const gasOfPlan = ({ cycles, loan }: Pick<Financed, 'cycles' | 'loan'>, pools: PoolLookup): number =>
  cycles.reduce((sum, { hops }) => sum + gasOfHops(hops, pools), TRANSACTION_GAS + LOAN_GAS[loan.kind])
