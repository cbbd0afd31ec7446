import { expect, test } from 'vitest'
import type { TradeTotals } from '../ports/ledger.ts'
import { profitSeries, tradeMetrics } from './trades.ts'

test('the last point of the profit curve and the totals of the status agree to the last digit', () => {
  // The same sum in two orders: 0.6000000000000001 and 0.6.
  const [curve, total] = [0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1]
  expect(curve).not.toBe(total)
  const point = {
    at: 2,
    trades: 3,
    profitValue: curve,
    profitNative: curve,
    gasNative: 0.1,
    netNative: 1.1 - 1,
  }
  const series = profitSeries.of({ range: 'all', from: 1, until: 2, points: [point] })
  const totals = {
    tradesBooked: 3,
    profitable: 3,
    profitBooked: {},
    gasBooked: 0n,
    profitValue: total,
    profitNative: total,
    outcomes: {},
  } satisfies TradeTotals
  const { profitValue, profitNative } = tradeMetrics.of(totals, null, null, undefined)
  expect([profitValue, profitNative]).toEqual([0.6, 0.6])
  expect(series.points).toEqual([{ ...point, profitValue: 0.6, profitNative: 0.6, netNative: 0.1 }])
})
