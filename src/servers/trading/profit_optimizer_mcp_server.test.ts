import { expect, test } from 'vitest'
import type { Address } from '../../../src/amm/index.ts'
import { harness, World } from '../../../test/support/harness.ts'
import { POOLS, TOKENS } from '../../../test/support/world/market.ts'
import type { DecisionRecord } from '../../ports/ledger.ts'
import server from './profit_optimizer_mcp_server.ts'

type Leg = { pool: Address; tokenIn: string; tokenOut: string }
/** What a cycle earns at a size, by trading it in a fresh world, less the premium of its lender. */
function profitOf(route: Leg[], size: bigint): bigint {
  const { market } = new World()
  const out = route.reduce<bigint>(
    (amount, { pool, tokenIn, tokenOut }) =>
      market.swap(pool, market.token(tokenIn).address, market.token(tokenOut).address, amount),
    size,
  )
  // Balancer lends for nothing, but not to a route through its own pools; Aave takes 0.05 %, rounded half up.
  const viaVault = route.some(({ pool }) => pool === POOLS.stable || pool === POOLS.weighted)
  return out - size - (viaVault ? (size * 5n + 5_000n) / 10_000n : 0n)
}
/** Closes every gap of the small market. */
function level({ market }: World): void {
  for (const pool of [...market.pools.keys()]) if (pool !== POOLS.wethUsdc) market.pools.delete(pool)
  market.replace(market.pool(POOLS.wethUsdc))
}
const raw = (amount: { raw: string } | null) => BigInt(amount?.raw ?? -1)

test('profit_curve: from a hundredth to twice the best size, exact at each point', async () => {
  const { call } = await harness(server)
  const { opportunity } = await call('optimize_amount')
  const { points, bestAmount } = await call('profit_curve', { points: 3 })
  const best = raw(bestAmount)
  expect(points.map(({ amountIn }: never) => raw(amountIn))).toEqual([
    best / 100n,
    (best * 101n) / 100n,
    best * 2n,
  ])
  for (const { amountIn, profit } of points)
    expect(raw(profit)).toBe(profitOf(opportunity.cycles[0].route, raw(amountIn)))
  expect((await call('profit_curve', { points: 5 })).points).toHaveLength(5)
})

/** Expected profit in native coins where nothing was learned, at a bid of `share` of the profit. */
function expectedAt(share: number, gross: number, gasUnits: number): number {
  const chance = 4 / (4 + 1 * (1 - share))
  const price = (30e9 + Math.max(1e7, Math.floor((gross * 1e18 * share) / gasUnits))) / 1e18
  const mean = gasUnits * ((0.8 + 0.9 + 1 + 1.1 + 1.3) / 5)
  return chance * (gross - mean * price) - (1 - chance) * gasUnits * ((0.4 + 0.7 + 0.9) / 3) * price
}

/** Trades of ours that reverted although they bid a tenth of their profit. */
async function loseTrades(world: World, count: number): Promise<void> {
  const decision = await world.decide()
  const bid = { gasLimit: 1n, maxFeePerGas: 1n, maxPriorityFeePerGas: 1n, minProfit: 1n }
  const numbers = { ...decision.decision.numbers, grossNative: 180n * 10n ** 18n }
  const lost: DecisionRecord = { ...decision, decision: { ...decision.decision, bid, numbers } }
  await world.ledger.recordDecisions([lost])
  for (let index = 0; index < count; index++)
    world.bus.publish('trades', await world.book(lost, { outcome: 'reverted' }))
  await new Promise(setImmediate)
}

