import { expect, test } from 'vitest'
import { harness, type World } from '../../../test/support/harness.ts'
import { addExecutor } from '../../../test/support/world/executor.ts'
import { POOLS, TOKENS } from '../../../test/support/world/market.ts'
import server from './working_flash_loan_mcp.ts'

const HOUR_MS = 3_600_000
const E18 = 10n ** 18n
/** Leaves one pool, so that nothing pays. */
function level({ market }: World): void {
  for (const pool of [...market.pools.keys()]) if (pool !== POOLS.matic) market.pools.delete(pool)
  market.replace(market.pool(POOLS.matic))
}

test('detect_arbitrage: the best of now, with the gas of its hops and loan at the base fee', async () => {
  const { call, world } = await harness(server)
  const { found, total, native, block } = await call('detect_arbitrage', { limit: 5 })
  expect([total, native, block, found[0].opportunity.id]).toEqual([1, 'MATIC', 100, world.opportunity().id])
  const { opportunity, gasUnits, netNative } = found[0]
  const { address, decimals } = world.market.token(opportunity.token)
  const [price, nativePrice] = [address, TOKENS.WMATIC].map((each) => world.market.price(each) ?? Number.NaN)
  const profit = ((Number(opportunity.profit.raw) / 10 ** decimals) * Number(price)) / Number(nativePrice)
  expect(netNative).toBe(Number((profit - (gasUnits * 30e9) / 1e18).toPrecision(6)))
  const byAave = (await call('detect_arbitrage', { lender: 'aave-v3' })).found[0].opportunity
  expect([byAave.lender, BigInt(byAave.premium.raw) > 0n]).toEqual(['aave-v3', true])
  expect((await call('detect_arbitrage', { token: 'WBTC' })).found).toEqual([])
})

test('simulate_trade and execute_arbitrage: the best trade goes to the executor; only one of them sends', async () => {
  const { call, world } = await harness(server)
  addExecutor(world)
  const { id } = world.opportunity()
  expect(await call('simulate_trade')).toMatchObject({ sent: false, id, verdict: 'trade' })
  expect(await call('execute_arbitrage', { dryRun: true })).toMatchObject({ sent: false, id, hash: null })
  expect(await call('execute_arbitrage')).toMatchObject({
    sent: true,
    id,
    hash: expect.stringMatching(/^0x/),
  })
  const asked = world.fleet.orders.map(([, , , given]) => (given as { dryRun: boolean }).dryRun)
  expect(asked).toEqual([true, true, false])
  level(world)
  const nothing = {
    sent: false,
    verdict: 'nothing-pays',
    id: null,
    reasons: [expect.stringContaining('block 100')],
  }
  for (const tool of ['simulate_trade', 'execute_arbitrage']) expect(await call(tool)).toMatchObject(nothing)
  expect(world.fleet.orders).toHaveLength(3)
})

test('execution_status: refused in words, final with profit and gas', async () => {
  const { call, world } = await harness(server)
  const refused = await world.decide({}, 'net profit')
  expect(await call('execution_status', { id: refused.id })).toMatchObject({
    state: 'refused',
    summary: 'It was not sent: net profit is 5 wei (at least 1 wei needed).',
    realisedProfit: null,
  })
  const traded = await world.decide()
  expect(await call('execution_status', { id: traded.id })).toMatchObject({ state: 'expired' })
  const { hash, symbol } = await world.book(traded, { realisedProfit: 0n, gasCost: 25n * 10n ** 15n })
  expect(await call('execution_status', { id: traded.id })).toMatchObject({
    state: 'final',
    hash,
    realisedProfit: { raw: '0', amount: `0 ${symbol}` },
    gasCost: '0.025 MATIC',
  })
})

test('opportunities: newest first, by verdict, in pages', async () => {
  const { call, world } = await harness(server)
  const first = await world.decide({}, 'transactions in flight')
  world.pass(1_000)
  const second = await world.decide()
  const all = await call('opportunities', { limit: 1 })
  expect(all).toMatchObject({
    total: 2,
    nextOffset: 1,
    opportunities: [{ id: second.id, verdict: 'trade', reason: '' }],
  })
  expect(all.opportunities[0].profit.raw).toBe(String(second.opportunity.profit))
  const refused = await call('opportunities', { verdict: 'refuse' })
  expect(refused).toMatchObject({
    total: 1,
    opportunities: [
      {
        id: first.id,
        refusedBy: 'transactions in flight',
        stage: 'rules',
        reason: '5 transactions are in flight (at least 1 allowed)',
        decidedAtIso: '2026-11-24T08:00:00.000Z',
      },
    ],
  })
})

test('profit_analysis: everything booked in the span and nothing before it, net of all gas', async () => {
  const { call, world } = await harness(server)
  const decision = await world.decide()
  await world.book(decision, { profitNative: 1_000 })
  world.pass(2 * HOUR_MS)
  const gas = { gasCost: E18 / 2n }
  await world.book(decision, { ...gas, profitNative: 10, profitValue: 7, route: 'A' })
  await world.book(decision, { ...gas, profitNative: 20, profitValue: 14, route: 'B', predictedProfit: 1n })
  await world.book(decision, {
    ...gas,
    profitNative: 0,
    profitValue: 0,
    outcome: 'reverted',
    route: 'B',
    lender: '',
  })
  const hour = await call('profit_analysis', { hours: 1 })
  expect(hour).toMatchObject({
    native: 'MATIC',
    quote: 'USDC',
    trades: 3,
    analysedTrades: 3,
    profitNative: 30,
    gasNative: 1.5,
    netNative: 28.5,
    profitValue: 21,
    byOutcome: { 'as-predicted': { trades: 2, netNative: 29 }, reverted: { trades: 1, netNative: -0.5 } },
    byLender: { none: { trades: 1, netNative: -0.5 } },
    bestRoutes: [
      { route: 'B', trades: 2, netNative: 19 },
      { route: 'A', trades: 1, netNative: 9.5 },
    ],
    predictedExactly: 0.5,
  })
  expect(hour.summary).toContain('3 trades earned 28.5 MATIC after 1.5 MATIC of gas')
  expect((await call('profit_analysis')).trades).toBe(4)
})
