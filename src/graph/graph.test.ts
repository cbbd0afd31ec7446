import { describe, expect, test } from 'vitest'
import {
  type Address,
  type ConcentratedPool,
  type Pool,
  quoteExactIn,
  sqrt,
  sqrtRatioAtTick,
  swapExactIn,
  tickAtSqrtRatio,
} from '../amm/index.ts'
import { type Random, seededRandom } from '../std/random.ts'
import {
  bestInput,
  type Cycle,
  CycleIndex,
  cyclesOf,
  logRate,
  MarketGraph,
  MarketSearch,
  parseSnapshot,
  pieceReader,
  planCycles,
  type SizedCycle,
  sizeCycle,
  upperBound,
  walkCycle,
} from './index.ts'

const token = (index: number): Address => `0x${index.toString(16).padStart(40, '0')}`

/** The true value of each token. */
const worth = [1.9, 0.7, 3.1, 1.2, 2.4]

/** A random market: `tokens` tokens with prices near the truth, pools of both kinds between random pairs. */
function randomMarket(random: Random, tokens: number, count: number): Pool[] {
  return Array.from({ length: count }, (_, index): Pool => {
    const i = Math.floor(random() * (tokens - 1))
    const j = i + 1 + Math.floor(random() * (tokens - 1 - i))
    const depth = 1e15 * (1 + random() * 20)
    const skew = 1 + (random() - 0.5) * 0.06
    const x = BigInt(Math.floor(depth / (worth[i] as number)))
    const y = BigInt(Math.floor((depth / (worth[j] as number)) * skew))
    const identity = {
      address: token(1_000 + index),
      dex: 'test',
      tokens: [token(i + 1), token(j + 1)] as const,
    }
    if (random() < 0.6) return { kind: 'constant-product', ...identity, reserves: [x, y], feeBps: 30 }
    const sqrtPriceX96 = sqrt((y << 192n) / x)
    const tick = tickAtSqrtRatio(sqrtPriceX96)
    const liquidity = sqrt(x * y)
    const centre = Math.round(tick / 60) * 60
    const inner = [centre - 120, centre + 120] as const
    return {
      kind: 'concentrated',
      ...identity,
      sqrtPriceX96,
      liquidity: liquidity * 3n,
      tick,
      tickSpacing: 60,
      feePips: 3000,
      ticks: [
        [centre - 6_000, liquidity, liquidity],
        [inner[0], liquidity * 2n, liquidity * 2n],
        [inner[1], -liquidity * 2n, liquidity * 2n],
        [centre + 6_000, -liquidity, liquidity],
      ],
    } satisfies ConcentratedPool
  })
}

/** Weighted and stable pools between the same tokens, three at a time. */
function vaultPools(random: Random, tokens: number, count: number): Pool[] {
  return Array.from({ length: count }, (_, index): Pool => {
    const first = 1 + Math.floor(random() * (tokens - 2))
    const identity = {
      address: token(5_000 + index),
      dex: 'vault',
      tokens: [token(first), token(first + 1), token(first + 2)],
      scalingFactors: [1n, 1n, 1n].map((one) => one * 10n ** 18n),
    }
    const near = () => 1 + (random() - 0.5) * 0.04
    const swapFee = 10n ** 15n
    return random() < 0.5
      ? {
          kind: 'weighted',
          ...identity,
          balances: [5, 3, 2].map((tenths, at) =>
            BigInt(Math.floor((tenths * 4e15 * near()) / (worth[first - 1 + at] as number))),
          ),
          weights: [5n, 3n, 2n].map((tenths) => tenths * 10n ** 17n),
          swapFee,
        }
      : {
          kind: 'stable',
          ...identity,
          scalingFactors: identity.tokens.map((_, at) =>
            BigInt(Math.floor((worth[first - 1 + at] as number) * 1e18)),
          ),
          balances: identity.tokens.map((_, at) =>
            BigInt(Math.floor((1e16 * (1 + random())) / (worth[first - 1 + at] as number))),
          ),
          amp: 20_000n,
          swapFee,
        }
  })
}

/** Cycles by brute force: every ordered choice of pools that closes without visiting a token twice. */
function bruteForce(pools: readonly Pool[], maxHops: number): Set<string> {
  const found = new Set<string>()
  const extend = (
    path: { pool: Pool; from: Address; to: Address }[],
    at: Address,
    start: Address,
    visited: Address[],
  ) => {
    for (const pool of pools) {
      if (path.some((hop) => hop.pool === pool) || !pool.tokens.includes(at)) continue
      for (const to of pool.tokens) {
        if (to === at) continue
        const next = [...path, { pool, from: at, to }]
        if (to === start) {
          if (next.length >= 2) found.add(rotated(next.map((hop) => hop.pool.address + hop.from)))
        } else if (next.length < maxHops && !visited.includes(to)) extend(next, to, start, [...visited, to])
      }
    }
  }
  for (const start of new Set(pools.flatMap((pool) => [...pool.tokens]))) extend([], start, start, [start])
  return found
}

