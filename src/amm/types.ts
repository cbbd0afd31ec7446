/**
 * Types that all kinds of pool share. This file imports nothing, so that the kinds and their union form no
 * cycle.
 */

/** A contract or account address: `0x` and 40 hexadecimal digits in lower case. */
export type Address = `0x${string}`

/**
 * Fields of every kind of pool. Amounts are in the tokens' smallest units; tokens ascend by address, as on
 * chain.
 */
export interface PoolIdentity {
  /** The pool's contract. A Uniswap V4 pool has none: the first 20 bytes of its id. */
  readonly address: Address
  /** The exchange that the pool belongs to, for display: `quickswap`, `uniswap_v3`, ... */
  readonly dex: string
  /** Two tokens, or up to eight in weighted and stable pools. */
  readonly tokens: readonly Address[]
}

/** Why a pool refuses a swap; its contract would revert or fill the swap in part. */
export type Refusal =
  | 'zero-amount'
  | 'no-liquidity'
  | 'amount-too-large'
  | 'zero-output'
  | 'beyond-known-ticks'
  | 'unknown-token'

/** An exact-input swap of a pool of type `P`. */
export interface Swap<P extends PoolIdentity> {
  /** In the smallest unit of the token out. */
  readonly amountOut: bigint
  /** The pool after the swap. */
  readonly after: P
}

/** The swap, or the reason for its refusal. */
export type SwapResult<P extends PoolIdentity> =
  | { readonly ok: true; readonly swap: Swap<P> }
  | { readonly ok: false; readonly refusal: Refusal }
