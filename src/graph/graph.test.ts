import { describe, expect, test } from 'vitest'
import { type Address, type ConcentratedPool, type Pool, quoteExactIn, sqrt, sqrtRatioAtTick, tickAtSqrtRatio } from '../amm/index.ts'
import { type Random, seededRandom } from '../std/random.ts'
import { bestInput, type Cycle, CycleIndex, enumerateCycles, logRate, parseSnapshot, pieceReader, sizeCycle, upperBound, walkCycle } from './index.ts'

const token = (index: number): Address => `0x${index.toString(16).padStart(40, '0')}`

/** A random market: `tokens` tokens with prices near a common truth, pools of both kinds between random pairs. */
function randomMarket(random: Random, tokens: number, count: number): Pool[] {
  const worth = Array.from({ length: tokens }, () => 0.5 + random() * 4)
  return Array.from({ length: count }, (_, index): Pool => {
    const i = Math.floor(random() * (tokens - 1))
    const j = i + 1 + Math.floor(random() * (tokens - 1 - i))
    const depth = 1e15 * (1 + random() * 20)
    const skew = 1 + (random() - 0.5) * 0.06
    const x = BigInt(Math.floor(depth / (worth[i] as number)))
    const y = BigInt(Math.floor((depth / (worth[j] as number)) * skew))
    const identity = { address: token(1_000 + index), dex: 'test', tokens: [token(i + 1), token(j + 1)] as const }
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

/** Cycles by brute force: every ordered choice of pools, walked, kept where it closes without visiting a token twice. */
function bruteForce(pools: readonly Pool[], maxHops: number): Set<string> {
  const found = new Set<string>()
  const extend = (path: { pool: Pool; zeroForOne: boolean }[], at: Address, start: Address, visited: Address[]) => {
    for (const pool of pools) {
      if (path.some((hop) => hop.pool === pool)) continue
      for (const zeroForOne of [true, false]) {
        const [from, to] = zeroForOne ? pool.tokens : [pool.tokens[1], pool.tokens[0]]
        if (from !== at) continue
        const next = [...path, { pool, zeroForOne }]
        if (to === start) {
          if (next.length < 2) continue
          const names = next.map((hop) => `${hop.pool.address}${hop.zeroForOne}`)
          const least = names.indexOf([...names].sort()[0] as string)
          found.add([...names.slice(least), ...names.slice(0, least)].join(' '))
        } else if (next.length < maxHops && !visited.includes(to)) extend(next, to, start, [...visited, to])
      }
    }
  }
  for (const start of new Set(pools.flatMap((pool) => [...pool.tokens]))) extend([], start, start, [start])
  return found
}

const canonical = (cycle: Cycle): string => {
  const names = cycle.map((hop) => `${hop.pool}${hop.zeroForOne}`)
  const least = names.indexOf([...names].sort()[0] as string)
  return [...names.slice(least), ...names.slice(0, least)].join(' ')
}

describe('cycles', () => {
  test.each([2, 3, 4])('up to %i hops equal brute force, each once', (maxHops) => {
    for (let seed = 1; seed <= 15; seed++) {
      const pools = randomMarket(seededRandom(seed), 5, 9)
      const found = enumerateCycles(pools, { maxHops }).map(canonical)
      expect(new Set(found).size).toBe(found.length)
      expect(new Set(found)).toEqual(bruteForce(pools, maxHops))
    }
  })

  test('the index finds what a changed pool touches, and nothing else', () => {
    const pools = randomMarket(seededRandom(3), 5, 9)
    const index = new CycleIndex(pools, { maxHops: 3 })
    const changed = (pools[4] as Pool).address
    expect(index.touching([changed])).toEqual(index.cycles.filter((cycle) => cycle.some((hop) => hop.pool === changed)))
    expect(index.touching(['0xdead'])).toEqual([])
  })

  test('start tokens come first', () => {
    const pools = randomMarket(seededRandom(5), 4, 8)
    for (const cycle of enumerateCycles(pools, { maxHops: 3, startTokens: [token(3)] })) {
      if (cycle.some((hop) => hop.tokenIn === token(3))) expect(cycle[0]?.tokenIn).toBe(token(3))
    }
  })
})

describe('sizing', () => {
  test('no other size earns more, by exact search around the optimum; ticks crossed', () => {
    let paying = 0
    for (let seed = 1; seed <= 60; seed++) {
      const pools = randomMarket(seededRandom(seed * 7), 4, 9)
      const state = new Map(pools.map((pool) => [pool.address, pool]))
      for (const cycle of enumerateCycles(pools, { maxHops: 3 })) {
        const sized = sizeCycle(cycle, state)
        const chosen = sized?.amounts[0] ?? 0n
        const best = sized?.grossProfit ?? 0n
        if (sized) paying++
        // A geometric sweep over eleven orders of magnitude, in exact integers.
        for (let size = 1_000n; size < 10n ** 17n; size = (size * 13n) / 10n) {
          const other = walkCycle(cycle, state, size)
          if (other) expect(other.grossProfit, `seed ${seed}: ${size} against ${chosen}`).toBeLessThanOrEqual(best + best / 1_000_000n + 5n)
        }
      }
    }
    expect(paying).toBeGreaterThan(50)
  })

  test('a price for the input makes the best input smaller', () => {
    const readers = [
      pieceReader({ kind: 'constant-product', address: token(1), dex: 't', tokens: [token(1), token(2)], reserves: [10n ** 18n, 12n * 10n ** 17n], feeBps: 30 }, true),
    ]
    const [free, dear] = [bestInput(readers), bestInput(readers, 0.05)]
    expect(free?.amountIn).toBeGreaterThan(dear?.amountIn ?? Number.POSITIVE_INFINITY)
    expect(bestInput(readers, 0.5)).toBeUndefined()
  })

  test('pieces follow the exact pool from tick to tick', () => {
    const pool = randomMarket(seededRandom(11), 3, 30).find((candidate) => candidate.kind === 'concentrated') as ConcentratedPool
    for (const zeroForOne of [true, false]) {
      const reader = pieceReader(pool, zeroForOne)
      for (let i = 0; i < 3; i++) {
        const piece = reader.piece(i)
        if (!piece) break
        const x = piece.from + (piece.to - piece.from) * 0.5
        const exact = Number(quoteExactIn(pool, zeroForOne, BigInt(Math.floor(x))))
        expect((piece.a * x + piece.b) / (piece.c * x + piece.d) / exact).toBeCloseTo(1, 6)
      }
    }
    expect(sqrtRatioAtTick(pool.tick)).toBeLessThanOrEqual(pool.sqrtPriceX96)
  })

  test('the logarithm of the rate says whether anything can be earned', () => {
    const pools = randomMarket(seededRandom(2), 4, 9)
    const state = new Map(pools.map((pool) => [pool.address, pool]))
    for (const cycle of enumerateCycles(pools, { maxHops: 3 }))
      if (logRate(cycle, state) < 0) expect(walkCycle(cycle, state, 10n ** 9n)?.grossProfit ?? -1n).toBeLessThanOrEqual(0n)
  })
})

describe('the upper bound', () => {
  test('no single cycle earns more, and it is nothing where nothing can be earned', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const pools = randomMarket(seededRandom(seed * 31), 4, 10)
      const state = new Map(pools.map((pool) => [pool.address, pool]))
      const start = new Map(Array.from({ length: 4 }, (_, index) => [token(index + 1), 1] as const))
      const bound = upperBound(pools, token(1), start, 500)
      const best = enumerateCycles(pools, { maxHops: 4, startTokens: [token(1)] })
        .filter((cycle) => cycle[0]?.tokenIn === token(1))
        .reduce((most, cycle) => Math.max(most, Number(sizeCycle(cycle, state)?.grossProfit ?? 0n)), 0)
      expect(bound.value * (1 + 1e-9), `seed ${seed}`).toBeGreaterThanOrEqual(best)
    }
    const one: Pool[] = [{ kind: 'constant-product', address: token(9), dex: 't', tokens: [token(1), token(2)], reserves: [10n ** 18n, 10n ** 18n], feeBps: 30 }]
    expect(
      upperBound(
        one,
        token(1),
        new Map([
          [token(1), 1],
          [token(2), 1.3],
        ]),
        300,
      ).value,
    ).toBeLessThan(1e9)
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
    pools: [{ kind: 'constant-product', dex: 'x', address: token(9), tokens: [token(1), token(2)], reserves: ['5', '7'], feeBps: 30 }],
  }

  test('amounts are read exactly, what is not traded is counted', () => {
    const weighted = { kind: 'weighted', dex: 'b', address: token(8), tokens: [token(1), token(2)], balances: ['1', '1'], weights: ['5', '5'], swapFee: '1' }
    const empty = { ...good.pools[0], address: token(7), reserves: ['0', '7'] }
    const parsed = parseSnapshot({ ...good, pools: [...good.pools, weighted, empty] })
    expect(parsed.pools).toHaveLength(1)
    expect(parsed.pools[0]).toMatchObject({ reserves: [5n, 7n] })
    expect(parsed.leftOut).toEqual({ 'kind weighted is not traded yet': 1, 'empty pool': 1 })
  })

  test('a wrong field is named by its path', () => {
    expect(() => parseSnapshot({ ...good, pools: [{ ...good.pools[0], reserves: ['5', 'x'] }] })).toThrow(/pools\.0\.reserves\.1: expected a non-negative integer/)
    expect(() => parseSnapshot({ ...good, schema: 'other' })).toThrow(/schema/)
  })
})
