/** The outcome of a decision: how far its trade got, and why it went no further. */
import type { Decision, Rule } from './guard.ts'
import { exactRule, failureText } from './rule-text.ts'

/**
 * `rules`: refused by the guard. `paused`: trading pauses. `pending`: being simulated, signed and recorded.
 * `simulation`: it would not have earned. `signing`, `recording`, `sending`: this step failed. `dry-run`,
 * `paper`: ended after the simulation, as intended. `sent`: handed to the node or the relays; what follows is
 * in the books.
 */
export type DecisionStage =
  | 'rules'
  | 'paused'
  | 'pending'
  | 'simulation'
  | 'signing'
  | 'recording'
  | 'sending'
  | 'dry-run'
  | 'paper'
  | 'sent'

export interface DecisionOutcome {
  readonly stage: DecisionStage
  /** Why it went no further, for people; empty for `pending` and `sent`. */
  readonly reason: string
}

/** A decision with its outcome. */
export interface Decided {
  readonly decision: Pick<Decision, 'verdict' | 'rules'>
  readonly outcome: DecisionOutcome
}

/** The rules that refused it. */
const failedRules = (rules: readonly Rule[]): Rule[] => rules.filter((rule) => !rule.ok)

const ruleTexts = (rules: readonly Rule[]): string[] =>
  failedRules(rules)
    .map(exactRule)
    .map(({ rule, got, needed }) => `${rule} (got ${got}, needed ${needed})`)

/** The outcome of a decision that the guard has just made. */
export const outcomeOf = ({ verdict, rules }: Pick<Decision, 'verdict' | 'rules'>): DecisionOutcome =>
  verdict === 'trade'
    ? { stage: 'pending', reason: '' }
    : { stage: 'rules', reason: ruleTexts(rules).join('; ') }

/** The first rule that refused it, or the stage that it did not pass; null for a trade. */
export const refusedBy = ({ decision, outcome }: Decided): string | null =>
  decision.verdict === 'trade' ? null : (failedRules(decision.rules)[0]?.rule ?? outcome.stage)

/** The outcome as a sentence part: `refused at simulation: unprofitable (profit 3, needed 5)`. */
export const outcomeText = ({ decision, outcome: { stage, reason } }: Decided): string => {
  if (decision.verdict === 'trade') return stage
  return stage === 'dry-run' || stage === 'paper' || stage === 'paused'
    ? `not sent: ${reason}`
    : `refused at ${stage}: ${reason}`
}

/**
 * Why it was not sent, in words, one text per rule that failed; empty for a trade. `coin`: symbol of the
 * native token.
 */
export function refusalTexts(decided: Decided, coin: string): string[] {
  if (decided.decision.verdict === 'trade') return []
  if (decided.outcome.stage !== 'rules') return [outcomeText(decided)]
  return failedRules(decided.decision.rules).map((rule) => failureText(rule, coin))
}

/** Decisions recorded before outcomes existed name them as rules after those of the guard. */
const STAGE_OF_OLD_RULE: Readonly<Record<string, DecisionStage>> = {
  'simulation on the pending block': 'simulation',
  'worth sending': 'simulation',
  'asked to send': 'dry-run',
  'paper mode: everything but sending': 'paper',
  sending: 'sending',
}

/**
 * Splits the rules of a decision that was recorded before outcomes existed into those of the guard and the
 * outcome.
 */
export function withOutcome<T extends { readonly decision: Decision; readonly outcome?: DecisionOutcome }>(
  record: T,
): T & { readonly outcome: DecisionOutcome } {
  const { decision, outcome } = record
  if (outcome) return { ...record, outcome }
  const rules = decision.rules.filter(({ rule }) => !(rule in STAGE_OF_OLD_RULE))
  const failed = failedRules(decision.rules).find(({ rule }) => rule in STAGE_OF_OLD_RULE)
  const stage = failed && STAGE_OF_OLD_RULE[failed.rule]
  return {
    ...record,
    decision: { ...decision, rules },
    outcome:
      failed && stage
        ? { stage, reason: `got ${failed.got}, needed ${failed.needed}` }
        : decision.verdict === 'trade'
          ? { stage: 'sent', reason: '' }
          : outcomeOf(decision),
  }
}
