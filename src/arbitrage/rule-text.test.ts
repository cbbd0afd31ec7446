import { expect, test } from 'vitest'
import { outcomeOf, refusalTexts } from './decision-outcome.ts'
import type { Rule } from './guard.ts'
import { readableRule, weiText } from './rule-text.ts'

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

const wei = { unit: 'wei', bound: 'min' } as const

test.each<[Partial<Rule>, string, string]>([
  [{ got: '-1500000000000000', needed: '1', ...wei }, '-0.0015 POL', 'at least 1 wei'],
  [
    { got: '2282024025506512411', needed: '1', ...wei, note: 'with a chance of 0.53 to be first' },
    '2.282024 POL',
    'at least 1 wei, with a chance of 0.53 to be first',
  ],
  [
    { got: '30000000000', needed: '199999990000000', unit: 'wei-per-gas', bound: 'max' },
    '30 gwei',
    'at most 199,999.99 gwei',
  ],
  [{ got: '2227936339394.66', needed: 'a price', unit: 'native-rate' }, 'known', 'a price'],
  [{ got: '6', needed: '6', unit: 'transactions', bound: 'below' }, '6', 'fewer than 6'],
  [{ got: '4', needed: '1', unit: 'blocks', bound: 'max' }, '4 blocks old', 'at most 1'],
  [{ got: '5', needed: 'at least 1' }, '5', 'at least 1'],
])('%o is shown in its unit with its bound; without a unit it is text', (given, got, needed) => {
  expect(readableRule({ ...rule('net profit', '', ''), ...given }, 'POL')).toEqual({
    rule: 'net profit',
    ok: false,
    got,
    needed,
  })
})

test('the outcome has every digit of the numbers in wei', () => {
  const rules = [{ ...rule('net profit', '2282024025506512411', '2282024025506512412'), ...wei }]
  expect(outcomeOf({ verdict: 'refuse', rules }).reason).toBe(
    'net profit (got 2282024025506512411 wei, needed at least 2282024025506512412 wei)',
  )
})

test('a refusal names the failure, not the rule that should hold', () => {
  const rules: Rule[] = [
    { ...rule('lender allowed', 'aave-v3', 'aave-v3'), ok: true },
    rule('no pool is already in flight', '0xe430', 'none'),
    rule('trading not halted', 'halted', 'running'),
    { ...rule('net profit', '0', '1'), ...wei },
    { ...rule('follows its pending transaction', '5000000000000', '0'), unit: 'wei', bound: 'max' },
  ]
  expect(refusalTexts(refused(rules), 'MATIC')).toEqual([
    'pool 0xe430 has a pending trade',
    'trading is halted',
    'net profit is 0 MATIC (at least 1 wei needed)',
    'cannot follow its pending transaction: raising ours in flight to its tip costs 0.000005 MATIC (at most 0 MATIC allowed)',
  ])
})

test('a refusal recorded by an earlier version stays readable, with its numbers as text', () => {
  const rules = [
    rule('can stand right behind what it follows', '12 wei to raise ours in flight', 'at most 0'),
    rule('opportunity is fresh', '4 blocks old', 'at most 1'),
    rule('net profit', '0', 'at least 1'),
  ]
  expect(refusalTexts(refused(rules), 'MATIC')).toEqual([
    'cannot follow its pending transaction (12 wei to raise ours in flight, at most 0 allowed)',
    'the opportunity is 4 blocks old (at most 1 allowed)',
    'net profit is 0 (at least 1 needed)',
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
