/**
 * Integer arithmetic as Solidity does it: `bigint` division truncates, which for non-negative values is
 * floor.
 */

/** One in Q64.96 fixed point. */
export const Q96 = 1n << 96n
/** The largest uint256. */
export const MAX_UINT256 = (1n << 256n) - 1n

/**
 * `a * b / denominator`, rounded down. Source: Uniswap v3-core FullMath.mulDiv (without its 256-bit overflow:
 * callers bound their inputs).
 */
export function mulDiv(a: bigint, b: bigint, denominator: bigint): bigint {
  return (a * b) / denominator
}

/** `a * b / denominator`, rounded up. Source: Uniswap v3-core FullMath.mulDivRoundingUp. */
export function mulDivRoundingUp(a: bigint, b: bigint, denominator: bigint): bigint {
  return divRoundingUp(a * b, denominator)
}

/** `a / denominator`, rounded up, for non-negative `a`. */
export function divRoundingUp(a: bigint, denominator: bigint): bigint {
  return (a + denominator - 1n) / denominator
}

/** Integer square root of a non-negative value, rounded down; Newton's method from above. */
export function sqrt(value: bigint): bigint {
  if (value < 2n) return value
  let x = 1n << BigInt((value.toString(2).length + 1) >> 1)
  for (;;) {
    const y = (x + value / x) >> 1n
    if (y >= x) return x
    x = y
  }
}
