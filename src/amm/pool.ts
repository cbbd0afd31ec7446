/** The one view of a liquidity pool that the rest of the system has: plain data, and functions over it. */
import { type ConcentratedPool, swapConcentrated, swapFeePips } from './concentrated.ts'
import { type ConstantProductPool, swapConstantProduct } from './constant-product.ts'
import { type StablePool, swapStable } from './stable.ts'
import { swapWeighted, type WeightedPool } from './weighted.ts'

/** A contract or account address in lower case with 0x. */
export type Address = `0x${string}`

/** What all kinds of pool have. Amounts are in the tokens' smallest units; tokens ascend, as on chain. */
export interface PoolIdentity {
  /** The pool's contract; for a Uniswap V4 pool, which has none, the first 20 bytes of its id. */
  readonly address: Address
  /** The exchange it belongs to, for people: `quickswap`, `uniswap_v3`, ... */
  readonly dex: string
  /** Two, or up to eight in weighted and stable pools. */
  readonly tokens: readonly Address[]
}

export type Pool = ConstantProductPool | ConcentratedPool | WeightedPool | StablePool
export type PoolKind = Pool['kind']

/** Why a pool will not make a swap; the contract would revert or fill it in part. */
export type Refusal =
  | 'zero-amount'
  | 'no-liquidity'
  | 'amount-too-large'
  | 'zero-output'
  | 'beyond-known-ticks'
  | 'unknown-token'

export interface Swap {
  readonly amountOut: bigint
  /** The pool as the swap leaves it. */
  readonly after: Pool
}

export type SwapResult =
  | { readonly ok: true; readonly swap: Swap }
  | { readonly ok: false; readonly refusal: Refusal }

/** Exact-input swap of `amountIn` of `tokenIn` into `tokenOut`, to the unit as the contract makes it. */
export function swapExactIn(pool: Pool, tokenIn: Address, tokenOut: Address, amountIn: bigint): SwapResult {
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

/** The amount out of `swapExactIn`, or `undefined` where the pool refuses. */
export function quoteExactIn(
  pool: Pool,
  tokenIn: Address,
  tokenOut: Address,
  amountIn: bigint,
): bigint | undefined {
  const result = swapExactIn(pool, tokenIn, tokenOut, amountIn)
  return result.ok ? result.swap.amountOut : undefined
}

/** The pool's fee for swaps of a token (its first, where none is named), as a fraction of the amount in (0.003 for 0.3 %). */
export function feeFraction(pool: Pool, tokenIn: Address | undefined = pool.tokens[0]): number {
  if (pool.kind === 'constant-product') return pool.feeBps / 10_000
  return pool.kind === 'concentrated'
    ? swapFeePips(pool, tokenIn === pool.tokens[0]) / 1_000_000
    : Number(pool.swapFee) / 1e18
}

/** Whether what the pool holds is kept by Balancer's vault. */
export const inVault = (pool: { readonly kind: PoolKind }): boolean =>
  pool.kind === 'weighted' || pool.kind === 'stable'
