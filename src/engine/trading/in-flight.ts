/**
 * Trades that are decided and not mined yet: their pools are busy, since they change the profit of later
 * trades.
 */
import type { Address } from '../../amm/index.ts'
import { legsIn } from '../../arbitrage/index.ts'
import type { DecisionRecord } from '../../ports/ledger.ts'

/** The destination of decided trades: to the chain, or to the journal of paper trades. */
export interface InFlight {
  /** How many were sent and are not mined yet. */
  readonly inFlight: number
  /** The decisions whose pools are busy, including those whose transactions are signed and not sent yet. */
  readonly pending: readonly DecisionRecord[]
}

/** The pools of these decisions, each with the profit that its trade promises in native wei. */
export function busyPools(pending: Iterable<DecisionRecord>): Map<Address, number> {
  const busy = new Map<Address, number>()
  for (const { opportunity, decision } of pending)
    for (const leg of legsIn(opportunity)) busy.set(leg.pool, Number(decision.numbers.grossNative))
  return busy
}
