/** Decisions in the ledger by what is asked of them. */
import type { DecisionRecord, Ledger } from '../../ports/ledger.ts'
import { KintsugiError } from '../../std/errors.ts'

/** Refusals among which the last one is looked for. */
const MAX_LOOKED_AT = 20

/**
 * The decision with this id; without an id the last refusal that was no dry run, or the newest decision if
 * there is none. Throws `not-found`, and what the ledger throws.
 */
export async function explainedDecision(
  ledger: Pick<Ledger, 'decision' | 'decisions'>,
  id: string | undefined,
): Promise<DecisionRecord> {
  const record = id === undefined ? await lastRefusal(ledger) : await ledger.decision(id)
  if (record) return record
  throw new KintsugiError(
    'not-found',
    id === undefined ? 'no decision is recorded yet' : `no decision is recorded for ${id}`,
    { hint: 'working_flash_loan_mcp__opportunities lists the last ones' },
  )
}

async function lastRefusal(ledger: Pick<Ledger, 'decisions'>): Promise<DecisionRecord | undefined> {
  const refused = await ledger.decisions({ limit: MAX_LOOKED_AT, verdict: 'refuse' })
  const [newest] = await ledger.decisions({ limit: 1 })
  return refused.find(({ outcome }) => outcome.stage !== 'dry-run') ?? newest
}
