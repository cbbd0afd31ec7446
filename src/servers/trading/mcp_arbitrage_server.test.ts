import { expect, test } from 'vitest'
import type { Address } from '../../../src/amm/index.ts'
import { harness, World } from '../../../test/support/harness.ts'
import { E6, E8, E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import server from './mcp_arbitrage_server.ts'

type Leg = { pool: Address; tokenIn: string; tokenOut: string }
const G = 0.997
/**
 * Best size and profit of a cycle through two constant-product pools with reserves (a, b) and (c, d), in
 * closed form.
 */
const closedForm = (a: number, b: number, c: number, d: number) => ({
  size: (Math.sqrt(G * G * a * b * c * d) - a * c) / (G * c + G * G * b),
  profit: (Math.sqrt(G * G * b * d) - Math.sqrt(a * c)) ** 2 / (G * c + G * G * b),
})
/** Trades a route; returns the amount after each leg. */
const trade = ({ market }: World, route: Leg[], amountIn: bigint) =>
  route.reduce<bigint>(
    (amount, { pool, tokenIn, tokenOut }) =>
      market.swap(pool, market.token(tokenIn).address, market.token(tokenOut).address, amount),
    amountIn,
  )

test('find_opportunities: the route earns exactly the profit and the premium; traded away, it is gone', async () => {
  const { call, world } = await harness(server)
  const { opportunities, total, block, searchedCycles } = await call('find_opportunities', { limit: 5 })
  const [best] = opportunities
  expect([block, best.id, total, searchedCycles > total]).toEqual([100, world.opportunity().id, 1, true])
  let earned = 0n
  for (const { route, amountIn } of best.cycles)
    earned += trade(world, route, BigInt(amountIn.raw)) - BigInt(amountIn.raw)
  expect(String(earned - BigInt(best.premium.raw))).toBe(best.profit.raw)
  world.mine()
  const after = await call('find_opportunities')
  expect([after.block, after.opportunities[0]?.value ?? 0]).toEqual([101, expect.closeTo(0, -2)])
  expect(after.opportunities[0]?.value ?? 0).toBeLessThan(best.value / 2)
})

test('find_opportunities: a minimum value in quote tokens', async () => {
  const { call } = await harness(server)
  const { value } = (await call('find_opportunities')).opportunities[0]
  const totals = [value, value + 1].map(
    async (minValue) => (await call('find_opportunities', { minValue })).total,
  )
  expect(await Promise.all(totals)).toEqual([1, 0])
})

test('find_cycles: the marginal gain after fees, and the best size in closed form where it pays', async () => {
  const { call, world } = await harness(server)
  const { cycles, total } = await call('find_cycles', { token: 'WETH', maxHops: 2, limit: 100 })
  const through = (first: string, second: string) =>
    cycles.find(({ route }: { route: Leg[] }) => route[0]?.pool === first && route[1]?.pool === second)
  const pays = through(POOLS.wethUsdcDear, POOLS.wethUsdc)
  const { size, profit } = closedForm(500, 1_030_000, 2_000_000, 1_000)
  expect(pays.gainPercent).toBeCloseTo(100 * (G * G * 1.03 - 1), 3)
  expect(Number(pays.amountIn.raw) / 1e18 / size).toBeCloseTo(1, 6)
  expect(Number(pays.grossProfit.raw) / 1e18 / profit).toBeCloseTo(1, 6)
  const loses = through(POOLS.wethUsdc, POOLS.wethUsdcDear)
  expect([loses.amountIn, loses.grossProfit]).toEqual([null, null])
  expect(loses.gainPercent).toBeCloseTo(100 * ((G * G) / 1.03 - 1), 3)
  // Three pools of WETH and USDC: each way through two of them.
  expect([total, cycles.length]).toEqual([6, 6])
  world.market.swap(POOLS.wethUsdc, TOKENS.USDC, TOKENS.WETH, 50_000n * E6)
  expect((await call('find_cycles', { token: 'WETH', maxHops: 2, limit: 1 })).cycles[0]).not.toEqual(
    cycles[0],
  )
})

test('explain_opportunity: the last refusal in words; by id its rules, numbers and sizes', async () => {
  const { call, world } = await harness(server)
  const traded = await world.decide()
  const [cycle] = traded.opportunity.cycles
  const found = await call('explain_opportunity', { id: traded.id })
  expect(found).toMatchObject({
    id: traded.id,
    verdict: 'trade',
    stage: 'sent',
    summary: 'Every rule passed, so it was sent; net of gas it promised 8 MATIC.',
    failedRules: [],
    passedRules: 1,
    numbers: {
      gross: '9 MATIC',
      gasCost: '0.01 MATIC',
      expected: '4 MATIC',
      bidSharePercent: 10,
      chancePercent: 50,
    },
  })
  const sized = cycle?.amounts[0] as bigint
  const route = found.opportunity.cycles[0].route
  const profitAt = (size: bigint) => trade(new World(), route, size) - size
  expect(found.size).toMatchObject({
    chosen: { raw: String(sized) },
    profit: { raw: String(profitAt(sized)) },
    profitAtHalf: { raw: String(profitAt(sized / 2n)) },
    profitAtDouble: { raw: String(profitAt(sized * 2n)) },
  })
  expect((await call('explain_opportunity')).id).toBe(traded.id)
  world.pass(1_000)
  const refused = await world.decide({}, 'net profit')
  world.pass(1_000)
  await world.decide({ outcome: { stage: 'dry-run', reason: 'a dry run was requested' } }, 'asked')
  const last = await call('explain_opportunity')
  expect([last.id, last.reason]).toEqual([refused.id, 'net profit is 5 wei (at least 1 wei needed)'])
  expect(last.failedRules).toEqual([{ rule: 'net profit', got: '5 wei', needed: 'at least 1 wei' }])
  expect(last.passedRules).toBe(0)
})

test('explain_opportunity: fits 4,000 characters with six joined cycles of four pools and many rules', async () => {
  const { call, world } = await harness(server)
  const plain = await world.decide()
  const [cycle] = plain.opportunity.cycles
  if (!cycle) throw new Error('the opportunity has no cycle')
  const rules = Array.from({ length: 16 }, (_, index) => ({
    rule: `rule ${index} of the guard, with a name of usual length`,
    ok: index > 1,
    got: '1'.repeat(24),
    needed: `at least ${'2'.repeat(24)}`,
  }))
  const { id } = await world.decide({
    id: `opp_${'7'.repeat(20)}`,
    decision: { ...plain.decision, verdict: 'refuse', rules },
    opportunity: {
      ...plain.opportunity,
      cycles: Array.from({ length: 6 }, () => ({ ...cycle, legs: [...cycle.legs, ...cycle.legs] })),
    },
    outcome: { stage: 'rules', reason: '' },
  })
  const found = await call('explain_opportunity', { id })
  expect([found.failedRules.length, found.passedRules]).toEqual([2, 14])
  expect([found.opportunity.cycles.length, found.opportunity.omittedCycles]).toEqual([2, 4])
  expect(JSON.stringify(found).length).toBeLessThanOrEqual(4_000)
})

test('market_upper_bound: of two pools the profit of the cycle through them, in closed form', async () => {
  const { call, world } = await harness(server)
  const whole = await call('market_upper_bound')
  expect(whole.upperBound).toBeGreaterThanOrEqual(whole.plan)
  expect(whole.plan).toBeGreaterThan(whole.bestSingleCycle)
  expect(whole.planShare).toBeCloseTo(whole.plan / whole.upperBound, 5)
  expect(whole.singleCycleShare).toBeCloseTo(whole.bestSingleCycle / whole.upperBound, 5)
  const kept: string[] = [POOLS.wethUsdc, POOLS.wethUsdcDear]
  for (const pool of [...world.market.pools.keys()]) if (!kept.includes(pool)) world.market.pools.delete(pool)
  world.market.replace(world.market.pool(POOLS.wethUsdc))
  const { profit } = closedForm(2_000_000, 1_000, 500, 1_030_000)
  const { upperBound, bestSingleCycle, prices, quote } = await call('market_upper_bound')
  expect([upperBound / profit, bestSingleCycle / profit, quote]).toEqual([
    expect.closeTo(1, 3),
    expect.closeTo(1, 3),
    'USDC',
  ])
  expect(prices.find(({ symbol }: { symbol: string }) => symbol === 'WETH').price).toBeGreaterThan(2_000)
})

test('market_upper_bound: a gap that only a cycle of four pools closes, in closed form', async () => {
  const { call, world } = await harness(server)
  const { USDC, WETH, WBTC, DAI } = TOKENS
  const route = [
    [POOLS.wethUsdc, USDC, WETH, 2_000_000n * E6, 1_000n * E18],
    [POOLS.weighted, WETH, WBTC, 1_500n * E18, 100n * E8],
    [POOLS.wbtcUsdc, WBTC, DAI, 50n * E8, 1_590_000n * E18],
    [POOLS.stable, DAI, USDC, 3_000_000n * E18, 3_000_000n * E6],
  ] as const
  world.market.pools.clear()
  for (const [address, from, to, reserveIn, reserveOut] of route)
    world.market.replace({
      kind: 'constant-product',
      address,
      dex: 'quickswap',
      tokens: [from, to],
      reserves: [reserveIn, reserveOut],
      feeBps: 30,
    })
  // Pools in a row pay a * x / (b + c * x) for x; the best size leaves (sqrt(a) - sqrt(b))^2 / c.
  const [a, b, c] = route.reduce<readonly [number, number, number]>(
    ([a, b, c], [, , , reserveIn, reserveOut]) => [
      G * Number(reserveOut) * a,
      Number(reserveIn) * b,
      Number(reserveIn) * c + G * a,
    ],
    [1, 1, 0],
  )
  const profit = (Math.sqrt(a) - Math.sqrt(b)) ** 2 / c / 1e6
  const { bestSingleCycle, upperBound } = await call('market_upper_bound')
  expect(profit).toBeGreaterThan(100)
  expect([bestSingleCycle / profit, upperBound / profit]).toEqual([
    expect.closeTo(1, 2),
    expect.closeTo(1, 2),
  ])
})

test('scan_statistics: sums over the detections that came over the bus, the last opportunities first', async () => {
  const { call, world } = await harness(server)
  expect(await call('scan_statistics')).toMatchObject({ blocks: 0, medianMs: null, recent: [], total: 0 })
  const detection = {
    genesis: world.market.manifest.genesis,
    block: 100,
    blockHash: world.market.head.hash,
    blockTime: 1,
    receivedAt: 1_000,
    foundAt: 1_012,
    changedPools: 1,
    searchedCycles: 40,
    totalCycles: 90,
    opportunities: [world.opportunity()],
    more: 2,
  }
  world.bus.publish('opportunities', detection)
  world.bus.publish('opportunities', { ...detection, block: 101, foundAt: 1_030, opportunities: [], more: 0 })
  world.bus.publish('opportunities', { ...detection, block: 102, foundAt: 1_019, opportunities: [], more: 0 })
  await new Promise(setImmediate)
  expect(await call('scan_statistics')).toMatchObject({
    blocks: 3,
    totalCycles: 90,
    searchedCycles: 120,
    found: 3,
    medianMs: 19,
    p99Ms: 30,
    total: 1,
    recent: [{ id: world.opportunity().id }],
  })
})
