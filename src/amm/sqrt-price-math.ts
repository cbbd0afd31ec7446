/**
 * Price moves and token amounts within one liquidity range. Source: Uniswap v3-core SqrtPriceMath and
 * SwapMath.
 */
import { divRoundingUp, MAX_UINT256, mulDiv, mulDivRoundingUp, Q96 } from './full-math.ts'

const PIPS = 1_000_000n

/**
 * Amount of token0 between two prices (Q64.96) for `liquidity`, in token0's smallest unit. Source:
 * SqrtPriceMath.getAmount0Delta.
 */
export function amount0Delta(sqrtA: bigint, sqrtB: bigint, liquidity: bigint, roundUp: boolean): bigint {
  const [low, high] = sqrtA < sqrtB ? [sqrtA, sqrtB] : [sqrtB, sqrtA]
  const numerator = liquidity << 96n
  return roundUp
    ? divRoundingUp(mulDivRoundingUp(numerator, high - low, high), low)
    : mulDiv(numerator, high - low, high) / low
}

/**
 * Amount of token1 between two prices (Q64.96) for `liquidity`, in token1's smallest unit. Source:
 * SqrtPriceMath.getAmount1Delta.
 */
export function amount1Delta(sqrtA: bigint, sqrtB: bigint, liquidity: bigint, roundUp: boolean): bigint {
  const difference = sqrtA < sqrtB ? sqrtB - sqrtA : sqrtA - sqrtB
  return roundUp ? mulDivRoundingUp(liquidity, difference, Q96) : mulDiv(liquidity, difference, Q96)
}

/** The price after `amountIn` (net of fee) of the input token, always rounded in the pool's favour. */
function nextSqrtPriceFromInput(
  sqrtPrice: bigint,
  liquidity: bigint,
  amountIn: bigint,
  zeroForOne: boolean,
): bigint {
  if (!zeroForOne) return sqrtPrice + mulDiv(amountIn, Q96, liquidity)
  if (amountIn === 0n) return sqrtPrice
  const numerator = liquidity << 96n
  const product = amountIn * sqrtPrice
  // The contract takes the less precise branch where 256 bits overflow; so must we, to stay exact.
  if (product <= MAX_UINT256 && numerator + product <= MAX_UINT256)
    return mulDivRoundingUp(numerator, sqrtPrice, numerator + product)
  return divRoundingUp(numerator, numerator / sqrtPrice + amountIn)
}

/**
 * Result of one step: the next price (Q64.96), and amounts in smallest units; `amountIn` excludes the fee.
 */
export interface SwapStep {
  sqrtPriceNext: bigint
  amountIn: bigint
  amountOut: bigint
  feeAmount: bigint
}

/**
 * One exact-input step towards `target` within constant `liquidity`. Prices in Q64.96; `remaining` includes
 * the fee, `feePips` is in parts per million. Source: SwapMath.computeSwapStep. If the input ends exactly on
 * the target, V4 (`keepsRemainder`) takes the remainder as fee; V3 carries it into the next step.
 */
export function swapStepExactIn(
  sqrtPrice: bigint,
  target: bigint,
  liquidity: bigint,
  remaining: bigint,
  feePips: bigint,
  keepsRemainder = false,
): SwapStep {
  const zeroForOne = sqrtPrice >= target
  const remainingLessFee = mulDiv(remaining, PIPS - feePips, PIPS)
  const toTarget = zeroForOne
    ? amount0Delta(target, sqrtPrice, liquidity, true)
    : amount1Delta(sqrtPrice, target, liquidity, true)
  const reached = remainingLessFee >= toTarget
  const sqrtPriceNext = reached
    ? target
    : nextSqrtPriceFromInput(sqrtPrice, liquidity, remainingLessFee, zeroForOne)
  const full = sqrtPriceNext === target
  const amountIn =
    full && reached
      ? toTarget
      : zeroForOne
        ? amount0Delta(sqrtPriceNext, sqrtPrice, liquidity, true)
        : amount1Delta(sqrtPrice, sqrtPriceNext, liquidity, true)
  const amountOut = zeroForOne
    ? amount1Delta(sqrtPriceNext, sqrtPrice, liquidity, false)
    : amount0Delta(sqrtPrice, sqrtPriceNext, liquidity, false)
  const feeAmount =
    full && (reached || !keepsRemainder)
      ? mulDivRoundingUp(amountIn, feePips, PIPS - feePips)
      : remaining - amountIn
  return { sqrtPriceNext, amountIn, amountOut, feeAmount }
}
