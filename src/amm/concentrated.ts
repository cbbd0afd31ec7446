/**
 * Concentrated-liquidity pools. Sources: v3-core UniswapV3Pool.swap (whitepaper section 6); v4-core
 * Pool.swap; Algebra Integral SwapCalculation._calculateSwap. They share the mathematics and differ in how
 * they step.
 */
import { swapStepExactIn } from './sqrt-price-math.ts'
import {
  MAX_SQRT_RATIO,
  MAX_TICK,
  MIN_SQRT_RATIO,
  MIN_TICK,
  sqrtRatioAtTick,
  tickAtSqrtRatio,
} from './tick-math.ts'
import type { Address, PoolIdentity, SwapResult } from './types.ts'

/**
 * An initialised tick: its index, the liquidity added when the price crosses it upwards, and the gross
 * liquidity that refers to it. A tick with a net of zero still counts while its gross is not zero: the
 * contract steps there, and each step rounds.
 */
export type Tick = readonly [tick: number, liquidityNet: bigint, liquidityGross: bigint]

/** The contract family of a concentrated pool: they share the mathematics and differ in how a swap steps. */
export type Engine = 'uniswap-v3' | 'uniswap-v4' | 'algebra'

/** A pool of Uniswap V3, Uniswap V4 or Algebra Integral. */
export interface ConcentratedPool extends PoolIdentity {
  readonly kind: 'concentrated'
  readonly tokens: readonly [Address, Address]
  /**
   * V3 and V4 step to the edges of bitmap words, Algebra follows a linked list of ticks. Default:
   * `uniswap-v3`.
   */
  readonly engine?: Engine
  /** sqrt(token1 / token0) in Q64.96. */
  readonly sqrtPriceX96: bigint
  /** Liquidity in range at the current price. */
  readonly liquidity: bigint
  readonly tick: number
  readonly tickSpacing: number
  /**
   * Uniswap V4: the protocol's fee on top of `feePips`, for swaps of the first token and of the second, in
   * hundredths of a basis point.
   */
  readonly protocolFee?: readonly [number, number]
  /**
   * Algebra: whether a plugin sets the fee by the pool's volatility in each block; `feePips` is the fee of
   * the next swap.
   */
  readonly dynamicFee?: boolean
  /**
   * Uniswap V4: whether the pool holds the native coin. `tokens` lists it as its wrapped token, first as on
   * chain.
   */
  readonly native?: boolean
  /** Fee in parts per million: 3000 is 0.3 %. */
  readonly feePips: number
  /**
   * V4 only: the fee in the pool's key, in parts per million. The fee of a swap may differ by the protocol's
   * fee.
   */
  readonly keyFeePips?: number
  /**
   * All initialised ticks, ascending. Absent: the pool is known only between the two multiples of
   * `tickSpacing` around `tick`.
   */
  readonly ticks?: readonly Tick[]
}

/** The index in ascending `ticks` of the last entry at or below `tick`; -1 if there is none. */
export function lastTickIndexAtOrBelow(ticks: readonly Tick[], tick: number): number {
  let low = 0
  let high = ticks.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ticks[middle] as Tick)[0] <= tick) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** The ticks between which a pool without a tick list is known: the tick-spacing interval around its tick. */
export function knownRange(pool: ConcentratedPool): [lower: number, upper: number] {
  const lower = Math.floor(pool.tick / pool.tickSpacing) * pool.tickSpacing
  return [lower, lower + pool.tickSpacing]
}

/**
 * `swapExactIn` of a concentrated pool; `zeroForOne` sells the first token. A swap that the pool could fill
 * only in part is refused.
 */
