/** The verdict and the refusal of a decision as one line. */
import type { OpportunityView } from '../gateway/api/schema.ts'
import { shortHash } from './format.ts'

/** Stages that end a decision as intended, without sending. */
const NOT_SENT_STAGES: ReadonlySet<string> = new Set(['paper', 'dry-run', 'paused'])

/** `traded`, `pending`, `refused`, or `not sent` if it ended as intended before sending. */
export function verdictText({ verdict, outcome }: OpportunityView): string {
  if (outcome.stage === 'pending') return 'pending'
  if (NOT_SENT_STAGES.has(outcome.stage)) return 'not sent'
  return verdict === 'trade' ? 'traded' : 'refused'
}

/** A text with its addresses and hashes shortened. */
export const shortened = (text: string): string => text.replace(/0x[0-9a-fA-F]{40,64}/g, shortHash)

/** Why an opportunity was not traded: the failed rules in words, or the stage that failed with its reason. */
export const refusalOf = ({ outcome: { stage, reason } }: OpportunityView): string =>
  shortened(stage === 'rules' || NOT_SENT_STAGES.has(stage) ? reason : `${stage}: ${reason}`)
