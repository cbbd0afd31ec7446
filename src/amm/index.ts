/**
 * Exact integer mathematics of automated market makers. Pure: no dependency, clock, network or randomness.
 */
export {
  type ConcentratedPool,
  changeLiquidity,
  type Engine,
  knownRange,
  lastTickIndexAtOrBelow,
  swapConcentrated,
  swapFeePips,
  type Tick,
} from './concentrated.ts'
export { type ConstantProductPool, constantProductOut, swapConstantProduct } from './constant-product.ts'
export { divRoundingUp, mulDiv, mulDivRoundingUp, Q96, sqrt } from './full-math.ts'
export { feeFraction, inVault, type Pool, type PoolKind, quoteExactIn, swapExactIn } from './pool.ts'
export { spotPrice, stableFloats, virtualReserves } from './price.ts'
export { amount0Delta, amount1Delta } from './sqrt-price-math.ts'
export { type StablePool, stableInvariant, swapStable } from './stable.ts'
export {
  MAX_SQRT_RATIO,
  MAX_TICK,
  MIN_SQRT_RATIO,
  MIN_TICK,
  sqrtRatioAtTick,
  tickAtSqrtRatio,
} from './tick-math.ts'
export type { Address, PoolIdentity, Refusal, Swap, SwapResult } from './types.ts'
export { swapWeighted, type WeightedPool } from './weighted.ts'
