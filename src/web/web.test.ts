/** Computations of the page: the curve, refusals and numbers in human units. */
import { expect, test } from 'vitest'
import type { OpportunityView, ProfitSeriesView } from '../gateway/api/schema.ts'
import { axisTimes, dateTime, shortRoute } from './format.ts'
import { readable, refusalOf, verdictText } from './rules.ts'
import { curveOf } from './series.ts'

const point = (at: number, profitValue: number) => ({
  at,
  profitValue,
  trades: 0,
  profitNative: 0,
  gasNative: 0,
  netNative: 0,
})

test('the curve ends at the total of the tile and does not restart at 0', () => {
  const series: ProfitSeriesView = {
    range: '1h',
    from: 1_000,
    until: 3_000,
    points: [point(1_000, 7_250), point(2_000, 8_000), point(3_000, 8_600)],
  }
  expect(curveOf(series, 8_681.98, 4_000)).toEqual({
    times: [1, 2, 3, 4],
    values: [7_250, 8_000, 8_600, 8_681.98],
  })
  expect(curveOf(undefined, 8_681.98, 4_000).times).toEqual([])
})

const rule = (name: string, got: string, needed: string, ok = false) => ({ rule: name, ok, got, needed })
const record = (...reasons: OpportunityView['reasons']) =>
  ({ verdict: 'refuse', outcome: { stage: 'rules', reason: 'in wei' }, reasons }) as OpportunityView

test('amounts of rules are in coins or gwei', () => {
  expect(readable(rule('net profit', '2282024025506512411', 'at least 1'), 'MATIC')).toMatchObject({
    got: '2.282 MATIC',
    needed: 'at least 1 wei',
  })
  expect(
    readable(
      rule('expected profit', '-50000000000000000', 'at least 1, with a chance of 0.52 to be first'),
      'ETH',
    ),
  ).toMatchObject({ got: '-0.05 ETH', needed: 'at least 1 wei, with a chance of 0.52 to be first' })
  expect(
    readable(rule('base fee below the ceiling', '31000000000', 'at most 199999990000000'), 'MATIC'),
  ).toMatchObject({ got: '31 gwei', needed: 'at most 200,000 gwei' })
  expect(
    readable(rule('can stand right behind what it follows', '12345 wei to raise', 'at most 0'), 'ETH').got,
  ).toBe('12345 wei to raise')
  expect(readable(rule('profit can be valued', '2227936339394.6694', 'a price', true), 'ETH').got).toBe(
    'known',
  )
  expect(readable(rule('transactions in flight', '3', 'fewer than 3'), 'ETH').got).toBe('3')
})

test('a refusal is shown as its reason, not as the rule that failed', () => {
  expect(
    refusalOf(
      record(
        rule('fresh', '', '', true),
        rule('no pool is already in flight', `0x${'ab'.repeat(20)}`, 'none'),
      ),
      'ETH',
    ),
  ).toBe('pool 0xababab…abab has a pending trade')
  expect(refusalOf(record(rule('net profit', '0', 'at least 1000000000000000000')), 'ETH')).toBe(
    'net profit 0 ETH, at least 1 ETH needed',
  )
})

test('a refusal after the rules names its stage; a decision that ends on paper is not a refusal', () => {
  const ended = (stage: string, reason: string, verdict = 'refuse') =>
    ({
      ...record(rule('net profit', '5', 'at least 1', true)),
      verdict,
      outcome: { stage, reason },
    }) as OpportunityView
  const unprofitable = ended('simulation', 'unprofitable (profit 3, needed 5)')
  expect([verdictText(unprofitable), refusalOf(unprofitable, 'ETH')]).toEqual([
    'refused',
    'simulation: unprofitable (profit 3, needed 5)',
  ])
  const paper = ended('paper', 'paper mode')
  expect([verdictText(paper), refusalOf(paper, 'ETH')]).toEqual(['not sent', 'paper mode'])
  expect(verdictText(ended('sent', '', 'trade'))).toBe('traded')
})

test('times have 24 hours; the axis names the date where it changes', () => {
  const at = (hour: number, day = 24) => new Date(2026, 10, day, hour, 5, 9).getTime()
  expect(dateTime(at(20))).toBe('2026-11-24 20:05:09')
  expect(axisTimes([at(22) / 1_000, at(23) / 1_000, at(0, 25) / 1_000], 3_600)).toEqual([
    '22:05\n11-24',
    '23:05',
    '00:05\n11-25',
  ])
  expect(axisTimes([at(22) / 1_000], 10)).toEqual(['22:05:09\n11-24'])
})

test('a route of several cycles is summarized', () => {
  const cycle = 'WETH → USDC (a) → WETH (b)'
  expect(shortRoute(cycle)).toEqual({ short: cycle, full: undefined })
  expect(shortRoute(`${cycle} + ${cycle}`)).toEqual({
    short: '2 cycles, 4 swaps from WETH',
    full: `${cycle} + ${cycle}`,
  })
})
