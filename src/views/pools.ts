/** Pools as they are shown: who they are, what they hold, how deep they are, how they change. */
import * as z from 'zod'
import { type Address, type ConcentratedPool, feeFraction, type Pool } from '../amm/index.ts'
import { holdingsOf, impactCurve, inputWithin, tickRanges, valueHeld } from '../engine/market/depth.ts'
import type { PoolValueChange } from '../engine/market/depth-history.ts'
import type { Token } from '../graph/index.ts'
import { type Page, paged, paginate, pool, rounded, tokenAmount } from '../mcp/fields.ts'
import type { MarketView } from '../ports/market.ts'
import { view } from './view.ts'

const value = () => z.number().describe('what the pool holds at the price, in whole quote tokens')

/** One pool in a list. */
export const poolSummary = view(
  z.object({
    pool: pool(),
    dex: z.string(),
    kind: z.string(),
    tokens: z.array(z.string()).describe('symbols'),
    value: value(),
  }),
  (each: Pool, market: MarketView) => ({
    pool: each.address,
    dex: each.dex,
    kind: each.kind,
    tokens: each.tokens.map((token) => market.symbol(token)),
    value: rounded(valueHeld(market, each.address)),
  }),
)

/** One pool in a list, with its fee. */
export const poolWithFee = view(
  z.object({ ...poolSummary.schema.shape, feePercent: z.number() }),
  (each: Pool, market: MarketView) => ({
    ...poolSummary.of(each, market),
    feePercent: rounded(100 * feeFraction(each)),
  }),
)

/** An exchange: its pools together. */
export const exchange = view(
  z.object({
    dex: z.string(),
    pools: z.int(),
    kinds: z.array(z.string()).describe('of its pools; with the engine where there are several'),
    value: z.number().describe('what its pools hold at the price, in whole quote tokens'),
  }),
  (dex: string, pools: readonly Pool[], market: MarketView) => ({
    dex,
    pools: pools.length,
    kinds: [...new Set(pools.map(kindOf))],
    value: rounded(pools.reduce((sum, each) => sum + valueHeld(market, each.address), 0)),
  }),
)

const kindOf = (each: Pool) =>
  each.kind === 'concentrated' && each.engine ? `${each.kind} (${each.engine})` : each.kind

/** What one pool holds of a token. */
const poolHolding = view(
  z.object({ pool: pool(), dex: z.string(), kind: z.string(), held: tokenAmount() }),
  ({ pool: each, held }: { pool: Pool; held: bigint }, token: Address, market: MarketView) => ({
    pool: each.address,
    dex: each.dex,
    kind: each.kind,
    held: market.amount(token, held),
  }),
)

/** How much of a token all pools hold near the price, and what each holds, largest first. */
export const tokenLiquidity = view(
  z.object({
    token: z.string().describe('symbol'),
    held: tokenAmount(),
    value: z.number().nullable().describe('in whole quote tokens; null without a price'),
    ...paged('pools', poolHolding.schema),
  }),
  ({ address, symbol }: Token, paging: Page, market: MarketView) => {
    const holdings = holdingsOf(market, address)
    const sum = holdings.reduce((total, { held }) => total + held, 0n)
    const value = market.worth(address, sum)
    const shown = holdings.map((holding) => poolHolding.of(holding, address, market))
    return {
      token: symbol,
      held: market.amount(address, sum),
      value: value === undefined ? null : rounded(value),
      ...paginate('pools', shown, paging),
    }
  },
)

/** How much goes into a pool, in each direction, within given price impacts. */
export const poolDepth = view(
  z.object({
    ...poolSummary.schema.shape,
    depth: z.array(
      z.object({
        tokenIn: z.string(),
        tokenOut: z.string(),
        within: z.array(
          z.object({ basisPoints: z.int().describe('price impact, fee excluded'), amountIn: tokenAmount() }),
        ),
      }),
    ),
  }),
  (each: Pool, market: MarketView, basisPoints: readonly number[]) => ({
    ...poolSummary.of(each, market),
    depth: each.tokens.flatMap((from) =>
      each.tokens
        .filter((to) => to !== from)
        .map((to) => ({
          tokenIn: market.symbol(from),
          tokenOut: market.symbol(to),
          within: basisPoints.map((points) => ({
            basisPoints: points,
            amountIn: market.amount(from, inputWithin(each, from, to, points)),
          })),
        })),
    ),
  }),
)

/** What orders of growing size get from a pool. */
export const poolImpact = view(
  z.object({
    pool: pool(),
    tokenIn: z.string(),
    tokenOut: z.string(),
    points: z.array(
      z.object({
        amountIn: tokenAmount(),
        amountOut: tokenAmount(),
        impactPercent: z.number().describe('below the price before the order, fee included'),
      }),
    ),
  }),
  (each: Pool, market: MarketView, from: Address, to: Address, points: number) => ({
    pool: each.address,
    tokenIn: market.symbol(from),
    tokenOut: market.symbol(to),
    points: impactCurve(each, from, to, points).map(({ amountIn, amountOut, impact }) => ({
      amountIn: market.amount(from, amountIn),
      amountOut: market.amount(to, amountOut),
      impactPercent: rounded(impact * 100),
    })),
  }),
)

/** The liquidity of a concentrated pool by tick. */
export const tickDistribution = view(
  z.object({
    pool: pool(),
    tick: z.int().describe('the current tick'),
    tickSpacing: z.int().describe('ticks between two usable ticks'),
    price: z.number().describe('whole token1 per whole token0'),
    ranges: z.array(
      z.object({
        from: z.int().describe('tick'),
        to: z.int().describe('tick'),
        priceFrom: z.number().describe('whole token1 per whole token0'),
        priceTo: z.number().describe('whole token1 per whole token0'),
        liquidity: z.string().describe('L, in sqrt(token0 * token1) smallest units'),
        active: z.boolean(),
      }),
    ),
    total: z.int().describe('how many ranges the pool has; those nearest the price are listed'),
  }),
  (each: ConcentratedPool, market: MarketView, limit: number) => {
    const [decimals0, decimals1] = each.tokens.map((token) => market.token(token).decimals) as [
      number,
      number,
    ]
    const { price, ranges } = tickRanges(each, decimals0 - decimals1)
    // The ranges nearest the price, where there are too many.
    const middle = ranges.findIndex(({ active }) => active)
    const first = Math.max(0, Math.min(ranges.length - limit, middle - (limit >> 1)))
    return {
      pool: each.address,
      tick: each.tick,
      tickSpacing: each.tickSpacing,
      price: rounded(price),
      ranges: ranges.slice(first, first + limit).map(({ liquidity, priceFrom, priceTo, ...range }) => ({
        ...range,
        priceFrom: rounded(priceFrom),
        priceTo: rounded(priceTo),
        liquidity: String(liquidity),
      })),
      total: ranges.length,
    }
  },
)

/** A pool whose value changed over some blocks. */
export const poolChange = view(
  z.object({
    pool: pool(),
    dex: z.string(),
    before: value(),
    after: value(),
    changePercent: z.number().nullable().describe('null where it held nothing before'),
  }),
  ({ pool: address, before, after }: PoolValueChange, market: MarketView) => ({
    pool: address,
    dex: market.descriptor(address)?.dex ?? '',
    before: rounded(before),
    after: rounded(after),
    changePercent: before > 0 ? rounded(100 * (after / before - 1)) : null,
  }),
)
