/** The one view of a liquidity pool that the rest of the system has: plain data, and functions over it. */
import { type ConcentratedPool, swapConcentrated } from './concentrated.ts'
import { type ConstantProductPool, swapConstantProduct } from './constant-product.ts'

/** A contract or account address in lower case with 0x. */
export type Address = `0x${string}`

/** What all kinds of pool have. Amounts are in the tokens' smallest units; `tokens[0] < tokens[1]` as on chain. */
export interface PoolIdentity {
  readonly address: Address
  /** The exchange it belongs to, for people: `quickswap`, `uniswap_v3`, ... */
  readonly dex: string
  readonly tokens: readonly [Address, Address]
}

export type Pool = ConstantProductPool | ConcentratedPool
export type PoolKind = Pool['kind']

/** Why a pool will not make a swap; the contract would revert or fill it in part. */
export type Refusal = 'zero-amount' | 'no-liquidity' | 'amount-too-large' | 'zero-output' | 'beyond-known-ticks'

export interface Swap {
  readonly amountOut: bigint
  /** The pool as the swap leaves it. */
  readonly after: Pool
}

export type SwapResult = { readonly ok: true; readonly swap: Swap } | { readonly ok: false; readonly refusal: Refusal }

/** Exact-input swap of `amountIn` of token `tokens[0]` (zeroForOne) or `tokens[1]`, to the unit as the contract makes it. */
export function swapExactIn(pool: Pool, zeroForOne: boolean, amountIn: bigint): SwapResult {
  return pool.kind === 'constant-product' ? swapConstantProduct(pool, zeroForOne, amountIn) : swapConcentrated(pool, zeroForOne, amountIn)
}

/** The amount out of `swapExactIn`, or `undefined` where the pool refuses. */
export function quoteExactIn(pool: Pool, zeroForOne: boolean, amountIn: bigint): bigint | undefined {
  const result = swapExactIn(pool, zeroForOne, amountIn)
  return result.ok ? result.swap.amountOut : undefined
}

/** The pool's fee as a fraction of the amount in (0.003 for 0.3 %). */
export function feeFraction(pool: Pool): number {
  return pool.kind === 'constant-product' ? pool.feeBps / 10_000 : pool.feePips / 1_000_000
}

/** Virtual reserves at the current price, for ranking and display only: `[token0, token1]` in smallest units. */
export function virtualReserves(pool: Pool): [number, number] {
  if (pool.kind === 'constant-product') return [Number(pool.reserves[0]), Number(pool.reserves[1])]
  const root = Number(pool.sqrtPriceX96) / 2 ** 96
  const liquidity = Number(pool.liquidity)
  return [liquidity / root, liquidity * root]
}

/** Marginal price of token0 in token1, both in smallest units and before fee; 0 for an empty pool. */
export function spotPrice(pool: Pool): number {
  if (pool.kind === 'concentrated') return (Number(pool.sqrtPriceX96) / 2 ** 96) ** 2
  return pool.reserves[0] === 0n ? 0 : Number(pool.reserves[1]) / Number(pool.reserves[0])
}