function rotated(names: readonly string[]): string {
  const first = names.indexOf([...names].sort()[0] as string)
  return [...names.slice(first), ...names.slice(0, first)].join(' ')
}

const canonical = (cycle: Cycle): string => rotated(cycle.map((hop) => hop.pool + hop.tokenIn))

describe('cycles', () => {
  test.each([2, 3, 4])('up to %i hops equal brute force, each once', (maxHops) => {
    for (let seed = 1; seed <= 15; seed++) {
      const pools = randomMarket(seededRandom(seed), 5, 9)
      const found = cyclesOf(pools, { maxHops }).map(canonical)
      expect(new Set(found).size).toBe(found.length)
      expect(new Set(found)).toEqual(bruteForce(pools, maxHops))
    }
  })

  test('a pool of three tokens counts as three pairs, and a cycle uses it once', () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = seededRandom(seed)
      const pools = [...randomMarket(random, 5, 5), ...vaultPools(random, 5, 3)]
      expect(new Set(cyclesOf(pools, { maxHops: 4 }).map(canonical))).toEqual(bruteForce(pools, 4))
    }
  })

  test('the index returns the cycles of a changed pool, and no others', () => {
    const pools = randomMarket(seededRandom(3), 5, 9)
    const index = new CycleIndex(new MarketGraph(pools), { maxHops: 3 })
    const changed = (pools[4] as Pool).address
    const all = Array.from({ length: index.count }, (_, cycle) => cycle)
    expect(index.touching([changed]).sort((a, b) => a - b)).toEqual(
      all.filter((cycle) => index.cycle(cycle).some((hop) => hop.pool === changed)),
    )
    expect(index.touching(['0xdead'])).toEqual([])
  })

  test('pools added later bring the same cycles as initial pools, and removed pools take theirs along', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = seededRandom(seed)
      const pools = [...randomMarket(random, 5, 8), ...vaultPools(random, 5, 2)]
      const search = new MarketSearch(pools.slice(0, 4), { maxHops: 4 })
      for (const pool of pools.slice(4)) search.update(pool)
      const cycles = Array.from({ length: search.index.count }, (_, cycle) => search.cycle(cycle))
      expect(new Set(cycles.map(canonical)).size).toBe(cycles.length)
      expect(new Set(cycles.map(canonical))).toEqual(bruteForce(pools, 4))
      search.setValues({ get: () => 1 })
      search.remove((pools[1] as Pool).address)
      search.search()
      for (const sized of search.best(50))
        expect(sized.hops.some((hop) => hop.pool === pools[1]?.address)).toBe(false)
    }
  })

  test('an index beyond its maximum size is not complete', () => {
    const graph = new MarketGraph(randomMarket(seededRandom(3), 5, 9))
    expect(new CycleIndex(graph, { maxHops: 4 }).complete).toBe(true)
    expect(new CycleIndex(graph, { maxHops: 4, maxCycles: 5 })).toMatchObject({ complete: false, count: 5 })
  })

  test('cycles start at start tokens, in order of preference', () => {
    const pools = randomMarket(seededRandom(5), 4, 8)
    for (const cycle of cyclesOf(pools, { maxHops: 3, startTokens: [token(3)] })) {
      if (cycle.some((hop) => hop.tokenIn === token(3))) expect(cycle[0]?.tokenIn).toBe(token(3))
    }
  })
})

