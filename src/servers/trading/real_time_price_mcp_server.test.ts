import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { E6, E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import { NO_CLIENT } from '../../mcp/elicitation.ts'
import server from './real_time_price_mcp_server.ts'

const { USDC, WETH, DAI } = TOKENS
type Row = { pool: string; base: string; quote: string; price: number; deviationPercent: number }

test('fetch_price: each pool of the pair, best for the seller after its fee first', async () => {
  const { call, refusal } = await harness(server)
  const { prices, base, total } = await call('fetch_price', { token: 'ETH', quote: 'USDC' })
  expect([base, total, prices[0].pool, prices[0].price]).toEqual(['WETH', 3, POOLS.wethUsdcDear, 2_060])
  expect(prices[0].priceAfterFee).toBeCloseTo(2_060 * 0.997, 6)
  // About 2,000 each: the pool of 0.05 % pays more than the pool of 0.3 %.
  expect(prices.map(({ pool }: Row) => pool)).toEqual([
    POOLS.wethUsdcDear,
    POOLS.concentrated,
    POOLS.wethUsdc,
  ])
  const inverse = await call('fetch_price', { token: 'USDC', quote: 'WETH' })
  const row = inverse.prices.find(({ pool }: Row) => pool === POOLS.wethUsdc)
  expect(row.price).toBeCloseTo(1 / 2_000, 12)
  expect((await refusal('fetch_price', { token: 'WMATIC', quote: 'WETH' })).code).toBe('no-price')
})

test('fetch_all_prices: one row per pool and pair, and only those of a token', async () => {
  const { call } = await harness(server)
  const { total, rows, nextOffset } = await call('fetch_all_prices', { limit: 6 })
  const rest = await call('fetch_all_prices', { offset: nextOffset })
  expect([total, new Set([...rows, ...rest.rows].map(({ pool }: Row) => pool)).size]).toEqual([8, 8])
  const dai = await call('fetch_all_prices', { token: 'DAI' })
  expect(dai.rows.map(({ base, quote }: Row) => [base, quote])).toEqual([
    ['USDC', 'DAI'],
    ['WETH', 'DAI'],
  ])
  expect(dai.rows[1]).toMatchObject({ price: 2_000, feePercent: 0.3, block: 100 })
})

test('subscribe_prices: the rows of the pools that changed, by block, with progress', async () => {
  const { call, world } = await harness(server)
  const progress: unknown[] = []
  const conversation = { ...NO_CLIENT, progress: (...report: unknown[]) => void progress.push(report) }
  const subscribed = call('subscribe_prices', { token: 'WETH', seconds: 5 }, { conversation })
  await Promise.resolve()
  world.market.swap(POOLS.wethUsdc, WETH, USDC, E18)
  world.market.swap(POOLS.matic, TOKENS.WMATIC, USDC, E18)
  world.mine()
  world.market.swap(POOLS.wethDai, DAI, WETH, E18)
  world.mine()
  world.mine()
  const { blocks, total, rows, websocket } = await subscribed
  expect([blocks, total, websocket]).toEqual([2, 2, '/events'])
  expect(rows.map(({ pool, block }: Row & { block: number }) => [pool, block])).toEqual([
    [POOLS.wethUsdc, 101],
    [POOLS.wethDai, 102],
  ])
  expect(progress).toEqual([
    [1, undefined, expect.stringContaining('block 101: 1 changes')],
    [2, undefined, expect.stringContaining('block 102: 2 changes')],
  ])
})

test('subscribe_prices: a limit keeps the latest rows', async () => {
  const { call, world } = await harness(server)
  const subscribed = call('subscribe_prices', { seconds: 5, limit: 1 })
  await Promise.resolve()
  for (let block = 101; block <= 103; block++) {
    world.market.swap(POOLS.wethUsdc, WETH, USDC, E18)
    world.mine()
  }
  // The third block is beyond the 5 seconds.
  const { total, rows } = await subscribed
  expect([total, rows.map(({ block }: { block: number }) => block)]).toEqual([2, [102]])
})

test('subscribe_prices: quiet seconds have no rows; a cancelled call ends', async () => {
  const { call, refusal, world } = await harness(server)
  const quiet = call('subscribe_prices', { seconds: 1 })
  await Promise.resolve()
  world.mine()
  expect(await quiet).toMatchObject({ blocks: 0, rows: [] })
  const controller = new AbortController()
  const cancelled = refusal('subscribe_prices', { seconds: 25 }, { signal: controller.signal })
  controller.abort()
  expect((await cancelled).code).toBe('cancelled')
})

test('get_token_liquidity: what the pools hold of it, and its value', async () => {
  const { call, world } = await harness(server)
  const { held, value, pools } = await call('get_token_liquidity', { token: 'MATIC' })
  expect([held.amount, value, pools.length]).toEqual(['1,000,000 WMATIC', 700_000, 1])
  world.market.swap(POOLS.matic, TOKENS.WMATIC, USDC, 500n * E18)
  expect((await call('get_token_liquidity', { token: 'MATIC' })).held.amount).toBe('1,000,500 WMATIC')
  const dai = await call('get_token_liquidity', { token: 'DAI' })
  expect(dai.held.raw).toBe(String(3_800_000n * E18))
  expect(dai.pools.map(({ pool }: Row) => pool)).toEqual([POOLS.stable, POOLS.wethDai])
  expect(await call('get_token_liquidity', { token: 'LOST' })).toMatchObject({ value: null, total: 0 })
})

test('price_deviation: each pool against the median, largest distance first', async () => {
  const { call, world } = await harness(server)
  const { median, widestPercent, pools } = await call('price_deviation', { token: 'WETH' })
  const prices: number[] = pools.map(({ price }: Row) => price)
  expect(widestPercent).toBeCloseTo(100 * (Math.max(...prices) / Math.min(...prices) - 1), 3)
  for (const { price, deviationPercent } of pools as Row[])
    expect(deviationPercent).toBeCloseTo(100 * (price / median - 1), 3)
  expect(pools[0]).toMatchObject({ pool: POOLS.wethUsdcDear, price: 2_060 })
  world.market.swap(POOLS.wethUsdc, USDC, WETH, 200_000n * E6)
  expect((await call('price_deviation', { token: 'WETH' })).widestPercent).toBeGreaterThan(10)
})

test('each block publishes the rows of the pools that it changed', async () => {
  const { world, hosted, stop } = await harness(server)
  const published: { block: number; rows: Row[] }[] = []
  world.bus.subscribe('prices', (message) => void published.push(message as never))
  world.market.swap(POOLS.matic, USDC, TOKENS.WMATIC, E6)
  world.mine()
  await Promise.resolve()
  expect(published).toEqual([{ block: 101, rows: [expect.objectContaining({ pool: POOLS.matic })] }])
  await stop()
  world.mine()
  await Promise.resolve()
  expect([published.length, hosted === undefined]).toEqual([1, false])
})
