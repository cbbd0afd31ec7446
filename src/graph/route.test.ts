/** Routes against brute force: the pool formula is written out here, on its own state. */
import { expect, test } from 'vitest'
import type { Address, Pool } from '../amm/index.ts'
import { seededRandom } from '../std/random.ts'
import { bestRoute, MarketGraph, type Route } from './index.ts'

const token = (index: number): Address => `0x${index.toString(16).padStart(40, '0')}`
const pair = (index: number, i: number, j: number, x: bigint, y: bigint): Pool => ({
  kind: 'constant-product',
  address: token(1_000 + index),
  dex: 'test',
  tokens: [token(i), token(j)],
  reserves: [x, y],
  feeBps: 30,
})

/** Uniswap V2 in its own words: 0.3 % of the input stays, x * y is kept, the result is rounded down. */
const out = (amountIn: bigint, x: bigint, y: bigint) => (amountIn * 997n * y) / (x * 1_000n + amountIn * 997n)

/** Sends the paths of a route one after another through copies of the reserves; returns the total output. */
function replay(route: Route, pools: readonly Pool[]): bigint {
  const reserves = new Map(
    pools.map((pool) => {
      if (pool.kind !== 'constant-product') throw new Error('only pairs')
      return [pool.address, new Map(pool.tokens.map((each, index) => [each, pool.reserves[index as 0 | 1]]))]
    }),
  )
  let total = 0n
  for (const { hops, amounts } of route.paths) {
    let amount = amounts[0] as bigint
    for (const { pool, tokenIn, tokenOut } of hops) {
      const held = reserves.get(pool) as Map<Address, bigint>
      const [x, y] = [held.get(tokenIn) as bigint, held.get(tokenOut) as bigint]
      const received = out(amount, x, y)
      held.set(tokenIn, x + amount)
      held.set(tokenOut, y - received)
      amount = received
    }
    total += amount
  }
  return total
}

const E18 = 10n ** 18n

test('the output of a route through one pool equals the pair formula', () => {
  const pools = [pair(0, 1, 2, 1_000n * E18, 2_000n * E18)]
  // 1 in, 0.3 % fee: 997 * 2000 / (1000 * 1000 + 997) = 1.992013962079806432...
  const route = bestRoute(new MarketGraph(pools), token(1), token(2), E18, { maxHops: 3, maxPaths: 5 })
  expect(route).toEqual({
    paths: [
      {
        hops: [{ pool: token(1_000), tokenIn: token(1), tokenOut: token(2) }],
        amounts: [E18, 1_992_013_962_079_806_432n],
      },
    ],
    amountIn: E18,
    amountOut: 1_992_013_962_079_806_432n,
    single: 1_992_013_962_079_806_432n,
    searchedPaths: 1,
  })
})

test('over two equal pools the amount is split in halves', () => {
  const pools = [pair(0, 1, 2, 1_000n * E18, 1_000n * E18), pair(1, 1, 2, 1_000n * E18, 1_000n * E18)]
  const route = bestRoute(new MarketGraph(pools), token(1), token(2), 200n * E18, { maxHops: 1, maxPaths: 2 })
  expect(route?.paths.map(({ amounts }) => amounts[0])).toEqual([100n * E18, 100n * E18])
  expect(route?.amountOut).toBe(2n * out(100n * E18, 1_000n * E18, 1_000n * E18))
  expect(route?.single).toBe(out(200n * E18, 1_000n * E18, 1_000n * E18))
})

test('with one path allowed the best single path takes the whole amount', () => {
  const pools = [pair(0, 1, 2, 1_000n * E18, 1_000n * E18), pair(1, 1, 2, 1_000n * E18, 1_100n * E18)]
  const route = bestRoute(new MarketGraph(pools), token(1), token(2), 200n * E18, { maxHops: 1, maxPaths: 1 })
  expect(route?.paths.map(({ hops }) => hops[0]?.pool)).toEqual([token(1_001)])
  expect(route?.amountOut).toBe(route?.single)
})

test('a route beyond the hop limit or between unconnected tokens does not exist', () => {
  const pools = [pair(0, 1, 2, E18, E18), pair(1, 2, 3, E18, E18), pair(2, 4, 5, E18, E18)]
  const graph = new MarketGraph(pools)
  expect(bestRoute(graph, token(1), token(3), 1_000n, { maxHops: 1, maxPaths: 5 })).toBeUndefined()
  expect(
    bestRoute(graph, token(1), token(3), 1_000n, { maxHops: 2, maxPaths: 5 })?.paths[0]?.hops,
  ).toHaveLength(2)
  expect(bestRoute(graph, token(1), token(5), 1_000n, { maxHops: 3, maxPaths: 5 })).toBeUndefined()
})

test('on random markets the reported amounts are exact, and no single path or coarse split gives more', () => {
  const random = seededRandom(7)
  const reserve = () => BigInt(Math.floor(1e15 * (1 + random() * 4)))
  let splits = 0
  for (let market = 0; market < 30; market++) {
    // Tokens 1 and 2 directly twice, and over 3: three paths that share no pool.
    const pools = [
      pair(0, 1, 2, reserve(), reserve()),
      pair(1, 1, 2, reserve(), reserve()),
      pair(2, 1, 3, reserve(), reserve()),
      pair(3, 2, 3, reserve(), reserve()),
    ]
    const amountIn = BigInt(Math.floor(1e14 * (1 + random() * 20)))
    const route = bestRoute(new MarketGraph(pools), token(1), token(2), amountIn, { maxHops: 2, maxPaths: 3 })
    if (!route) throw new Error('no route')
    expect(route.paths.reduce((sum, { amounts }) => sum + (amounts[0] as bigint), 0n)).toBe(amountIn)
    expect(replay(route, pools)).toBe(route.amountOut)
    if (route.paths.length > 1) splits++
    const [a, b, c, d] = pools.map((pool) =>
      pool.kind === 'constant-product' ? pool.reserves : [0n, 0n],
    ) as [
      readonly [bigint, bigint],
      readonly [bigint, bigint],
      readonly [bigint, bigint],
      readonly [bigint, bigint],
    ]
    let best = 0n
    const parts = 20n
    for (let first = 0n; first <= parts; first++) {
      for (let second = 0n; first + second <= parts; second++) {
        const [x, y] = [(amountIn * first) / parts, (amountIn * second) / parts]
        const total = out(x, ...a) + out(y, ...b) + out(out(amountIn - x - y, ...c), d[1], d[0])
        if (total > best) best = total
      }
    }
    expect(route.amountOut).toBeGreaterThanOrEqual(best)
    const single = [out(amountIn, ...a), out(amountIn, ...b), out(out(amountIn, ...c), d[1], d[0])]
    expect(route.single).toBe(single.reduce((most, each) => (each > most ? each : most)))
  }
  expect(splits).toBeGreaterThan(20)
})
