/**
 * Stable pools (Balancer V2): Curve's StableSwap invariant, for tokens of similar value. Source:
 * v2-pool-stable StableMath._calcOutGivenIn.
 */
import { divRoundingUp } from './full-math.ts'
import { divDown, mulDown, mulUp } from './log-exp-math.ts'
import type { Address, PoolIdentity, SwapResult } from './types.ts'
import { exchanged, MAX_VAULT_BALANCE } from './weighted.ts'

/** A stable pool of Balancer V2. */
export interface StablePool extends PoolIdentity {
  readonly kind: 'stable'
  /** The pool's balances in the vault, in each token's smallest unit. */
  readonly balances: readonly bigint[]
  /** Factor that scales each token to 18 decimals and to the common value, in 1e18. */
  readonly scalingFactors: readonly bigint[]
  /** Amplification coefficient times 1000. */
  readonly amp: bigint
  /** Fee on the amount in, as a fraction in 1e18. */
  readonly swapFee: bigint
  /** How the pool's contract rounds its invariant: factories of 2021 up, later ones down. Default: down. */
  readonly invariantRounding?: 'up' | 'down'
}

const AMP_PRECISION = 1_000n
const MAX_ROUNDS = 255

const near = (a: bigint, b: bigint) => a - b <= 1n && b - a <= 1n

/**
 * The invariant D of balances scaled to 18 decimals; `amp` is the amplification times 1000. `undefined` if
 * the contract's iteration would not converge. Source: StableMath._calculateInvariant.
 */
export function stableInvariant(
  amp: bigint,
  balances: readonly bigint[],
  rounding: 'up' | 'down',
): bigint | undefined {
  const n = BigInt(balances.length)
  const sum = balances.reduce((total, balance) => total + balance, 0n)
  if (sum === 0n) return 0n
  const ampTimesTotal = amp * n
  const div = rounding === 'up' ? divRoundingUp : (a: bigint, b: bigint) => a / b
  let invariant = sum
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const previous = invariant
    if (rounding === 'up') {
      // The contract of 2021 carries n^n P / D^(n-1) ...
      const product = balances
        .slice(1)
        .reduce((carried, balance) => div(carried * balance * n, invariant), (balances[0] as bigint) * n)
      invariant = div(
        n * invariant * invariant + div(ampTimesTotal * sum * product, AMP_PRECISION),
        (n + 1n) * invariant + ((ampTimesTotal - AMP_PRECISION) * product) / AMP_PRECISION,
      )
    } else {
      // ... the later one D^(n+1) / (n^n P).
      const product = balances.reduce((carried, balance) => (carried * invariant) / (balance * n), invariant)
      invariant =
        (((ampTimesTotal * sum) / AMP_PRECISION + product * n) * invariant) /
        (((ampTimesTotal - AMP_PRECISION) * invariant) / AMP_PRECISION + (n + 1n) * product)
    }
    if (near(invariant, previous)) return invariant
  }
  return undefined
}

/**
 * The balance of token `index` that keeps `invariant`, given all the others; `undefined` if the iteration
 * would not converge. Source: StableMath._getTokenBalanceGivenInvariantAndAllOtherBalances.
 */
function balanceFor(
  amp: bigint,
  balances: readonly bigint[],
  invariant: bigint,
  index: number,
): bigint | undefined {
  const n = BigInt(balances.length)
  const ampTimesTotal = amp * n
  let product = (balances[0] as bigint) * n
  let sum = balances[0] as bigint
  for (const balance of balances.slice(1)) {
    product = (product * balance * n) / invariant
    sum += balance
  }
  if (product === 0n) return undefined
  sum -= balances[index] as bigint
  const square = invariant * invariant
  const c = divRoundingUp(square, ampTimesTotal * product) * AMP_PRECISION * (balances[index] as bigint)
  const b = sum + (invariant / ampTimesTotal) * AMP_PRECISION
  let balance = divRoundingUp(square + c, invariant + b)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const previous = balance
    balance = divRoundingUp(balance * balance + c, 2n * balance + b - invariant)
    if (near(balance, previous)) return balance
  }
  return undefined
}

/** `swapExactIn` of a stable pool. */
export function swapStable(
  pool: StablePool,
  tokenIn: Address,
  tokenOut: Address,
  amountIn: bigint,
): SwapResult<StablePool> {
  const [i, o] = [pool.tokens.indexOf(tokenIn), pool.tokens.indexOf(tokenOut)]
  if (amountIn <= 0n) return { ok: false, refusal: 'zero-amount' }
  const balances = pool.balances.map((balance, index) =>
    mulDown(balance, pool.scalingFactors[index] as bigint),
  )
  if (balances.some((balance) => balance === 0n)) return { ok: false, refusal: 'no-liquidity' }
  if ((pool.balances[i] as bigint) + amountIn > MAX_VAULT_BALANCE)
    return { ok: false, refusal: 'amount-too-large' }
  const net = mulDown(amountIn - mulUp(amountIn, pool.swapFee), pool.scalingFactors[i] as bigint)
  const invariant = stableInvariant(pool.amp, balances, pool.invariantRounding ?? 'down')
  if (invariant === undefined) return { ok: false, refusal: 'no-liquidity' }
  const before = balances[o] as bigint
  balances[i] = (balances[i] as bigint) + net
  const after = balanceFor(pool.amp, balances, invariant, o)
  if (after === undefined || after + 1n > before)
    return { ok: false, refusal: after === undefined ? 'no-liquidity' : 'zero-output' }
  const amountOut = divDown(before - after - 1n, pool.scalingFactors[o] as bigint)
  if (amountOut === 0n) return { ok: false, refusal: 'zero-output' }
  return {
    ok: true,
    swap: { amountOut, after: { ...pool, balances: exchanged(pool.balances, i, o, amountIn, amountOut) } },
  }
}
