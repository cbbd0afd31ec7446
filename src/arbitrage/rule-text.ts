/** Rules of a decision as people read them: numbers in human units, refusals in words. */
import { formatAmount } from '../std/amounts.ts'
import type { Rule, RuleBound, RuleUnit } from './guard.ts'

const GWEI_DECIMALS = 9
const COIN_DECIMALS = 18
/** Smaller amounts are shown in gwei, or in wei. */
const MIN_COIN_WEI = 10n ** 12n
const MIN_GWEI_WEI = 10n ** 6n

/** A rule in words: `needed` contains the bound and the note. */
export type RuleText = Pick<Rule, 'rule' | 'ok' | 'got' | 'needed'>

/** An amount of wei as people read it: `2.282 MATIC`, `12.5 gwei`. `coin`: symbol of the native token. */
export function weiText(wei: bigint, coin: string): string {
  const size = wei < 0n ? -wei : wei
  if (size === 0n || size >= MIN_COIN_WEI) return `${formatAmount(wei, COIN_DECIMALS)} ${coin}`
  return size >= MIN_GWEI_WEI ? `${formatAmount(wei, GWEI_DECIMALS)} gwei` : `${wei} wei`
}

/** The number of a rule in its unit; `coin`: symbol of the native token. */
const UNIT_TEXT: Readonly<Record<RuleUnit, (digits: string, coin: string) => string>> = {
  wei: (digits, coin) => weiText(BigInt(digits), coin),
  'wei-per-gas': (digits) => `${formatAmount(BigInt(digits), GWEI_DECIMALS)} gwei`,
  blocks: (digits) => digits,
  transactions: (digits) => digits,
  'native-rate': () => 'known',
}

const WEI_UNITS: ReadonlySet<RuleUnit> = new Set(['wei', 'wei-per-gas'])
const BOUND_TEXT: Readonly<Record<RuleBound, string>> = {
  min: 'at least',
  max: 'at most',
  below: 'fewer than',
}

function ruleText(rule: Rule, inUnit: (digits: string, unit: RuleUnit) => string): RuleText {
  const { rule: name, ok, got, needed, unit, bound, note } = rule
  if (unit === undefined) return { rule: name, ok, got, needed }
  const limit = bound === undefined ? needed : `${BOUND_TEXT[bound]} ${inUnit(needed, unit)}`
  const measured = inUnit(got, unit)
  return {
    rule: name,
    ok,
    got: unit === 'blocks' ? `${measured} blocks old` : measured,
    needed: note === undefined ? limit : `${limit}, ${note}`,
  }
}

/** A rule in words with its numbers in human units. `coin`: symbol of the native token. */
export const readableRule = (rule: Rule, coin: string): RuleText =>
  ruleText(rule, (digits, unit) => UNIT_TEXT[unit](digits, coin))

/** A rule in words with its exact numbers, where the native token is not known. */
export const exactRule = (rule: Rule): RuleText =>
  ruleText(rule, (digits, unit) => (WEI_UNITS.has(unit) ? `${digits} wei` : UNIT_TEXT[unit](digits, '')))

/** What a failed rule means, for rules whose name states the opposite. */
const FAILURES: Readonly<Record<string, (rule: RuleText) => string>> = {
  'no pool is already in flight': ({ got }) => `pool ${got} has a pending trade`,
  'follows its pending transaction': ({ got, needed }) =>
    `cannot follow its pending transaction: raising ours in flight to its tip costs ${got} (${needed} allowed)`,
  // The name of this rule in records of earlier versions.
  'can stand right behind what it follows': ({ got, needed }) =>
    `cannot follow its pending transaction (${got}, ${needed} allowed)`,
  'trading not halted': () => 'trading is halted',
  'lender allowed': ({ got, needed }) => `lender ${got} is not allowed (allowed: ${needed})`,
  'opportunity is fresh': ({ got, needed }) => `the opportunity is ${got} (${needed} allowed)`,
  'transactions in flight': ({ got, needed }) => `${got} transactions are in flight (${needed} allowed)`,
  'base fee below the ceiling': ({ got, needed }) => `the base fee is ${got} (${needed} allowed)`,
  'profit can be valued': () => 'the profit has no price in the native token',
}

/** Why a rule failed, in words. `coin`: symbol of the native token. */
export function failureText(rule: Rule, coin: string): string {
  const shown = readableRule(rule, coin)
  return FAILURES[rule.rule]?.(shown) ?? `${shown.rule} is ${shown.got} (${shown.needed} needed)`
}
