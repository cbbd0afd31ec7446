import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  amount0Delta,
  amount1Delta,
  type ConcentratedPool,
  type ConstantProductPool,
  changeLiquidity,
  constantProductOut,
  knownRange,
  MAX_TICK,
  MIN_TICK,
  type Pool,
  quoteExactIn,
  spotPrice,
  sqrt,
  sqrtRatioAtTick,
  swapExactIn,
  tickAtSqrtRatio,
} from './index.ts'

const A = '0x000000000000000000000000000000000000000a'
const B = '0x000000000000000000000000000000000000000b'
const way = (zeroForOne: boolean): [typeof A | typeof B, typeof A | typeof B] =>
  zeroForOne ? [A, B] : [B, A]
const pair = (x: bigint, y: bigint, feeBps = 30): ConstantProductPool => ({
  kind: 'constant-product',
  address: A,
  dex: 'test',
  tokens: [A, B],
  reserves: [x, y],
  feeBps,
})
const range = (ticks?: ConcentratedPool['ticks']): ConcentratedPool => ({
  kind: 'concentrated',
  address: B,
  dex: 'test',
  tokens: [A, B],
  sqrtPriceX96: 1n << 96n,
  liquidity: 10n ** 21n,
  tick: 0,
  tickSpacing: 60,
  feePips: 3000,
  ...(ticks ? { ticks } : {}),
})

describe('tick math', () => {
  // Expectations from the contract's own test vectors (v3-core TickMath.spec), not from this code.
  test.each([
    [MIN_TICK, 4295128739n],
    [MAX_TICK, 1461446703485210103287273052203988822378723970342n],
    [0, 79228162514264337593543950336n],
    [50, 79426470787362580746886972461n],
    [-50, 79030349367926598376800521322n],
    [250_000, 21246587762933397357449903968194344n],
  ])('ratio at tick %i', (tick, ratio) => {
    expect(sqrtRatioAtTick(tick)).toBe(ratio)
  })

  test('the tick of a ratio is the greatest tick whose ratio does not exceed it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: MIN_TICK, max: MAX_TICK - 1 }),
        fc.bigInt({ min: 0n, max: 10n ** 12n }),
        (tick, more) => {
          const [low, high] = [sqrtRatioAtTick(tick), sqrtRatioAtTick(tick + 1)]
          expect(tickAtSqrtRatio(low)).toBe(tick)
          expect(tickAtSqrtRatio(high - 1n)).toBe(tick)
          expect(tickAtSqrtRatio(low + (more % (high - low)))).toBe(tick)
        },
      ),
    )
  })

  test('ticks and ratios outside the range throw', () => {
    expect(() => sqrtRatioAtTick(MAX_TICK + 1)).toThrow(RangeError)
    expect(() => tickAtSqrtRatio(1n)).toThrow(RangeError)
  })
})

describe('constant product', () => {
  test('the example of the v2 documentation', () => {
    // 1 in, reserves 5 and 10, fee 0.3 %: 997 * 10 / (5 * 1000 + 997), in units of 1e18.
    expect(constantProductOut(10n ** 18n, 5n * 10n ** 18n, 10n * 10n ** 18n, 30)).toBe(1662497915624478906n)
  })

  test('the invariant never falls and a round trip never gains', () => {
    fc.assert(
      fc.property(
        fc.bigInt(10n ** 6n, 10n ** 27n),
        fc.bigInt(10n ** 6n, 10n ** 27n),
        fc.bigInt(1n, 10n ** 26n),
        fc.boolean(),
        (x, y, amountIn, zeroForOne) => {
          const first = swapExactIn(pair(x, y), ...way(zeroForOne), amountIn)
          if (!first.ok) return
          const after = first.swap.after as ConstantProductPool
          expect(after.reserves[0] * after.reserves[1]).toBeGreaterThanOrEqual(x * y)
          const back = quoteExactIn(after, ...way(!zeroForOne), first.swap.amountOut)
          if (back !== undefined) expect(back).toBeLessThanOrEqual(amountIn)
        },
      ),
    )
  })

  test.each([
    ['an input of zero', pair(100n, 100n), 0n, 'zero-amount'],
    ['a pool without reserves', pair(0n, 100n), 5n, 'no-liquidity'],
    ['reserves above uint112', pair(100n, 100n), 1n << 112n, 'amount-too-large'],
    ['an input too small for one unit of output', pair(10n ** 20n, 10n), 1n, 'zero-output'],
  ] as const)('a pair refuses %s', (_, pool, amountIn, refusal) => {
    expect(swapExactIn(pool, ...way(true), amountIn)).toEqual({ ok: false, refusal })
  })
})

