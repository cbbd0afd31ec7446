/** Weighted pools (Balancer V2): the product of balances, each to the power of its weight, is kept. Source: WeightedMath._calcOutGivenIn. */
import { divDown, divUp, mulDown, mulUp, ONE, powUp } from './log-exp-math.ts'
import type { Address, PoolIdentity, SwapResult } from './pool.ts'

export interface WeightedPool extends PoolIdentity {
  readonly kind: 'weighted'
  /** What the vault holds for the pool, in each token's smallest unit. */
  readonly balances: readonly bigint[]
  /** Normalised weights in 1e18; they add up to 1e18. */
  readonly weights: readonly bigint[]
  /** In 1e18, of the amount in. */
  readonly swapFee: bigint
  /** What lifts each token to 18 decimals, in 1e18: 1e30 for a token of six decimals. */
  readonly scalingFactors: readonly bigint[]
  /** Whether the pool computes powers of 1, 2 and 4 by multiplication, as factories since 2022 do. Without, it pays up to 1e-14 less. */
  readonly powShortcuts?: boolean
}

/** The vault keeps balances in 112 bits. */
export const MAX_VAULT_BALANCE = (1n << 112n) - 1n
/** At most this share of a balance may come in at once, in 1e18. */
const MAX_IN_RATIO = 3n * 10n ** 17n

/** See `swapExactIn`. */
export function swapWeighted(
  pool: WeightedPool,
  tokenIn: Address,
  tokenOut: Address,
  amountIn: bigint,
): SwapResult {
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

/** Balances after `amountIn` of token `i` came and `amountOut` of token `o` went. */
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
