/** The rules of a decision in words and in human units. */
import type { OpportunityView } from '../gateway/api/schema.ts'
import { compact, shortHash } from './format.ts'

type Reason = OpportunityView['reasons'][number]

/** Rules whose integers are wei; all others are shown as they are. */
const WEI_RULES: ReadonlySet<string> = new Set([
  'net profit',
  'expected profit',
  'gas within its cap',
  'operator can pay the gas',
  'can stand right behind what it follows',
])
const GWEI_RULES: ReadonlySet<string> = new Set(['base fee below the ceiling'])

/** The meaning of a failed rule, for rules whose name states the opposite. */
const FAILURES: Readonly<Record<string, (reason: Reason) => string>> = {
  'no pool is already in flight': ({ got }) => `pool ${got} has a pending trade`,
  'can stand right behind what it follows': () => 'cannot be placed right behind the transaction it follows',
  'trading not halted': () => 'trading is halted',
  'lender allowed': ({ got }) => `lender ${got} is not allowed`,
  'opportunity is fresh': ({ got }) => `opportunity is ${got}`,
  'base fee below the ceiling': ({ got }) => `base fee ${got} is above the ceiling`,
  'profit can be valued': () => 'the profit has no price in the native token',
}

/** Stages that end a decision as intended, without sending. */
const NOT_SENT_STAGES: ReadonlySet<string> = new Set(['paper', 'dry-run'])
const GWEI = 1e9
const COIN = 1e18
/** Smaller amounts are shown in gwei, or in wei. */
const MIN_COIN_WEI = 1e12
const MIN_GWEI_WEI = 1e6

function weiText(wei: number, coin: string): string {
  if (wei === 0) return `0 ${coin}`
  if (Math.abs(wei) >= MIN_COIN_WEI) return `${compact(wei / COIN)} ${coin}`
  return Math.abs(wei) >= MIN_GWEI_WEI ? `${compact(wei / GWEI)} gwei` : `${wei} wei`
}

/** `at least 2282024025506512411` is `at least 2.282 MATIC`. */
const inUnits = (text: string, rule: string, coin: string): string => {
  const amount = (write: (wei: number) => string) =>
    text.replace(/(?<![\w.-])-?\d+(?![\w.])( wei)?/g, (digits) => write(Number.parseInt(digits, 10)))
  if (WEI_RULES.has(rule)) return amount((wei) => weiText(wei, coin))
  if (GWEI_RULES.has(rule)) return amount((wei) => `${compact(wei / GWEI)} gwei`)
  if (rule === 'profit can be valued' && /^[\d.e+-]+$/.test(text)) return 'known'
  return text.replace(/0x[0-9a-fA-F]{40,64}/g, shortHash)
}

/** A rule with its numbers in human units; `coin` is the native token's symbol. */
export const readable = (reason: Reason, coin: string): Reason => ({
  ...reason,
  got: inUnits(reason.got, reason.rule, coin),
  needed: inUnits(reason.needed, reason.rule, coin),
})

/** `traded`, `pending`, `refused`, or `not sent` if it ended as intended before sending. */
export function verdictText({ verdict, outcome }: OpportunityView): string {
  if (outcome.stage === 'pending') return 'pending'
  if (NOT_SENT_STAGES.has(outcome.stage)) return 'not sent'
  return verdict === 'trade' ? 'traded' : 'refused'
}

/** Why an opportunity was not traded: the failed rule in words, or the stage that failed with its reason. */
export function refusalOf({ outcome, reasons }: OpportunityView, coin: string): string {
  const failed = reasons.find(({ ok }) => !ok)
  if (!failed)
    return NOT_SENT_STAGES.has(outcome.stage) ? outcome.reason : `${outcome.stage}: ${outcome.reason}`
  const reason = readable(failed, coin)
  return FAILURES[reason.rule]?.(reason) ?? `${reason.rule} ${reason.got}, ${reason.needed} needed`
}