describe('concentrated', () => {
  const full: Pool = range([
    [-887220, 10n ** 21n, 10n ** 21n],
    [887220, -(10n ** 21n), 10n ** 21n],
  ])

  test('a round trip never gains, and the price moves against the trader', () => {
    fc.assert(
      fc.property(fc.bigInt(1_000n, 10n ** 22n), fc.boolean(), (amountIn, zeroForOne) => {
        const there = swapExactIn(full, ...way(zeroForOne), amountIn)
        if (!there.ok) return
        const after = there.swap.after
        if (zeroForOne) expect(spotPrice(after, A, B)).toBeLessThanOrEqual(spotPrice(full, A, B))
        else expect(spotPrice(after, A, B)).toBeGreaterThanOrEqual(spotPrice(full, A, B))
        const back = quoteExactIn(after, ...way(!zeroForOne), there.swap.amountOut)
        if (back !== undefined) expect(back).toBeLessThanOrEqual(amountIn)
      }),
    )
  })

  test('without ticks a pool is known only between the two multiples of its spacing', () => {
    const pool = range()
    expect(knownRange(pool)).toEqual([0, 60])
    expect(quoteExactIn(pool, ...way(false), 10n ** 15n)).toBeGreaterThan(0n)
    expect(swapExactIn(pool, ...way(false), 10n ** 21n)).toEqual({ ok: false, refusal: 'beyond-known-ticks' })
    // The price is at the lower edge of its range; the liquidity below is unknown.
    expect(swapExactIn(pool, ...way(true), 10n ** 15n)).toEqual({ ok: false, refusal: 'beyond-known-ticks' })
  })

  test('a swap that could be filled only in part is refused', () => {
    const thin = range([
      [-60, 10n ** 21n, 10n ** 21n],
      [60, -(10n ** 21n), 10n ** 21n],
    ])
    expect(swapExactIn(thin, ...way(true), 10n ** 30n)).toEqual({ ok: false, refusal: 'no-liquidity' })
  })

  test('adding and removing the same liquidity restores the pool', () => {
    const changed = changeLiquidity(
      changeLiquidity(full as ConcentratedPool, -120, 180, 77n),
      -120,
      180,
      -77n,
    )
    expect(changed).toEqual(full)
    const inside = changeLiquidity(full as ConcentratedPool, -120, 180, 77n)
    expect(inside.liquidity).toBe((full as ConcentratedPool).liquidity + 77n)
    expect(changeLiquidity(full as ConcentratedPool, 60, 120, 77n).liquidity).toBe(
      (full as ConcentratedPool).liquidity,
    )
    expect(inside.ticks?.map(([tick]) => tick)).toEqual([-887220, -120, 180, 887220])
  })

  test('amounts between prices round up or down as requested', () => {
    const [a, b] = [sqrtRatioAtTick(-60), sqrtRatioAtTick(60)]
    expect(amount0Delta(a, b, 10n ** 9n, true)).toBe(amount0Delta(a, b, 10n ** 9n, false) + 1n)
    expect(amount1Delta(b, a, 10n ** 9n, true)).toBe(amount1Delta(a, b, 10n ** 9n, false) + 1n)
  })
})

test('integer square root', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 1n << 250n), (value) => {
      const root = sqrt(value)
      expect(root * root <= value && (root + 1n) * (root + 1n) > value).toBe(true)
    }),
  )
})
