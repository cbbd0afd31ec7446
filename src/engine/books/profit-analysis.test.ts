import { expect, test } from 'vitest'
import { World } from '../../../test/support/harness.ts'
import { InMemoryLedger } from '../../../test/support/in-memory-ledger.ts'
import { analyseProfit } from './profit-analysis.ts'

test('the breakdown covers every page of the ledger, and agrees with the sums', async () => {
  const world = new World()
  const decision = await world.decide()
  for (let index = 0; index < 1_100; index++)
    await world.book(decision, { profitNative: 1, gasCost: 10n ** 17n, route: `route ${index % 3}` })
  const found = await analyseProfit(world.ledger, world.now() - 1, world.now())
  expect([found.trades, found.analysed, found.profitNative]).toEqual([1_100, 1_100, 1_100])
  expect(found.gasNative).toBeCloseTo(110, 6)
  const sums = found.byRoute.map(([, { trades, netNative }]) => [trades, netNative])
  expect(sums.reduce((total, [trades = 0]) => total + trades, 0)).toBe(1_100)
  expect(sums.reduce((total, [, net = 0]) => total + net, 0)).toBeCloseTo(990, 6)
})

test('nothing booked: zeros, and no share of exact predictions', async () => {
  expect(await analyseProfit(new InMemoryLedger(), 0, 1)).toEqual({
    since: 0,
    until: 1,
    trades: 0,
    profitNative: 0,
    profitValue: 0,
    gasNative: 0,
    analysed: 0,
    byOutcome: [],
    byLender: [],
    byRoute: [],
    predictedExactly: null,
  })
})
