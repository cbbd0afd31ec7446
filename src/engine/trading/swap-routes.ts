/** Routes of swaps over the pools of the present block, with their price impact and slippage. */
import type { Pool } from '../../amm/index.ts'
import { bestRoute, MarketGraph, type Route, type RouteOptions, type Token } from '../../graph/index.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

/** A swap of `amount` (smallest units of `from`). */
export interface SwapRequest extends RouteOptions {
  readonly from: Token
  readonly to: Token
  readonly amount: bigint
}

/**
 * The best route over the pools that `usable` admits. Throws `bad-argument` for the amount 0 and for two
 * equal tokens, `no-route` if no path takes the amount.
 */
export function routeSwap(
  market: MarketView,
  { from, to, amount, maxHops, maxPaths }: SwapRequest,
  usable: (pool: Pool) => boolean = () => true,
): Route {
  if (amount === 0n) throw new KintsugiError('bad-argument', 'amount: expected more than zero (got 0)')
  if (from.address === to.address)
    throw new KintsugiError('bad-argument', `to: expected another token than ${from.symbol}`)
  const graph = new MarketGraph([...market.pools.values()].filter(usable))
  const found = bestRoute(graph, from.address, to.address, amount, { maxHops, maxPaths })
  if (found) return found
  const shown = market.amount(from.address, amount).amount
  throw new KintsugiError('no-route', `no path of at most ${maxHops} pools swaps ${shown} to ${to.symbol}`, {
    hint: 'try a smaller amount or a greater maxHops; list_pools shows which pools trade a token',
  })
}

/**
 * The smallest accepted output of a swap, in smallest units: `slippageBps` basis points below `amountOut`,
 * rounded down.
 */
export const minimumOutput = (amountOut: bigint, slippageBps: number): bigint =>
  (amountOut * BigInt(10_000 - slippageBps)) / 10_000n

/**
 * How far the average price of a route lies below the market price of both tokens, as a fraction; null
 * without a price.
 */
export function priceImpact(
  market: MarketView,
  { from, to }: Pick<SwapRequest, 'from' | 'to'>,
  { amountIn, amountOut }: Pick<Route, 'amountIn' | 'amountOut'>,
): number | null {
  const [rateIn, rateOut] = [market.rate(from.address), market.rate(to.address)]
  return rateIn && rateOut ? 1 - (Number(amountOut) * rateOut) / (Number(amountIn) * rateIn) : null
}

/** Whole output tokens per whole input token. */
export const averagePrice = (
  { from, to }: Pick<SwapRequest, 'from' | 'to'>,
  { amountIn, amountOut }: Pick<Route, 'amountIn' | 'amountOut'>,
): number => (Number(amountOut) / Number(amountIn)) * 10 ** (from.decimals - to.decimals)
