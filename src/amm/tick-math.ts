/** Tick and price conversions. Source: Uniswap v3-core TickMath (whitepaper, section 6.1). */

/** The lowest tick of a pool. Source of all four limits: v3-core TickMath. */
export const MIN_TICK = -887272
/** The highest tick of a pool. */
export const MAX_TICK = 887272
/** The ratio of `MIN_TICK`, in Q64.96. */
export const MIN_SQRT_RATIO = 4295128739n
/** The ratio of `MAX_TICK`, in Q64.96; prices stay below it. */
export const MAX_SQRT_RATIO = 1461446703485210103287273052203988822378723970342n

/** sqrt(1.0001^-(2^i)) in Q128, for i = 0..19. */
const RATIOS = [
  0xfffcb933bd6fad37aa2d162d1a594001n,
  0xfff97272373d413259a46990580e213an,
  0xfff2e50f5f656932ef12357cf3c7fdccn,
  0xffe5caca7e10e4e61c3624eaa0941cd0n,
  0xffcb9843d60f6159c9db58835c926644n,
  0xff973b41fa98c081472e6896dfb254c0n,
  0xff2ea16466c96a3843ec78b326b52861n,
  0xfe5dee046a99a2a811c461f1969c3053n,
  0xfcbe86c7900a88aedcffc83b479aa3a4n,
  0xf987a7253ac413176f2b074cf7815e54n,
  0xf3392b0822b70005940c7a398e4b70f3n,
  0xe7159475a2c29b7443b29c7fa6e889d9n,
  0xd097f3bdfd2022b8845ad8f792aa5825n,
  0xa9f746462d870fdf8a65dc1f90e061e5n,
  0x70d869a156d2a1b890bb3df62baf32f7n,
  0x31be135f97d08fd981231505542fcfa6n,
  0x9aa508b5b7a84e1c677de54f3e99bc9n,
  0x5d6af8dedb81196699c329225ee604n,
  0x2216e584f5fa1ea926041bedfe98n,
  0x48a170391f7dc42444e8fa2n,
]

/** Cache of computed ratios: pools use the same few thousand ticks repeatedly. */
const known = new Map<number, bigint>()
const MAX_KNOWN = 50_000

/**
 * sqrt(1.0001^tick) in Q64.96, rounded up as the contract does. Throws RangeError beyond MIN_TICK..MAX_TICK.
 */
export function sqrtRatioAtTick(tick: number): bigint {
  let ratio = known.get(tick)
  if (ratio === undefined) {
    ratio = computeRatio(tick)
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(tick, ratio)
  }
  return ratio
}

function computeRatio(tick: number): bigint {
  const absTick = Math.abs(tick)
  if (!Number.isInteger(tick) || absTick > MAX_TICK)
    throw new RangeError(`tick ${tick}: expected an integer within ±${MAX_TICK}`)
  let ratio = 1n << 128n
  for (let i = 0; i < RATIOS.length; i++) {
    if (absTick & (1 << i)) ratio = (ratio * (RATIOS[i] as bigint)) >> 128n
  }
  if (tick > 0) ratio = ((1n << 256n) - 1n) / ratio
  return (ratio >> 32n) + (ratio & 0xffffffffn ? 1n : 0n)
}

/**
 * The greatest tick whose ratio is at most `sqrtPriceX96`. Throws RangeError outside the contract's price
 * range.
 */
export function tickAtSqrtRatio(sqrtPriceX96: bigint): number {
  if (sqrtPriceX96 < MIN_SQRT_RATIO || sqrtPriceX96 >= MAX_SQRT_RATIO)
    throw new RangeError(`sqrtPriceX96 ${sqrtPriceX96}: outside the pool's range`)
  // A float estimate is within one tick; the exact ratios decide.
  let tick = Math.floor((2 * Math.log(Number(sqrtPriceX96) / 2 ** 96)) / Math.log(1.0001))
  tick = Math.max(MIN_TICK, Math.min(MAX_TICK, tick))
  while (sqrtRatioAtTick(tick) > sqrtPriceX96) tick--
  while (tick < MAX_TICK && sqrtRatioAtTick(tick + 1) <= sqrtPriceX96) tick++
  return tick
}
