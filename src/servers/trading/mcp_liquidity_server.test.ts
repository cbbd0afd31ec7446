import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { E6, E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import server from './mcp_liquidity_server.ts'

const { USDC, WETH } = TOKENS

test('pool_depth: within b basis points a constant-product pool takes reserve * b / (10,000 - b), fee excluded', async () => {
  const { call, world } = await harness(server)
  const within = async () => {
    const { depth } = await call('pool_depth', { pool: POOLS.wethUsdc, basisPoints: [100] })
    return Number(depth.find(({ tokenIn }: { tokenIn: string }) => tokenIn === 'WETH').within[0].amountIn.raw)
  }
  // Average price x*y/(x + a) against y/x, with the fee on the way in: a * 0.997 = 1,000 * 100 / 9,900.
  expect((await within()) / 1e18).toBeCloseTo((1_000 * 100) / 9_900 / 0.997, 1)
  world.market.swap(POOLS.wethUsdc, WETH, USDC, 1_000n * E18)
  expect((await within()) / 1e18).toBeCloseTo((2_000 * 100) / 9_900 / 0.997, 1)
})

test('impact_curve: each point is what the pool pays, and its distance from the price', async () => {
  const { call, refusal } = await harness(server)
  for (const [tokenIn, reserveIn, reserveOut] of [
    ['WETH', 1_000e18, 2_000_000e6],
    ['USDC', 2_000_000e6, 1_000e18],
  ] as const) {
    const { points } = await call('impact_curve', { pool: POOLS.wethUsdc, tokenIn, points: 5 })
    expect(points).toHaveLength(5)
    for (const { amountIn, amountOut, impactPercent } of points) {
      const net = Number(amountIn.raw) * 0.997
      const out = (net * reserveOut) / (reserveIn + net)
      expect(Number(amountOut.raw) / out).toBeCloseTo(1, 6)
      expect(impactPercent).toBeCloseTo(
        100 * (1 - out / ((Number(amountIn.raw) * reserveOut) / reserveIn)),
        2,
      )
    }
  }
  expect(await refusal('impact_curve', { pool: POOLS.wethUsdc, tokenIn: 'DAI' })).toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('tokenIn'),
  })
})

test('liquidity_map: both sides at the price, deepest first; a pair narrows it; pages cover all', async () => {
  const { call, world } = await harness(server)
  const pair = await call('liquidity_map', { token: 'WETH', other: 'USDC' })
  const row = pair.pools.find(({ pool }: { pool: string }) => pool === POOLS.wethUsdc)
  // 2,000,000 USDC and 1,000 WETH at the market's price of WETH.
  expect(row.value).toBeCloseTo(2_000_000 + 1_000 * (world.market.price(WETH) as number), -1)
  expect(pair.total).toBe(3)
  const all = await call('liquidity_map', { limit: 5 })
  const rest = await call('liquidity_map', { limit: 5, offset: all.nextOffset })
  expect([
    all.total,
    rest.nextOffset,
    new Set([...all.pools, ...rest.pools].map(({ pool }) => pool)).size,
  ]).toEqual([8, null, 8])
  const values = [...all.pools, ...rest.pools].map(({ value }: { value: number }) => value)
  expect(values).toEqual([...values].sort((a, b) => b - a))
  expect(all.value).toBeCloseTo(
    values.reduce((sum, value) => sum + value, 0),
    -2,
  )
})

test('tick_distribution: liquidity is the running sum of the ticks, the price lies in the active range', async () => {
  const { call, world } = await harness(server)
  const first = await call('tick_distribution', { pool: POOLS.concentrated })
  const unit = 2n * 10n ** 16n
  expect(first.ranges.map(({ from, to, liquidity, active }: never) => [from, to, liquidity, active])).toEqual(
    [
      [198_000, 200_000, String(unit), false],
      [200_000, 200_600, String(3n * unit), true],
      [200_600, 202_600, String(unit), false],
    ],
  )
  // 1.0001^200311 WETH units per USDC unit, 12 decimals apart.
  expect(first.price).toBeCloseTo(1.0001 ** 200_311 / 1e12, 8)
  const edge = (tick: number) => Number((1.0001 ** tick / 1e12).toPrecision(6))
  expect(first.ranges.map(({ priceFrom, priceTo }: Record<string, number>) => [priceFrom, priceTo])).toEqual([
    [edge(198_000), edge(200_000)],
    [edge(200_000), edge(200_600)],
    [edge(200_600), edge(202_600)],
  ])
  expect(await call('tick_distribution', { pool: POOLS.concentrated, limit: 1 })).toMatchObject({
    ranges: [{ from: 200_000 }],
    total: 3,
  })
  world.market.swap(POOLS.concentrated, USDC, WETH, 10_000n * E6)
  expect((await call('tick_distribution', { pool: POOLS.concentrated })).price).toBeLessThan(first.price)
})

test('liquidity_changes: who gained and lost since a block, largest first', async () => {
  const { call, world } = await harness(server)
  expect(await call('liquidity_changes')).toMatchObject({ total: 0, changes: [] })
  const before = (await call('liquidity_map', { token: 'WMATIC' })).pools[0].value
  world.market.swap(POOLS.matic, TOKENS.WMATIC, USDC, 10_000n * E18)
  world.mine()
  world.mine()
  const { changes, fromBlock, toBlock } = await call('liquidity_changes', { blocks: 5 })
  const after = (await call('liquidity_map', { token: 'WMATIC' })).pools[0].value
  expect([fromBlock, toBlock]).toEqual([100, 102])
  expect(changes[0]).toEqual({
    pool: POOLS.matic,
    dex: 'quickswap',
    before,
    after,
    changePercent: expect.closeTo(100 * (after / before - 1), 2),
  })
  expect((await call('liquidity_changes', { blocks: 1 })).changes).toEqual([])
})
