/**
 * Constant-product pools (Uniswap V2 and its forks): x * y = k with a fee on the input. Source: v2-core
 * UniswapV2Pair.swap.
 */
import type { Address, PoolIdentity, SwapResult } from './types.ts'

/** A Uniswap V2 pair or a pair of a fork. */
export interface ConstantProductPool extends PoolIdentity {
  readonly kind: 'constant-product'
  readonly tokens: readonly [Address, Address]
  /** Reserves as the pair stores them (uint112), in smallest units. */
  readonly reserves: readonly [bigint, bigint]
  /** Fee on the amount in, in basis points: 30 is 0.3 %. */
  readonly feeBps: number
}

const BPS = 10_000n
const MAX_RESERVE = (1n << 112n) - 1n

/**
 * The maximum amount out that the pair's invariant allows for `amountIn`, all in smallest units. Source:
 * v2-periphery UniswapV2Library.getAmountOut.
 */
export function constantProductOut(
  amountIn: bigint,
  reserveIn: bigint,
  reserveOut: bigint,
  feeBps: number,
): bigint {
  const withFee = amountIn * (BPS - BigInt(feeBps))
  return (withFee * reserveOut) / (reserveIn * BPS + withFee)
}

/**
 * `swapExactIn` of a pair; `zeroForOne` sells the first token. Refuses reserves above uint112, as the pair
 * does.
 */
export function swapConstantProduct(
  pool: ConstantProductPool,
  zeroForOne: boolean,
  amountIn: bigint,
): SwapResult<ConstantProductPool> {
  if (amountIn <= 0n) return { ok: false, refusal: 'zero-amount' }
  const [reserve0, reserve1] = pool.reserves
  const [reserveIn, reserveOut] = zeroForOne ? [reserve0, reserve1] : [reserve1, reserve0]
  if (reserveIn === 0n || reserveOut === 0n) return { ok: false, refusal: 'no-liquidity' }
  if (reserveIn + amountIn > MAX_RESERVE) return { ok: false, refusal: 'amount-too-large' }
  const amountOut = constantProductOut(amountIn, reserveIn, reserveOut, pool.feeBps)
  if (amountOut === 0n) return { ok: false, refusal: 'zero-output' }
  const reserves: [bigint, bigint] = zeroForOne
    ? [reserve0 + amountIn, reserve1 - amountOut]
    : [reserve0 - amountOut, reserve1 + amountIn]
  return { ok: true, swap: { amountOut, after: { ...pool, reserves } } }
}
