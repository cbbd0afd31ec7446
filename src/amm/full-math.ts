/** Integer arithmetic as Solidity does it: `bigint` division truncates, which for non-negative values is floor. */

export const Q96 = 1n << 96n
export const MAX_UINT256 = (1n << 256n) - 1n

/** `a * b / denominator`, rounded down. Source: Uniswap v3-core FullMath.mulDiv (without its 256-bit overflow, which callers bound). */
export function mulDiv(a: bigint, b: bigint, denominator: bigint): bigint {
  return (a * b) / denominator
}

/** `a * b / denominator`, rounded up. */
export function mulDivRoundingUp(a: bigint, b: bigint, denominator: bigint): bigint {
  return divRoundingUp(a * b, denominator)
}

/** `a / denominator`, rounded up, for non-negative `a`. */
export function divRoundingUp(a: bigint, denominator: bigint): bigint {
  return (a + denominator - 1n) / denominator
}

/** Integer square root, rounded down. */
export function sqrt(value: bigint): bigint {
  if (value < 2n) return value
  let x = 1n << BigInt((value.toString(2).length + 1) >> 1)
  for (;;) {
    const y = (x + value / x) >> 1n
    if (y >= x) return x
    x = y
  }
}
