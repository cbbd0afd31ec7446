import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { E6, E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import server from './mcp_price_feed_server.ts'

const { USDC, WETH, WBTC } = TOKENS

test('price_query: the median lies where half of the depth has passed', async () => {
  const { call, world } = await harness(server)
  // WMATIC trades in one pool: 1,000,000 against 700,000 USDC.
  expect(await call('price_query', { symbol: 'WMATIC' })).toMatchObject({
    symbol: 'WMATIC',
    price: 0.7,
    quote: 'USDC',
    confidence: 0.5,
    pools: 1,
    depth: 700_000,
    dispersionPercent: 0,
    block: 100,
    ageMs: 0,
  })
  world.pass(1_500)
  expect(await call('price_query', { symbol: 'USDC' })).toMatchObject({
    price: 1,
    confidence: 1,
    ageMs: 1_500,
  })
  // WBTC at 30,000 USDC against 1,500,000 USDC of depth.
  world.market.swap(POOLS.wbtcUsdc, USDC, WBTC, 150_000n * E6)
  const { price } = await call('price_query', { symbol: 'BTC' })
  const net = 150_000 * 0.997
  expect(price).toBeCloseTo((1_650_000 * (1_500_000 + net)) / (50 * 1_500_000), 0)
})

test('price_query: confidence falls when a pool moves away from the others', async () => {
  const { call, world } = await harness(server)
  const before = await call('price_query', { symbol: 'WETH' })
  world.market.swap(POOLS.wethUsdcDear, USDC, WETH, 40_000n * E6)
  const after = await call('price_query', { symbol: 'WETH' })
  expect(after.dispersionPercent).toBeGreaterThan(before.dispersionPercent)
  for (const { confidence, dispersionPercent, pools } of [before, after])
    expect(confidence).toBeCloseTo((1 - dispersionPercent / 5) * (1 - 0.5 ** pools), 4)
  expect(after.confidence).toBeLessThan(before.confidence)
})

test('price_history: points of the token and the time, newest first, and the change over all of them', async () => {
  const { call, world } = await harness(server)
  for (let block = 0; block < 3; block++) {
    world.market.swap(POOLS.matic, USDC, TOKENS.WMATIC, 7_000n * E6)
    world.mine()
  }
  const history = await call('price_history', { token: 'MATIC', limit: 2 })
  // 7,000 USDC each: reserves of 700,000 grow, the price grows with their square.
  expect([history.total, history.nextOffset, history.first.price]).toEqual([4, 2, 0.7])
  expect(history.points.map(({ block }: { block: number }) => block)).toEqual([103, 102])
  expect(history.points[0]).toEqual(history.last)
  expect(history.changePercent).toBeCloseTo(100 * (history.last.price / 0.7 - 1), 3)
  expect(history.changePercent).toBeCloseTo(100 * (721 ** 2 / 700 ** 2 - 1), 0)
  world.pass(120_000)
  expect(await call('price_history', { token: 'MATIC', minutes: 1 })).toMatchObject({
    first: null,
    changePercent: null,
    points: [],
  })
})

test('price_history: the window is in minutes; points before it are left out', async () => {
  const { call, world } = await harness(server)
  // Blocks 101, 102 and 103 at 2, 91 and 150 s after the start.
  for (const waitMs of [0, 87_000, 57_000]) {
    world.pass(waitMs)
    world.market.swap(POOLS.matic, USDC, TOKENS.WMATIC, 7_000n * E6)
    world.mine()
  }
  const blocksOf = async (minutes: number) =>
    (await call('price_history', { token: 'MATIC', minutes })).points.map(
      ({ block }: { block: number }) => block,
    )
  expect(await blocksOf(1)).toEqual([103, 102])
  expect(await blocksOf(3)).toEqual([103, 102, 101, 100])
  world.pass(2_000)
  expect(await blocksOf(1)).toEqual([103])
})

test('list_symbols: every token, with a price where pools connect it', async () => {
  const { call } = await harness(server)
  const { total, nextOffset, symbols } = await call('list_symbols', { limit: 5 })
  expect([total, nextOffset]).toEqual([6, 5])
  expect(symbols.map(({ symbol }: { symbol: string }) => symbol)).toEqual([
    ...['WMATIC', 'USDC', 'WETH', 'DAI', 'WBTC'],
  ])
  expect(await call('list_symbols', { search: 'los' })).toMatchObject({
    total: 1,
    symbols: [{ symbol: 'LOST', address: TOKENS.LOST, decimals: 18, price: null, pools: 0 }],
  })
})

test('validate_price_feed: distance from the oracle, age, and each pool, deepest first', async () => {
  const { call, refusal, world } = await harness(server)
  const { price } = await call('price_query', { symbol: 'WETH' })
  world.oracle.dollars.set(WETH, 2_100).set(USDC, 1.05)
  const valid = await call('validate_price_feed', { token: 'WETH' })
  expect(valid).toMatchObject({ valid: true, reasons: [], price, oraclePrice: 2_100, ageMs: 0 })
  // 2,100 dollars are 2,000 USDC at 1.05.
  expect(valid.oracleDeviationPercent).toBeCloseTo(100 * (price / 2_000 - 1), 3)
  const depths = valid.sources.map(({ depth }: { depth: number }) => depth)
  expect(depths).toEqual([...depths].sort((a, b) => b - a))
  const dear = valid.sources.find(({ pool }: { pool: string }) => pool === POOLS.wethUsdcDear)
  expect(dear).toMatchObject({ against: 'USDC', price: 2_060, depth: 1_030_000, feePercent: 0.3 })
  expect(dear.deviationPercent).toBeCloseTo(100 * (2_060 / price - 1), 3)
  world.oracle.dollars.set(WETH, 1_900)
  world.pass(20_000)
  const { reasons, ...invalid } = await call('validate_price_feed', { token: 'WETH' })
  expect(invalid.valid).toBe(false)
  expect(reasons).toEqual([expect.stringMatching(/20000 ms old/), expect.stringMatching(/% from the oracle/)])
  expect(await call('validate_price_feed', { token: 'DAI' })).toMatchObject({
    oraclePrice: null,
    oracleDeviationPercent: null,
  })
  expect((await refusal('validate_price_feed', { token: 'LOST' })).code).toBe('no-price')
})

test('validate_price_feed: a price whose pools disagree is not valid', async () => {
  const { call, world } = await harness(server)
  world.market.swap(POOLS.wethUsdc, WETH, USDC, 100n * E18)
  const { valid, reasons, confidence } = await call('validate_price_feed', {
    token: 'WETH',
    maxDeviationPercent: 100,
  })
  expect([valid, reasons]).toEqual([false, [expect.stringMatching(/pools disagree/)]])
  expect(confidence).toBeLessThan(0.3)
})