test('predict_profit: chance and gas of the prior, the bid that expects most; receipts teach it', async () => {
  const { call, world } = await harness(server)
  const { opportunity, prediction } = await call('predict_profit')
  const native = world.market.price(TOKENS.WMATIC) as number
  expect(prediction.grossNative).toBeCloseTo(opportunity.value / native, 1)
  const gasUnits = prediction.gasUnits.mean / 1.02
  expect(prediction.gasUnits.high / gasUnits).toBeCloseTo(1.3, 4)
  expect(prediction.gasUnits.ifReverted / gasUnits).toBeCloseTo(2 / 3, 4)
  const { share } = prediction.bid
  expect([prediction.learnedFrom, prediction.native]).toEqual([0, 'MATIC'])
  expect(prediction.chance).toBeCloseTo(4 / (5 - share), 5)
  const expected = (at: number) => expectedAt(at, prediction.grossNative, gasUnits)
  expect(prediction.expectedNative).toBeCloseTo(expected(share), 1)
  for (const other of [0, 0.1, 0.4]) expect(expected(other)).toBeLessThanOrEqual(expected(share) + 1e-6)
  await loseTrades(world, 1)
  const after = (await call('predict_profit')).prediction
  expect(after.learnedFrom).toBe(1)
  expect(after.bid.share).toBeGreaterThan(share)
  expect((await call('predict_profit', { token: 'WBTC' })).opportunity).toBeNull()
})

test('filter_opportunities: keeps what meets the targets and counts what fails which', async () => {
  const { call, world } = await harness(server)
  const { kept, failed } = await call('filter_opportunities', { limit: 10 })
  expect([kept.length, failed]).toEqual([1, { expectedProfit: 0, chance: 0 }])
  expect(kept[0].opportunity.id).toBe(world.opportunity().id)
  const { expectedNative, chance } = kept[0].prediction
  await call('set_profit_targets', { minNetNative: expectedNative + 1 })
  const poor = await call('filter_opportunities')
  expect([poor.total, poor.failed]).toEqual([0, { expectedProfit: 1, chance: 0 }])
  await call('set_profit_targets', { minNetNative: 0, minChance: chance + 0.01 })
  expect((await call('filter_opportunities')).failed).toEqual({ expectedProfit: 0, chance: 1 })
})

test('set_profit_targets: only what is given changes; another instance sees it, bids obey it', async () => {
  const world = new World()
  const [one, other] = await Promise.all([harness(server, { world }), harness(server, { world })])
  const standard = { native: 'MATIC', minNetNative: 0, minChance: 0, maxBidShare: 0.4 }
  expect(await other.call('get_profit_targets')).toEqual(standard)
  expect(await one.call('set_profit_targets', { maxBidShare: 0 })).toEqual({ ...standard, maxBidShare: 0 })
  expect(await one.call('set_profit_targets', { minChance: 0.5 })).toMatchObject({
    maxBidShare: 0,
    minChance: 0.5,
  })
  expect(await other.call('get_profit_targets')).toMatchObject({ maxBidShare: 0, minChance: 0.5 })
  await loseTrades(world, 20)
  await one.call('set_profit_targets', { maxBidShare: 0.4 })
  expect((await other.call('predict_profit')).prediction.bid.share).toBeGreaterThan(0.1)
  await one.call('set_profit_targets', { maxBidShare: 0.05 })
  expect((await other.call('predict_profit')).prediction.bid.share).toBeLessThanOrEqual(0.05)
})

test('optimize_amount: more than at half and at double the size, each by trading it', async () => {
  const { call, world } = await harness(server)
  const answer = await call('optimize_amount')
  const { route } = answer.opportunity.cycles[0]
  const size = raw(answer.bestAmount)
  expect([raw(answer.profit), raw(answer.profitAtHalf), raw(answer.profitAtDouble)]).toEqual([
    profitOf(route, size),
    profitOf(route, size / 2n),
    profitOf(route, size * 2n),
  ])
  expect(raw(answer.profit)).toBeGreaterThan(raw(answer.profitAtHalf))
  expect(raw(answer.profit)).toBeGreaterThan(raw(answer.profitAtDouble))
  level(world)
  const nothing = { opportunity: null, reason: expect.stringContaining('nothing pays at block 100') }
  expect(await call('optimize_amount')).toMatchObject({ ...nothing, bestAmount: null, profit: null })
  expect(await call('predict_profit')).toMatchObject({ ...nothing, prediction: null })
  expect(await call('profit_curve')).toMatchObject({ reason: nothing.reason, points: [] })
})