export function swapConcentrated(
  pool: ConcentratedPool,
  zeroForOne: boolean,
  amountIn: bigint,
): SwapResult<ConcentratedPool> {
  if (amountIn <= 0n) return { ok: false, refusal: 'zero-amount' }
  if (amountIn >= 1n << 255n) return { ok: false, refusal: 'amount-too-large' }
  const limit = zeroForOne ? MIN_SQRT_RATIO + 1n : MAX_SQRT_RATIO - 1n
  if (zeroForOne ? pool.sqrtPriceX96 <= limit : pool.sqrtPriceX96 >= limit)
    return { ok: false, refusal: 'no-liquidity' }
  const fee = BigInt(swapFeePips(pool, zeroForOne))
  const ticks = pool.ticks
  let { sqrtPriceX96, liquidity, tick } = pool
  let remaining = amountIn
  let amountOut = 0n
  let index = ticks ? lastTickIndexAtOrBelow(ticks, tick) : 0
  const range = knownRange(pool)
  while (remaining > 0n && sqrtPriceX96 !== limit) {
    const next = ticks ? ticks[zeroForOne ? index : index + 1] : undefined
    let nextTick: number
    if (ticks) {
      nextTick =
        pool.engine === 'algebra'
          ? (next?.[0] ?? (zeroForOne ? MIN_TICK : MAX_TICK))
          : stepTarget(pool.tickSpacing, tick, next?.[0], zeroForOne)
    } else {
      nextTick = zeroForOne ? range[0] : range[1]
      if (sqrtPriceX96 === sqrtRatioAtTick(nextTick)) return { ok: false, refusal: 'beyond-known-ticks' }
    }
    const tickPrice = sqrtRatioAtTick(nextTick)
    const target = zeroForOne
      ? tickPrice < limit
        ? limit
        : tickPrice
      : tickPrice > limit
        ? limit
        : tickPrice
    const step = swapStepExactIn(
      sqrtPriceX96,
      target,
      liquidity,
      remaining,
      fee,
      pool.engine === 'uniswap-v4',
    )
    remaining -= step.amountIn + step.feeAmount
    amountOut += step.amountOut
    sqrtPriceX96 = step.sqrtPriceNext
    if (sqrtPriceX96 === tickPrice) {
      if (next && next[0] === nextTick) {
        liquidity += zeroForOne ? -next[1] : next[1]
        index += zeroForOne ? -1 : 1
      }
      tick = zeroForOne ? nextTick - 1 : nextTick
    } else {
      tick = tickAtSqrtRatio(sqrtPriceX96)
    }
  }
  if (remaining > 0n) return { ok: false, refusal: 'no-liquidity' }
  if (amountOut === 0n) return { ok: false, refusal: 'zero-output' }
  return { ok: true, swap: { amountOut, after: { ...pool, sqrtPriceX96, liquidity, tick } } }
}

/**
 * The total fee of a swap in hundredths of a basis point. Source: v4-core
 * ProtocolFeeLibrary.calculateSwapFee. In other engines the protocol's fee is a part of the pool's fee.
 */
export function swapFeePips(
  { feePips, protocolFee }: Pick<ConcentratedPool, 'feePips' | 'protocolFee'>,
  zeroForOne: boolean,
): number {
  const protocol = protocolFee?.[zeroForOne ? 0 : 1] ?? 0
  return protocol === 0 ? feePips : protocol + feePips - Math.floor((protocol * feePips) / 1_000_000)
}

/**
 * The pool after `delta` of liquidity was added (negative: removed) between two ticks. Source: v3-core
 * UniswapV3Pool._modifyPosition.
 */
export function changeLiquidity(
  pool: ConcentratedPool,
  tickLower: number,
  tickUpper: number,
  delta: bigint,
): ConcentratedPool {
  const liquidity = pool.tick >= tickLower && pool.tick < tickUpper ? pool.liquidity + delta : pool.liquidity
  if (!pool.ticks) return { ...pool, liquidity }
  const ticks = new Map(pool.ticks.map((entry) => [entry[0], entry]))
  for (const [tick, net] of [
    [tickLower, delta],
    [tickUpper, -delta],
  ] as const) {
    const [, oldNet, oldGross] = ticks.get(tick) ?? [tick, 0n, 0n]
    const gross = oldGross + delta
    if (gross === 0n) ticks.delete(tick)
    else ticks.set(tick, [tick, oldNet + net, gross])
  }
  return { ...pool, liquidity, ticks: [...ticks.values()].sort((a, b) => a[0] - b[0]) }
}

/**
 * Target tick of one swap step: the next initialised tick, but not beyond the edge of its 256-tick bitmap
 * word. Source: v3-core TickBitmap.nextInitializedTickWithinOneWord. Equal steps give equal rounding.
 */
function stepTarget(
  tickSpacing: number,
  tick: number,
  initialised: number | undefined,
  zeroForOne: boolean,
): number {
  const compressed = Math.floor(tick / tickSpacing)
  if (zeroForOne) {
    const wordStart = Math.floor(compressed / 256) * 256 * tickSpacing
    return Math.max(initialised ?? wordStart, wordStart, MIN_TICK)
  }
  const wordEnd = (Math.floor((compressed + 1) / 256) * 256 + 255) * tickSpacing
  return Math.min(initialised ?? wordEnd, wordEnd, MAX_TICK)
}