describe('sizing', () => {
  test('no other size earns more, by exact search around the optimum, across ticks', () => {
    let paying = 0
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed * 7)
      const pools =
        seed % 2 ? randomMarket(random, 4, 9) : [...randomMarket(random, 4, 5), ...vaultPools(random, 4, 2)]
      const state = new Map(pools.map((pool) => [pool.address, pool]))
      for (const cycle of cyclesOf(pools, { maxHops: 3 })) {
        const sized = sizeCycle(cycle, state)
        const chosen = sized?.amounts[0] ?? 0n
        const best = sized?.grossProfit ?? 0n
        if (sized) paying++
        // A geometric sweep over eleven orders of magnitude, in exact integers.
        for (let size = 1_000n; size < 10n ** 17n; size = (size * 13n) / 10n) {
          const other = walkCycle(cycle, state, size)
          if (other)
            expect(other.grossProfit, `seed ${seed}: ${size} against ${chosen}`).toBeLessThanOrEqual(
              best + best / 1_000_000n + 5n,
            )
        }
      }
    }
    expect(paying).toBeGreaterThan(50)
  })

  test('a cost of the input reduces the best input', () => {
    const readers = [
      pieceReader(
        {
          kind: 'constant-product',
          address: token(1),
          dex: 't',
          tokens: [token(1), token(2)],
          reserves: [10n ** 18n, 12n * 10n ** 17n],
          feeBps: 30,
        },
        true,
      ),
    ]
    const [free, dear] = [bestInput(readers), bestInput(readers, 1.05)]
    expect(free?.amountIn).toBeGreaterThan(dear?.amountIn ?? Number.POSITIVE_INFINITY)
    expect(bestInput(readers, 1.5)).toBeUndefined()
  })

  test('pieces follow the exact pool from tick to tick', () => {
    const pool = randomMarket(seededRandom(11), 3, 30).find(
      (candidate) => candidate.kind === 'concentrated',
    ) as ConcentratedPool
    for (const zeroForOne of [true, false]) {
      const reader = pieceReader(pool, zeroForOne)
      for (let i = 0; i < 3; i++) {
        const piece = reader.piece(i)
        if (!piece) break
        const x = piece.from + (piece.to - piece.from) * 0.5
        const exact = Number(
          quoteExactIn(
            pool,
            ...(zeroForOne ? pool.tokens : ([pool.tokens[1], pool.tokens[0]] as const)),
            BigInt(Math.floor(x)),
          ),
        )
        expect((piece.a * x + piece.b) / (piece.c * x + piece.d) / exact).toBeCloseTo(1, 6)
      }
    }
    expect(sqrtRatioAtTick(pool.tick)).toBeLessThanOrEqual(pool.sqrtPriceX96)
  })

  test('only a cycle with a positive log rate can be profitable', () => {
    const pools = randomMarket(seededRandom(2), 4, 9)
    const state = new Map(pools.map((pool) => [pool.address, pool]))
    for (const cycle of cyclesOf(pools, { maxHops: 3 }))
      if (logRate(cycle, state) < 0)
        expect(walkCycle(cycle, state, 10n ** 9n)?.grossProfit ?? -1n).toBeLessThanOrEqual(0n)
  })
})

describe('the search of a block', () => {
  test('after changes the search equals a full search, with each cycle sized as by itself', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = seededRandom(seed * 13)
      const pools = [...randomMarket(random, 5, 10), ...vaultPools(random, 5, 2)]
      const search = new MarketSearch(pools, { maxHops: 4 })
      search.setValues({ get: () => 1 })
      search.search()
      for (let block = 0; block < 5; block++) {
        const state = new Map(pools.map((pool) => [pool.address, pool]))
        const changed = pools.filter(() => random() < 0.3)
        for (const pool of changed) {
          const [tokenIn, tokenOut] = [pool.tokens[0], pool.tokens[1]] as [Address, Address]
          const swap = swapExactIn(pool, tokenIn, tokenOut, 10n ** 14n)
          if (!swap.ok) continue
          pools[pools.indexOf(pool)] = swap.swap.after
          search.update(swap.swap.after)
        }
        search.search(changed.map((pool) => pool.address))
        for (const pool of pools) state.set(pool.address, pool)
        const expected = cyclesOf(pools, { maxHops: 4 }).flatMap((cycle) => sizeCycle(cycle, state) ?? [])
        const found = search.best(1_000)
        const profits = (list: readonly SizedCycle[]) =>
          list.map((sized) => Number(sized.grossProfit)).sort((a, b) => b - a)
        const [ours, theirs] = [profits(found), profits(expected)]
        expect(ours.length).toBeGreaterThanOrEqual(theirs.filter((profit) => profit > 100).length)
        for (const [index, profit] of ours.entries())
          expect(Math.abs(profit - (theirs[index] ?? 0))).toBeLessThanOrEqual(1e-6 * profit + 20)
      }
    }
  })
})

