/** The fee of a rollup for the data that it posts, in addition to the gas of the execution. */
import { legsIn, type Opportunity } from './opportunity.ts'

export interface DataFee {
  /** In wei, for a transaction without call data, and for each byte of it. */
  readonly fixed: number
  readonly perByte: number
  /** Whether it is taken as gas, within the limit and at the price of gas, or as a sum of its own. */
  readonly chargedAs: 'gas' | 'sum'
}

/**
 * A selector, the plan's offset and length, and the plan itself in whole words: see
 * contracts/src/KintsugiExecutor.sol.
 */
const PLAN = { selector: 4, words: 64, head: 81, cycle: 17, leg: 43 }

/** The size of the call that executes an opportunity, in bytes. */
export function callSize(opportunity: Pick<Opportunity, 'cycles'>): number {
  const plan = PLAN.head + opportunity.cycles.length * PLAN.cycle + legsIn(opportunity).length * PLAN.leg
  return PLAN.selector + PLAN.words + Math.ceil(plan / 32) * 32
}

/** In wei, rounded up. */
export const dataFeeOf = (fee: DataFee | undefined, opportunity: Pick<Opportunity, 'cycles'>): bigint =>
  fee === undefined ? 0n : BigInt(Math.ceil(fee.fixed + fee.perByte * callSize(opportunity)))
