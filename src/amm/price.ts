/**
 * Marginal prices and depth of pools in floating point: for screening, sizing and display, never for amounts
 * that are sent.
 */
import type { Pool } from './pool.ts'
import type { StablePool } from './stable.ts'
import type { Address } from './types.ts'

/**
 * Smallest units of `tokenOut` per smallest unit of `tokenIn` at the margin, before fee; 0 for an empty pool.
 */
export function spotPrice(pool: Pool, tokenIn: Address, tokenOut: Address): number {
  if (pool.kind === 'concentrated') {
    const price = (Number(pool.sqrtPriceX96) / 2 ** 96) ** 2
    return tokenIn === pool.tokens[0] ? price : price > 0 ? 1 / price : 0
  }
  const [reserveIn, reserveOut] = virtualReserves(pool, tokenIn, tokenOut)
  return reserveIn > 0 ? reserveOut / reserveIn : 0
}

/**
 * Reserves of the constant-product pool with the same price and depth at the margin, in smallest units of the
 * two tokens.
 */
export function virtualReserves(
  pool: Pool,
  tokenIn: Address,
  tokenOut: Address,
): [reserveIn: number, reserveOut: number] {
  const [i, o] = [pool.tokens.indexOf(tokenIn), pool.tokens.indexOf(tokenOut)]
  switch (pool.kind) {
    case 'constant-product':
      return [Number(pool.reserves[i as 0 | 1]), Number(pool.reserves[o as 0 | 1])]
    case 'concentrated': {
      const root = Number(pool.sqrtPriceX96) / 2 ** 96
      const liquidity = Number(pool.liquidity)
      return i === 0 ? [liquidity / root, liquidity * root] : [liquidity * root, liquidity / root]
    }
    case 'weighted': {
      const [weightIn, weightOut] = [Number(pool.weights[i]), Number(pool.weights[o])]
      const pair = weightIn + weightOut
      return [
        (Number(pool.balances[i]) * pair) / (2 * weightIn),
        (Number(pool.balances[o]) * pair) / (2 * weightOut),
      ]
    }
    case 'stable': {
      const { balances, scales, amp, invariant } = stableFloats(pool)
      const [x, y] = [balances[i] as number, balances[o] as number]
      if (!(x > 0 && y > 0)) return [0, 0]
      const carried = balances.reduce(
        (product, balance) => (product * invariant) / (balance * balances.length),
        invariant,
      )
      const price = (amp + carried / x) / (amp + carried / y)
      // Depth of the product of the two balances: a lower bound, as amplification adds depth.
      const depth = Math.sqrt((x * y) / price)
      return [depth / (scales[i] as number), (depth * price) / (scales[o] as number)]
    }
  }
}

/**
 * A stable pool in floating point: balances scaled to 18 decimals, scaling factors (1 for 18 decimals),
 * amplification times n, invariant D.
 */
export function stableFloats(pool: StablePool): {
  balances: number[]
  scales: number[]
  amp: number
  invariant: number
} {
  const scales = pool.scalingFactors.map((factor) => Number(factor) / 1e18)
  const balances = pool.balances.map((balance, index) => Number(balance) * (scales[index] as number))
  const n = balances.length
  const amp = (Number(pool.amp) / 1_000) * n
  const sum = balances.reduce((total, balance) => total + balance, 0)
  let invariant = sum
  for (let round = 0; round < 64; round++) {
    const product = balances.reduce((carried, balance) => (carried * invariant) / (balance * n), invariant)
    const next = ((amp * sum + product * n) * invariant) / ((amp - 1) * invariant + (n + 1) * product)
    const done = Math.abs(next - invariant) <= 1e-15 * next
    invariant = next
    if (done) break
  }
  return { balances, scales, amp, invariant }
}
