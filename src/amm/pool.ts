/** Liquidity pools as plain data, and the functions that work on every kind. */
import { type ConcentratedPool, swapConcentrated, swapFeePips } from './concentrated.ts'
import { type ConstantProductPool, swapConstantProduct } from './constant-product.ts'
import { type StablePool, swapStable } from './stable.ts'
import type { Address, SwapResult } from './types.ts'
import { swapWeighted, type WeightedPool } from './weighted.ts'

/** A liquidity pool of any kind; `kind` discriminates. Plain data: a swap returns a new pool. */
export type Pool = ConstantProductPool | ConcentratedPool | WeightedPool | StablePool
/** The pool models that the exact mathematics covers. */
export type PoolKind = Pool['kind']

/**
 * Exact-input swap of `amountIn` (smallest unit of `tokenIn`) into `tokenOut`; equals the contract's result
 * to the unit. Source of each kind: the file of its name. Weighted pools throw RangeError where the
 * contract's power function reverts.
 */
export function swapExactIn(
  pool: Pool,
  tokenIn: Address,
  tokenOut: Address,
  amountIn: bigint,
): SwapResult<Pool> {
  if (tokenIn === tokenOut || !pool.tokens.includes(tokenIn) || !pool.tokens.includes(tokenOut))
    return { ok: false, refusal: 'unknown-token' }
  switch (pool.kind) {
    case 'constant-product':
      return swapConstantProduct(pool, tokenIn === pool.tokens[0], amountIn)
    case 'concentrated':
      return swapConcentrated(pool, tokenIn === pool.tokens[0], amountIn)
    case 'weighted':
      return swapWeighted(pool, tokenIn, tokenOut, amountIn)
    case 'stable':
      return swapStable(pool, tokenIn, tokenOut, amountIn)
  }
}

/** The amount out of `swapExactIn` in the smallest unit of `tokenOut`; `undefined` if the pool refuses. */
export function quoteExactIn(
  pool: Pool,
  tokenIn: Address,
  tokenOut: Address,
  amountIn: bigint,
): bigint | undefined {
  const result = swapExactIn(pool, tokenIn, tokenOut, amountIn)
  return result.ok ? result.swap.amountOut : undefined
}

/**
 * The pool's fee for swaps of `tokenIn` (default: its first token) as a fraction of the amount in: 0.003 is
 * 0.3 %.
 */
export function feeFraction(pool: Pool, tokenIn: Address | undefined = pool.tokens[0]): number {
  if (pool.kind === 'constant-product') return pool.feeBps / 10_000
  return pool.kind === 'concentrated'
    ? swapFeePips(pool, tokenIn === pool.tokens[0]) / 1_000_000
    : Number(pool.swapFee) / 1e18
}

/** Whether Balancer's vault holds the pool's tokens. */
export const inVault = (pool: { readonly kind: PoolKind }): boolean =>
  pool.kind === 'weighted' || pool.kind === 'stable'
