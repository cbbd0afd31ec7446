import { expect, test } from 'vitest'
import { World } from '../../test/support/harness.ts'
import { TOKENS } from '../../test/support/world/market.ts'
import type { PaperTrade, TradeTotals } from '../ports/ledger.ts'
import { paperTrade, profitSeries, trade, tradeMetrics } from './trades.ts'
import { toWire } from './view.ts'

const { USDC, LOST } = TOKENS
const UNKNOWN = `0x${'e'.repeat(40)}` as const
const totals: TradeTotals = {
  tradesBooked: 8,
  profitable: 5,
  profitBooked: { [USDC]: 12_500_000n, [LOST]: -3n, [UNKNOWN]: 7n },
  gasBooked: 40n * 10n ** 15n,
  profitValue: 12.5,
  profitNative: 17.75,
  outcomes: { 'as-predicted': 5, 'state-moved': 2, reverted: 1 },
}

test('metrics: shares of all trades, profit by token, paper in whole coins, this chain apart from all', () => {
  const thisChain = { ...totals, tradesBooked: 3, profitBooked: { [USDC]: 4n }, gasBooked: 6n }
  const paper = { trades: 4, netNative: -2.5e18, outcomes: { traded: 1, 'moved away': 3 } }
  const manifest = new World().market.manifest
  expect(toWire(tradeMetrics, totals, paper, thisChain, manifest)).toEqual({
    tradesBooked: 8,
    profitable: 5,
    profitBooked: { [USDC]: '12500000', [LOST]: '-3', [UNKNOWN]: '7' },
    profit: [
      { token: USDC, symbol: 'USDC', decimals: 6, amount: '12500000' },
      { token: LOST, symbol: 'LOST', decimals: 18, amount: '-3' },
      { token: UNKNOWN, symbol: UNKNOWN, decimals: 18, amount: '7' },
    ],
    gasBooked: '40000000000000000',
    profitValue: 12.5,
    profitNative: 17.75,
    outcomes: { 'as-predicted': 5, 'state-moved': 2, reverted: 1 },
    outcomeShares: { 'as-predicted': 0.625, 'state-moved': 0.25, reverted: 0.125 },
    paper: { trades: 4, netNative: -2.5, outcomes: { traded: 1, 'moved away': 3 } },
    thisChain: { tradesBooked: 3, profitBooked: { [USDC]: '4' }, gasBooked: '6' },
  })
})

test('metrics without paper trades and without a chain are zeros', () => {
  expect(toWire(tradeMetrics, totals, null, null, undefined)).toMatchObject({
    paper: { trades: 0, netNative: 0, outcomes: {} },
    thisChain: { tradesBooked: 0, profitBooked: {}, gasBooked: '0' },
  })
})

test('a booked trade: amounts as decimal strings in smallest units, nothing else changed', async () => {
  const world = new World()
  const booked = await world.book(await world.decide(), {
    predictedProfit: 31n,
    realisedProfit: -30n,
    profitValue: -0.00003,
    profitNative: -0.00004,
    amountIn: 5n,
    gasUsed: 210_000n,
    gasPrice: 50n,
    gasCost: 10_500_007n,
  })
  expect(toWire(trade, booked)).toEqual({
    ...booked,
    predictedProfit: '31',
    realisedProfit: '-30',
    amountIn: '5',
    gasUsed: '210000',
    gasPrice: '50',
    gasCost: '10500007',
  })
})

test('a trade on paper: the profit as a decimal string, net in wei', () => {
  const judged: PaperTrade = {
    decisionId: 'opp_1',
    genesis: '0x1',
    block: 9,
    route: 'A → B (one) → A (two)',
    symbol: 'A',
    decimals: 18,
    predictedProfit: 10n ** 18n,
    outcome: 'traded',
    netNative: 9.5e17,
    reason: '',
    judgedAt: 12,
  }
  expect(toWire(paperTrade, judged)).toEqual({ ...judged, predictedProfit: '1000000000000000000' })
})

test('the profit curve: each point as the ledger summed it, each number in its own field', () => {
  const point = { at: 10, trades: 2, profitValue: 3, profitNative: 5, gasNative: 1.5, netNative: 3.5 }
  const series = { range: '1h', from: 1, until: 10, points: [{ ...point, at: 1 }, point] } as const
  expect(toWire(profitSeries, series)).toEqual({
    range: '1h',
    from: 1,
    until: 10,
    points: [
      { at: 1, trades: 2, profitValue: 3, profitNative: 5, gasNative: 1.5, netNative: 3.5 },
      { at: 10, trades: 2, profitValue: 3, profitNative: 5, gasNative: 1.5, netNative: 3.5 },
    ],
  })
})

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
