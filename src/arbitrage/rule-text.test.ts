import { expect, test } from 'vitest'
import type { Rule } from './guard.ts'
import { readableRule, refusalTexts, weiText } from './rule-text.ts'

const rule = (name: string, got: string, needed: string): Rule => ({ rule: name, ok: false, got, needed })
const refused = (rules: readonly Rule[], stage: 'rules' | 'sending' = 'rules', reason = '') => ({
  decision: { verdict: 'refuse' as const, rules },
  outcome: { stage, reason },
})

test.each([
  [2_282_024_025_506_512_411n, '2.282024 MATIC'],
  [-(10n ** 18n), '-1 MATIC'],
  [0n, '0 MATIC'],
  [12_500_000_000n, '12.5 gwei'],
  [-7_000_000n, '-0.007 gwei'],
  [999n, '999 wei'],
])('%s wei are %s', (wei, text) => {
  expect(weiText(wei, 'MATIC')).toBe(text)
})

test('amounts of rules are shown in the unit of the rule, others as they are', () => {
  const shown = (...given: Parameters<typeof rule>) => {
    const { got, needed } = readableRule(rule(...given), 'POL')
    return [got, needed]
  }
  expect(shown('net profit', '-1500000000000000', 'at least 1')).toEqual(['-0.0015 POL', 'at least 1 wei'])
  expect(
    shown('expected profit', '2000000000000000000', 'at least 1, with a chance of 0.53 to be first'),
  ).toEqual(['2 POL', 'at least 1 wei, with a chance of 0.53 to be first'])
  expect(
    shown('can stand right behind what it follows', '5000000000000 wei to raise ours in flight', 'at most 0'),
  ).toEqual(['0.000005 POL to raise ours in flight', 'at most 0 POL'])
  expect(shown('base fee below the ceiling', '30000000000', 'at most 199999990000000')).toEqual([
    '30 gwei',
    'at most 199,999.99 gwei',
  ])
  expect(shown('profit can be valued', '2227936339394.66', 'a price')).toEqual(['known', 'a price'])
  expect(shown('transactions in flight', '6', 'fewer than 6')).toEqual(['6', 'fewer than 6'])
})

test('a refusal says what failed, not the rule that should hold', () => {
  const rules = [
    { ...rule('lender allowed', 'aave-v3', 'aave-v3'), ok: true },
    rule('no pool is already in flight', '0xe430', 'none'),
    rule('trading not halted', 'halted', 'running'),
    rule('net profit', '0', 'at least 1'),
  ]
  expect(refusalTexts(refused(rules), 'MATIC')).toEqual([
    'pool 0xe430 has a pending trade',
    'trading is halted',
    'net profit is 0 MATIC (at least 1 wei needed)',
  ])
})

test('a later stage is its own reason; a trade has none', () => {
  expect(refusalTexts(refused([], 'sending', 'the node is gone'), 'MATIC')).toEqual([
    'refused at sending: the node is gone',
  ])
  const traded = {
    decision: { verdict: 'trade' as const, rules: [] },
    outcome: { stage: 'sent' as const, reason: '' },
  }
  expect(refusalTexts(traded, 'MATIC')).toEqual([])
})
