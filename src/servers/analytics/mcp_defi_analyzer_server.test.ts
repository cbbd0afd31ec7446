import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { pairSwap } from '../../../test/support/world/events.ts'
import { E6, E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import server from './mcp_defi_analyzer_server.ts'

const { USDC, WETH, WMATIC } = TOKENS
type Row = { pool: string; dex: string; kind: string; base: string; quote: string; fees: number }

/**
 * 100,000 WMATIC at 0.70 go into the WMATIC pool: 70,000 USDC of volume, 210 USDC of fees; the pool state
 * stays.
 */
async function traded() {
  const h = await harness(server)
  h.world.mine([pairSwap(POOLS.matic, [100_000n * E18, 0n], [0n, 60_000n * E6])])
  return h
}

test('protocol_overview: value, volume and fees by exchange, and what lenders can lend', async () => {
  const h = await harness(server)
  const before = await h.call('protocol_overview')
  expect(before).toMatchObject({ block: 100, windowSeconds: 0 })
  const sushi = before.exchanges.find(({ dex }: Row) => dex === 'sushiswap')
  const weth = h.world.market.price(WETH) as number
  expect(sushi).toMatchObject({ pools: 1, volume: 0, fees: 0 })
  expect(sushi.value).toBeCloseTo(1_030_000 + 500 * weth, -1)
  const aave = before.lenders.find(({ kind }: Row) => kind === 'aave-v3')
  expect([aave.tokens, aave.value]).toEqual([2, expect.closeTo(1_000_000 + 800 * weth, -1)])
  h.world.mine([pairSwap(POOLS.matic, [100_000n * E18, 0n], [0n, 60_000n * E6])])
  const after = await h.call('protocol_overview')
  expect(after).toMatchObject({ block: 101, windowSeconds: 2 })
  expect(after.exchanges.find(({ dex }: Row) => dex === 'quickswap')).toMatchObject({
    pools: 4,
    volume: expect.closeTo(70_000, 0),
    fees: expect.closeTo(210, 2),
  })
})

test('yield_table: fees of a year on the value, best first, for a token', async () => {
  const { call, world } = await traded()
  const early = await call('yield_table', { limit: 3 })
  expect([early.total, early.nextOffset, early.pools[0].annualPercent]).toEqual([8, 3, null])
  world.pass(3_598_000)
  const { pools, windowSeconds } = await call('yield_table', { token: 'MATIC' })
  expect(windowSeconds).toBe(3_600)
  expect(pools).toHaveLength(1)
  expect(pools[0]).toMatchObject({ pool: POOLS.matic, tokens: ['WMATIC', 'USDC'], value: 1_400_000 })
  // 210 USDC an hour on 1,400,000 USDC.
  expect(pools[0].annualPercent).toBeCloseTo((100 * 210 * 24 * 365) / 1_400_000, 2)
  expect((await call('yield_table')).pools[0].pool).toBe(POOLS.matic)
})

test('pool_returns: fees less the loss by the price move', async () => {
  const { call, world, refusal } = await traded()
  const still = await call('pool_returns', { pool: POOLS.matic })
  expect(still).toMatchObject({ priceChangePercent: 0, lossAgainstHoldingPercent: 0 })
  expect(still.netPercent).toBeCloseTo((100 * 210) / 1_400_000, 5)
  world.market.swap(POOLS.matic, USDC, WMATIC, 300_000n * E6)
  const moved = await call('pool_returns', { pool: POOLS.matic })
  const ratio = 1 + moved.priceChangePercent / 100
  // Reserves of 700,000 USDC become 1,000,000; the price moves with nearly the square.
  expect(ratio).toBeCloseTo((10 / 7) ** 2, 1)
  expect(moved.lossAgainstHoldingPercent).toBeCloseTo(100 - (200 * Math.sqrt(ratio)) / (1 + ratio), 3)
  expect(moved.netPercent).toBeCloseTo(moved.feesPercent - moved.lossAgainstHoldingPercent, 4)
  expect((await refusal('pool_returns', { pool: TOKENS.LOST })).code).toBe('not-found')
})

test('impermanent_loss: constant product, weighted and concentrated', async () => {
  const { call, refusal } = await harness(server)
  expect(await call('impermanent_loss', { priceRatio: 4 })).toEqual({
    lossPercent: 20,
    valueProviding: 2,
    valueHolding: 2.5,
  })
  expect((await call('impermanent_loss', { priceRatio: 4, weight: 0.8 })).lossPercent).toBeCloseTo(
    100 * (1 - 4 ** 0.8 / 3.4),
    3,
  )
  // Above 1.25 everything is sold at the geometric mean of 1 and 1.25.
  const [x, y] = [1 - 1 / Math.sqrt(1.25), 1 - Math.sqrt(0.8)]
  const narrow = await call('impermanent_loss', { priceRatio: 4, lower: 0.8, upper: 1.25 })
  expect(narrow.lossPercent).toBeCloseTo(100 * (1 - (x * Math.sqrt(1.25) + y) / (4 * x + y)), 3)
  expect((await refusal('impermanent_loss', { priceRatio: 2, upper: 1.2 })).message).toContain('lower, upper')
})

test('spread_report: cheapest and dearest pool of each pair, and whether the gap pays both fees', async () => {
  const { call, world } = await harness(server)
  const { total, pairs } = await call('spread_report')
  // Only USDC and WETH trade in several pools: at 1/2,000 and 1/2,060 WETH for a USDC.
  expect([total, pairs[0].base, pairs[0].quote, pairs[0].pools]).toEqual([1, 'USDC', 'WETH', 3])
  expect(pairs[0].cheapest).toMatchObject({ pool: POOLS.wethUsdcDear, price: expect.closeTo(1 / 2_060, 10) })
  expect(pairs[0].gapPercent).toBeCloseTo(100 * (pairs[0].dearest.price * 2_060 - 1), 3)
  expect(pairs[0].pays).toBe(true)
  world.market.swap(POOLS.wethUsdcDear, WETH, USDC, 73n * 10n ** 17n)
  const closed = await call('spread_report', { limit: 1 })
  expect(closed.pairs[0]).toMatchObject({ pays: false })
  expect(closed.pairs[0].gapPercent).toBeLessThan(closed.pairs[0].feesPercent)
  expect(closed.pairs[0].feesPercent).toBeLessThan(0.61)
})
