/**
 * Weighted pools (Balancer V2): a swap keeps the product of the balances, each to the power of its weight.
 * Source: v2-pool-weighted WeightedMath._calcOutGivenIn.
 */
import { divDown, divUp, mulDown, mulUp, ONE, powUp } from './log-exp-math.ts'
import type { Address, PoolIdentity, SwapResult } from './types.ts'

/** A weighted pool of Balancer V2. */
export interface WeightedPool extends PoolIdentity {
  readonly kind: 'weighted'
  /** The pool's balances in the vault, in each token's smallest unit. */
  readonly balances: readonly bigint[]
  /** Normalised weights in 1e18; they add up to 1e18. */
  readonly weights: readonly bigint[]
  /** Fee on the amount in, as a fraction in 1e18. */
  readonly swapFee: bigint
  /** Factor that scales each token to 18 decimals, in 1e18: 1e30 for a token of six decimals. */
  readonly scalingFactors: readonly bigint[]
  /**
   * Whether the pool computes powers of 1, 2 and 4 by multiplication, as factories since 2022 do. Otherwise
   * it pays up to 1e-14 less.
   */
  readonly powShortcuts?: boolean
}

/** The vault stores balances in 112 bits; in smallest units. */
export const MAX_VAULT_BALANCE = (1n << 112n) - 1n
/** Maximum input of one swap as a share of the balance, in 1e18. */
const MAX_IN_RATIO = 3n * 10n ** 17n

/** `swapExactIn` of a weighted pool. Throws RangeError where the contract's power function reverts. */
export function swapWeighted(
  pool: WeightedPool,
  tokenIn: Address,
  tokenOut: Address,
  amountIn: bigint,
): SwapResult<WeightedPool> {
  const [i, o] = [pool.tokens.indexOf(tokenIn), pool.tokens.indexOf(tokenOut)]
  if (amountIn <= 0n) return { ok: false, refusal: 'zero-amount' }
  const [scaleIn, scaleOut] = [pool.scalingFactors[i] as bigint, pool.scalingFactors[o] as bigint]
  const balanceIn = mulDown(pool.balances[i] as bigint, scaleIn)
  const balanceOut = mulDown(pool.balances[o] as bigint, scaleOut)
  if (balanceIn === 0n || balanceOut === 0n) return { ok: false, refusal: 'no-liquidity' }
  const net = mulDown(amountIn - mulUp(amountIn, pool.swapFee), scaleIn)
  if (net > mulDown(balanceIn, MAX_IN_RATIO) || (pool.balances[i] as bigint) + amountIn > MAX_VAULT_BALANCE)
    return { ok: false, refusal: 'amount-too-large' }
  const power = powUp(
    divUp(balanceIn, balanceIn + net),
    divDown(pool.weights[i] as bigint, pool.weights[o] as bigint),
    pool.powShortcuts ?? false,
  )
  const amountOut = divDown(mulDown(balanceOut, power < ONE ? ONE - power : 0n), scaleOut)
  if (amountOut === 0n) return { ok: false, refusal: 'zero-output' }
  return {
    ok: true,
    swap: { amountOut, after: { ...pool, balances: exchanged(pool.balances, i, o, amountIn, amountOut) } },
  }
}

/** A copy of `balances` with `amountIn` added at index `i` and `amountOut` subtracted at index `o`. */
export function exchanged(
  balances: readonly bigint[],
  i: number,
  o: number,
  amountIn: bigint,
  amountOut: bigint,
): bigint[] {
  const after = [...balances]
  after[i] = (after[i] as bigint) + amountIn
  after[o] = (after[o] as bigint) - amountOut
  return after
}
