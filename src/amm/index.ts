/** Exact integer mathematics of automated market makers. Pure: no dependency, clock, network or randomness. */
export { type ConcentratedPool, changeLiquidity, knownRange, lastTickIndexAtOrBelow, swapConcentrated, type Tick } from './concentrated.ts'
export { type ConstantProductPool, constantProductOut, swapConstantProduct } from './constant-product.ts'
export { divRoundingUp, mulDiv, mulDivRoundingUp, Q96, sqrt } from './full-math.ts'
export {
  type Address,
  feeFraction,
  type Pool,
  type PoolIdentity,
  type PoolKind,
  quoteExactIn,
  type Refusal,
  type Swap,
  type SwapResult,
  spotPrice,
  swapExactIn,
  virtualReserves,
} from './pool.ts'
export { amount0Delta, amount1Delta } from './sqrt-price-math.ts'
export { MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO, MIN_TICK, sqrtRatioAtTick, tickAtSqrtRatio } from './tick-math.ts'