describe('the joint optimum', () => {
  test('no plan exceeds the bound, and a plan of cycles comes close to it', () => {
    const shares: number[] = []
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed * 31)
      const pools =
        seed % 2 ? randomMarket(random, 4, 10) : [...randomMarket(random, 4, 7), ...vaultPools(random, 4, 2)]
      const bound = upperBound(pools, token(1))
      const search = new MarketSearch(pools, { maxHops: 4, startTokens: [token(1)] })
      search.setValues(bound.prices)
      search.search()
      const worth = (list: readonly SizedCycle[]) =>
        list.reduce(
          (sum, { hops, grossProfit }) =>
            sum + Number(grossProfit) * search.valueOf((hops[0] as Cycle[number]).tokenIn),
          0,
        )
      const plan = planCycles(search, { maxCycles: 12, worth: () => 0 }, undefined, bound)
      expect(worth(plan), `seed ${seed}`).toBeLessThanOrEqual(bound.value * (1 + 1e-9) + 10)
      expect(worth(plan), `seed ${seed}`).toBeGreaterThanOrEqual(worth(search.best(1)) * (1 - 1e-9))
      expect(bound.converged).toBe(true)
      const share = bound.value > 1_000 ? worth(plan) / bound.value : 1
      // Of a stable pool of three tokens the bound counts each pair by itself, so it exceeds the attainable
      // profit by more.
      if (seed % 2) shares.push(share)
      else expect(share).toBeGreaterThan(0.75)
    }
    expect(Math.min(...shares)).toBeGreaterThan(0.99)
  })

  test('a plan splits a flow over two parallel pools', () => {
    const pair = (index: number, x: bigint, y: bigint): Pool => ({
      kind: 'constant-product',
      address: token(index),
      dex: 't',
      tokens: [token(1), token(2)],
      reserves: [x, y],
      feeBps: 30,
    })
    const pools = [
      pair(11, 10n ** 18n, 10n ** 18n),
      pair(12, 10n ** 18n, 10n ** 18n),
      pair(13, 4n * 10n ** 18n, 5n * 10n ** 18n),
    ]
    const search = new MarketSearch(pools, { maxHops: 3, startTokens: [token(1)] })
    search.setValues({ get: () => 1 })
    search.search()
    const [single] = search.best(1)
    const plan = planCycles(search, { maxCycles: 4, worth: () => 0, startToken: token(1) })
    const total = plan.reduce((sum, sized) => sum + sized.grossProfit, 0n)
    expect(plan).toHaveLength(2)
    expect(total).toBeGreaterThan((single?.grossProfit ?? 0n) + ((single?.grossProfit ?? 0n) * 3n) / 10n)
    const bound = upperBound(pools, token(1))
    expect(Number(total) / bound.value).toBeGreaterThan(0.999)
    // The search is unchanged.
    expect(search.best(1)).toEqual([single])
  })

  test('without a profitable cycle the bound is zero', () => {
    const one: Pool = {
      kind: 'constant-product',
      address: token(9),
      dex: 't',
      tokens: [token(1), token(2)],
      reserves: [10n ** 18n, 10n ** 18n],
      feeBps: 30,
    }
    expect(upperBound([one], token(1), { start: new Map([[token(2), 1.3]]) }).value).toBeLessThan(1e9)
  })
})

describe('snapshots', () => {
  const good = {
    schema: 'market-snapshot/1',
    chainId: 1,
    block: 1,
    tokens: [
      { address: token(1), symbol: 'A', decimals: 18 },
      { address: token(2), symbol: 'B', decimals: 6 },
    ],
    pools: [
      {
        kind: 'constant-product',
        dex: 'x',
        address: token(9),
        tokens: [token(1), token(2)],
        reserves: ['5', '7'],
        feeBps: 30,
      },
    ],
  }

  test('amounts are parsed exactly, and unusable pools are counted', () => {
    const weighted = {
      kind: 'weighted',
      dex: 'b',
      address: token(8),
      tokens: [token(1), token(2)],
      balances: ['1', '1'],
      weights: ['5', '5'],
      swapFee: '1',
    }
    const short = { ...weighted, address: token(6), weights: ['5'] }
    const empty = { ...good.pools[0], address: token(7), reserves: ['0', '7'] }
    const parsed = parseSnapshot({ ...good, pools: [...good.pools, weighted, short, empty] })
    expect(parsed.pools).toHaveLength(2)
    expect(parsed.pools[0]).toMatchObject({ reserves: [5n, 7n] })
    // A token of six decimals is lifted to eighteen.
    expect(parsed.pools[1]).toMatchObject({ kind: 'weighted', scalingFactors: [10n ** 18n, 10n ** 30n] })
    expect(parsed.leftOut).toEqual({ 'balances or weights do not match the tokens': 1, 'empty pool': 1 })
  })

  test('an error names the path of the invalid field', () => {
    expect(() => parseSnapshot({ ...good, pools: [{ ...good.pools[0], reserves: ['5', 'x'] }] })).toThrow(
      /pools\.0\.reserves\.1: expected a non-negative integer/,
    )
    expect(() => parseSnapshot({ ...good, schema: 'other' })).toThrow(
      /^not a market-snapshot\/1: schema: expected "market-snapshot\/1" \(got "other"\)$/,
    )
    // One message for a file of another format, instead of one per missing field.
    for (const other of [{ name: 'a package' }, [], null, 5])
      expect(() => parseSnapshot(other)).toThrow(/: schema: expected "market-snapshot\/1" \(got nothing\)$/)
  })
})
