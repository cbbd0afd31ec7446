/** The message about a transaction that was sent. */
import type { DecisionRecord } from '../../ports/ledger.ts'
import type { Sent } from '../../ports/messages.ts'
import type { Handed } from './transactions.ts'

/** When the state that a trade uses was seen, and when its opportunity arrived here; ms since 1970. */
export interface Times {
  readonly seen: number
  readonly received: number
}

/** The message about a sent transaction, with the duration of each stage in ms; times in ms since 1970. */
export function sentOf(
  { id, opportunity }: DecisionRecord,
  { hash, signedAt, recordedAt }: Handed,
  simulatedAt: number,
  { seen, received, decidedAt }: Times & { decidedAt: number },
  now: number,
): Sent {
  return {
    decisionId: id,
    hash,
    block: opportunity.block,
    latencyMs: now - seen,
    stages: {
      received: received - seen,
      judged: decidedAt - received,
      simulated: simulatedAt - decidedAt,
      signed: signedAt - decidedAt,
      recorded: recordedAt - signedAt,
      sent: now - Math.max(recordedAt, simulatedAt),
    },
    follows: opportunity.follows !== undefined,
  }
}
