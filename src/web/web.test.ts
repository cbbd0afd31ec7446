/** Computations of the page: the curve, refusals and numbers in human units. */
import { expect, test } from 'vitest'
import type { OpportunityView, ProfitSeriesView } from '../gateway/api/schema.ts'
import { axisTimes, dateTime, shortRoute } from './format.ts'
import { refusalOf, verdictText } from './rules.ts'
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

test('a refusal by the rules is shown as its reason, with addresses shortened', () => {
  const record = {
    verdict: 'refuse',
    outcome: { stage: 'rules', reason: `pool 0x${'ab'.repeat(20)} has a pending trade; trading is halted` },
  } as OpportunityView
  expect(refusalOf(record)).toBe('pool 0xababab…abab has a pending trade; trading is halted')
})

test('a refusal after the rules names its stage; a decision that ends on paper is not a refusal', () => {
  const ended = (stage: string, reason: string, verdict = 'refuse') =>
    ({ verdict, outcome: { stage, reason } }) as OpportunityView
  const unprofitable = ended('simulation', 'unprofitable (profit 3, needed 5)')
  expect([verdictText(unprofitable), refusalOf(unprofitable)]).toEqual([
    'refused',
    'simulation: unprofitable (profit 3, needed 5)',
  ])
  const paper = ended('paper', 'paper mode')
  expect([verdictText(paper), refusalOf(paper)]).toEqual(['not sent', 'paper mode'])
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
