/** Rules of a decision in human units, and refusals in words. */
import { formatAmount } from '../std/amounts.ts'
import { type Decided, failedRules, outcomeText } from './decision-outcome.ts'
import type { Rule } from './guard.ts'

/** Rules whose integers are wei. */
const WEI_RULES: ReadonlySet<string> = new Set([
  'net profit',
  'expected profit',
  'gas within its cap',
  'operator can pay the gas',
  'can stand right behind what it follows',
])
/** Rules whose integers are wei per unit of gas. */
const GAS_PRICE_RULES: ReadonlySet<string> = new Set(['base fee below the ceiling'])
const GWEI_DECIMALS = 9
const COIN_DECIMALS = 18
/** Smaller amounts are shown in gwei, or in wei. */
const MIN_COIN_WEI = 10n ** 12n
const MIN_GWEI_WEI = 10n ** 6n

/** What a failed rule means, for rules whose name states the opposite. */
const FAILURES: Readonly<Record<string, (rule: Rule) => string>> = {
  'no pool is already in flight': ({ got }) => `pool ${got} has a pending trade`,
  'can stand right behind what it follows': ({ got, needed }) =>
    `cannot be placed right behind the transaction it follows (${got}, ${needed} allowed)`,
  'trading not halted': () => 'trading is halted',
  'lender allowed': ({ got, needed }) => `lender ${got} is not allowed (allowed: ${needed})`,
  'opportunity is fresh': ({ got, needed }) => `the opportunity is ${got} (${needed} allowed)`,
  'transactions in flight': ({ got, needed }) => `${got} transactions are in flight (${needed} allowed)`,
  'base fee below the ceiling': ({ got, needed }) => `the base fee is ${got} (${needed} allowed)`,
  'profit can be valued': () => 'the profit has no price in the native token',
}

/** An amount of wei as people read it: `2.282 MATIC`, `12.5 gwei`. `coin`: symbol of the native token. */
export function weiText(wei: bigint, coin: string): string {
  const size = wei < 0n ? -wei : wei
  if (size === 0n || size >= MIN_COIN_WEI) return `${formatAmount(wei, COIN_DECIMALS)} ${coin}`
  return size >= MIN_GWEI_WEI ? `${formatAmount(wei, GWEI_DECIMALS)} gwei` : `${wei} wei`
}

function inUnits(text: string, rule: string, coin: string): string {
  const each = (write: (wei: bigint) => string) =>
    text.replace(/(?<![\w.-])-?\d+(?![\w.])( wei)?/g, (digits) => write(BigInt(digits.split(' ')[0] ?? 0)))
  if (WEI_RULES.has(rule)) return each((wei) => weiText(wei, coin))
  if (GAS_PRICE_RULES.has(rule)) return each((wei) => `${formatAmount(wei, GWEI_DECIMALS)} gwei`)
  return rule === 'profit can be valued' && /^[\d.e+-]+$/.test(text) ? 'known' : text
}

/** A rule with its amounts in human units. `coin`: symbol of the native token. */
export const readableRule = (rule: Rule, coin: string): Rule => ({
  ...rule,
  got: inUnits(rule.got, rule.rule, coin),
  needed: inUnits(rule.needed, rule.rule, coin),
})

function failureText(rule: Rule, coin: string): string {
  const shown = readableRule(rule, coin)
  return FAILURES[rule.rule]?.(shown) ?? `${shown.rule} is ${shown.got} (${shown.needed} needed)`
}

/** Why it was not sent, in words, one text per rule that failed; empty for a trade. `coin`: symbol of the native token. */
export function refusalTexts(decided: Decided, coin: string): string[] {
  if (decided.decision.verdict === 'trade') return []
  if (decided.outcome.stage !== 'rules') return [outcomeText(decided)]
  return failedRules(decided.decision.rules).map((rule) => failureText(rule, coin))
}
