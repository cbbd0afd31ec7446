import { decodeFunctionData, parseAbi } from 'viem'
import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { E6, E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import server from './dex_aggregator_mcp_server.ts'

const { WMATIC, USDC } = TOKENS
/** Output of the only pool of WMATIC, as UniswapV2Library.getAmountOut has it. */
const maticOut = (usdcIn: bigint, usdc = 700_000n * E6, matic = 1_000_000n * E18) =>
  (usdcIn * 997n * matic) / (usdc * 1_000n + usdcIn * 997n)

test('quote_swap: the output of the pool, the slippage below it, the average price and its distance from the market', async () => {
  const { call, refusal, world } = await harness(server)
  const given = { from: 'USDC', to: 'MATIC', amount: '7000 USDC', slippageBps: 100 }
  const first = await call('quote_swap', given)
  const out = maticOut(7_000n * E6)
  expect(first).toMatchObject({
    block: 100,
    amountIn: { raw: '7000000000', amount: '7,000 USDC' },
    amountOut: { raw: String(out) },
    minimumOut: { raw: String((out * 99n) / 100n) },
    paths: 1,
  })
  expect(first.minimumOut.amount).toMatch(/^9,7\d\d\.\d+ WMATIC$/)
  expect(first.price).toBeCloseTo(Number(out) / 1e18 / 7_000, 8)
  // Fee of 0.3 %, and 1 / (1 + a / reserve) of the price.
  expect(first.impactPercent).toBeCloseTo(100 * (1 - 0.997 / (1 + (0.997 * 7_000) / 700_000)), 4)
  world.market.swap(POOLS.matic, USDC, WMATIC, 7_000n * E6)
  const after = maticOut(7_000n * E6, 707_000n * E6, 1_000_000n * E18 - out)
  expect((await call('quote_swap', { ...given, slippageBps: 0 })).minimumOut.raw).toBe(String(after))
  const tiny = await refusal('quote_swap', { from: 'WETH', to: 'USDC', amount: '10' })
  expect([tiny.code, tiny.hint]).toEqual(['no-route', expect.stringContaining('10 WETH')])
})

test('find_route: the paths add up, and splitting beats every single pool', async () => {
  const { call } = await harness(server)
  const sum = (items: { raw: string }[]) => items.reduce((total, { raw }) => total + BigInt(raw), 0n)
  const route = await call('find_route', { from: 'WETH', to: 'USDC', amount: '20.0' })
  expect(route.amountIn).toEqual({ raw: String(20n * E18), amount: '20 WETH' })
  expect(route.paths.length).toBeGreaterThan(1)
  expect(sum(route.paths.map(({ amountIn }: never) => amountIn))).toBe(20n * E18)
  expect(sum(route.paths.map(({ amountOut }: never) => amountOut))).toBe(BigInt(route.amountOut.raw))
  expect(route.paths.reduce((total: number, { sharePercent }: never) => total + sharePercent, 0)).toBeCloseTo(
    100,
    3,
  )
  // The dearest pool alone: 500 WETH against 1,030,000 USDC.
  const alone = (20n * 997n * 1_030_000n * E6) / (500n * 1_000n + 20n * 997n)
  expect(BigInt(route.bestSinglePath.raw)).toBeGreaterThanOrEqual(alone)
  expect(BigInt(route.amountOut.raw)).toBeGreaterThan(BigInt(route.bestSinglePath.raw))
  const single = await call('find_route', { from: 'USDC', to: 'WMATIC', amount: '1.0', maxPaths: 1 })
  expect(single.paths).toEqual([
    {
      sharePercent: 100,
      amountIn: { raw: String(E6), amount: '1 USDC' },
      amountOut: single.amountOut,
      hops: [
        {
          pool: POOLS.matic,
          dex: 'quickswap',
          tokenIn: 'USDC',
          tokenOut: 'WMATIC',
          amountOut: single.amountOut,
        },
      ],
    },
  ])
  expect(single.amountOut.raw).toBe(String(maticOut(E6)))
  expect((await call('find_route', { from: 'WMATIC', to: 'DAI', amount: '1.0' })).paths[0].hops).toHaveLength(
    2,
  )
})

test('build_swap: pays the pair, then takes the minimum to the account; never a concentrated pool', async () => {
  const { call } = await harness(server)
  const account = `0x${'e'.repeat(40)}`
  const given = { from: 'USDC', to: 'WMATIC', amount: '7000 USDC', account }
  for (const slippageBps of [0, 100]) {
    const minimum = (maticOut(7_000n * E6) * BigInt(10_000 - slippageBps)) / 10_000n
    const { calls, minimumOut } = await call('build_swap', { ...given, slippageBps })
    expect(minimumOut.raw).toBe(String(minimum))
    expect(calls.map(({ to, what }: never) => [to, what])).toEqual([
      [USDC, 'pay 7,000 USDC to the pair'],
      [POOLS.matic, 'take the output of the pair'],
    ])
    const abi = parseAbi(['function swap(uint256, uint256, address, bytes)'])
    expect(decodeFunctionData({ abi, data: calls[1].data }).args?.slice(0, 2)).toEqual([minimum, 0n])
  }
  const { calls } = await call('build_swap', { ...given, to: 'WETH', maxHops: 1 })
  expect(calls[1].to).toBe(POOLS.wethUsdc)
})

test('get_prices: each pool at its own price, deepest first, against the median', async () => {
  const { call, world } = await harness(server)
  const { prices, total, median, quote } = await call('get_prices', { symbol: 'WETH' })
  const of = (pool: string) => prices.find((each: { pool: string }) => each.pool === pool)
  expect([total, quote, of(POOLS.wethUsdc).price, of(POOLS.wethUsdcDear).price]).toEqual([
    5,
    'USDC',
    2_000,
    2_060,
  ])
  expect(of(POOLS.wethUsdcDear).deviationPercent).toBeCloseTo(100 * (2_060 / median - 1), 3)
  const depths = prices.map(({ depth }: { depth: number }) => depth)
  expect(depths).toEqual([...depths].sort((a, b) => b - a))
  world.market.swap(POOLS.matic, USDC, WMATIC, 70_000n * E6)
  const matic = (await call('get_prices', { symbol: 'POL' })).prices[0]
  expect(matic.price).toBeCloseTo(770_000 / (1_000_000 - Number(maticOut(70_000n * E6)) / 1e18), 6)
})

test('list_dexes and list_pools: value at the price, deepest first, by exchange and token', async () => {
  const { call, refusal, world } = await harness(server)
  const { dexes } = await call('list_dexes')
  expect(dexes.map(({ dex, pools }: never) => [dex, pools])).toEqual([
    ['quickswap', 4],
    ['balancer', 2],
    ['sushiswap', 1],
    ['uniswap_v3', 1],
  ])
  expect(dexes[3].kinds).toEqual(['concentrated (uniswap-v3)'])
  const weth = world.market.price(TOKENS.WETH) as number
  expect(dexes[2].value).toBeCloseTo(1_030_000 + 500 * weth, -1)
  const own = await call('list_pools', { dex: 'quickswap', token: 'USDC', limit: 2 })
  expect([own.total, own.nextOffset, own.pools[0]]).toEqual([
    3,
    2,
    {
      pool: POOLS.wethUsdc,
      dex: 'quickswap',
      kind: 'constant-product',
      tokens: ['USDC', 'WETH'],
      value: expect.closeTo(2_000_000 + 1_000 * weth, -1),
      feePercent: 0.3,
    },
  ])
  expect(
    (await call('list_pools', { token: 'DAI' })).pools.map(({ feePercent }: never) => feePercent),
  ).toEqual([0.04, 0.3])
  // A known exchange without pools of the token has none; an unknown one is an error.
  expect(await call('list_pools', { dex: 'sushiswap', token: 'DAI' })).toMatchObject({ total: 0 })
  expect(await refusal('list_pools', { dex: 'quikswap' })).toMatchObject({
    code: 'not-found',
    hint: 'did you mean quickswap?',
  })
  world.market.swap(POOLS.matic, USDC, WMATIC, 70_000n * E6)
  expect((await call('list_dexes')).dexes[0].value).toBeGreaterThan(dexes[0].value)
})
