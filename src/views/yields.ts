/**
 * What providing liquidity earns and loses, and where prices differ, as they are shown. Values in whole quote
 * tokens.
 */
import * as z from 'zod'
import { lossPercent, type PositionValue } from '../engine/market/lp-positions.ts'
import type { PoolReturn, PoolYield } from '../engine/market/lp-returns.ts'
import type { PairPrice } from '../engine/market/pair-prices.ts'
import type { PairSpread } from '../engine/market/pair-spreads.ts'
import type { ExchangeTotal, LenderTotal } from '../engine/market/protocols.ts'
import { lender, pool, rounded } from '../mcp/fields.ts'
import type { MarketView } from '../ports/market.ts'
import { roundedPrice } from './pool-prices.ts'
import { view } from './view.ts'

const value = () => z.number().describe('held at the price now, in whole quote tokens')
const volume = () => z.number().describe('traded since the start, in whole quote tokens')
const fees = () => z.number().describe('earned since the start, in whole quote tokens')
const maybeRounded = (number: number | null) => (number === null ? null : rounded(number))

/** An exchange. */
export const exchangeTotal = view(
  z.object({ dex: z.string(), pools: z.int(), value: value(), volume: volume(), fees: fees() }),
  (total: ExchangeTotal) => ({
    ...total,
    value: rounded(total.value),
    volume: rounded(total.volume),
    fees: rounded(total.fees),
  }),
)

/** A lending protocol. */
export const lenderTotal = view(
  z.object({
    kind: lender(),
    tokens: z.int().describe('number of tokens that it lends'),
    value: z.number().describe('that it can lend now, in whole quote tokens'),
  }),
  (total: LenderTotal) => ({ ...total, value: rounded(total.value) }),
)

/** What a pool earned. */
export const poolYield = view(
  z.object({
    pool: pool(),
    dex: z.string(),
    tokens: z.array(z.string()).describe('symbols'),
    value: value(),
    volume: volume(),
    fees: fees(),
    annualPercent: z
      .number()
      .nullable()
      .describe('fees of a year at this rate, of the value; null in the first minute'),
  }),
  ({ pool: each, ...earned }: PoolYield, market: MarketView) => ({
    pool: each.address,
    dex: each.dex,
    tokens: each.tokens.map((token) => market.symbol(token)),
    value: rounded(earned.value),
    volume: rounded(earned.volume),
    fees: rounded(earned.fees),
    annualPercent: maybeRounded(earned.annualPercent),
  }),
)

/** What a full-range share of a pool did against holding. */
export const poolReturn = view(
  z.object({
    ...poolYield.schema.shape,
    windowSeconds: z.number().describe('since the start'),
    feesPercent: z.number().nullable().describe('of the value; null for an empty pool'),
    priceChangePercent: z.number().describe('of the first token in the second'),
    lossAgainstHoldingPercent: z.number().describe('by that price change alone, for a full-range position'),
    netPercent: z.number().nullable().describe('fees less loss; null for an empty pool'),
  }),
  (found: PoolReturn, windowSeconds: number, market: MarketView) => ({
    ...poolYield.of(found, market),
    windowSeconds,
    feesPercent: maybeRounded(found.feesPercent),
    priceChangePercent: rounded(found.priceChangePercent),
    lossAgainstHoldingPercent: rounded(found.lossPercent),
    netPercent: maybeRounded(found.netPercent),
  }),
)

/** A position after a price move. */
export const positionLoss = view(
  z.object({
    lossPercent: z.number().describe('of what holding is worth'),
    valueProviding: z.number().describe('after the move, of a position worth 1 before'),
    valueHolding: z.number().describe('after the move, of tokens worth 1 before'),
  }),
  (position: PositionValue) => ({
    lossPercent: rounded(lossPercent(position)),
    valueProviding: rounded(position.providing),
    valueHolding: rounded(position.holding),
  }),
)

const end = z.object({
  pool: pool(),
  dex: z.string(),
  price: z.number().describe('whole quote tokens per whole base token'),
})
const endOf = ({ pool: each, price }: PairPrice) => ({
  pool: each.address,
  dex: each.dex,
  price: roundedPrice(price),
})

/** A pair with its cheapest and its dearest pool. */
export const pairSpread = view(
  z.object({
    base: z.string().describe('symbol'),
    quote: z.string().describe('symbol'),
    pools: z.int().describe('pools that trade the pair'),
    cheapest: end,
    dearest: end,
    gapPercent: z.number().describe('the dearest above the cheapest'),
    feesPercent: z.number().describe('gap that pays the fees of both pools'),
    pays: z.boolean().describe('whether the gap is wider than the fees'),
  }),
  ({ pools, cheapest, dearest, gapPercent, feesPercent }: PairSpread, market: MarketView) => ({
    base: market.symbol(cheapest.base),
    quote: market.symbol(cheapest.quote),
    pools,
    cheapest: endOf(cheapest),
    dearest: endOf(dearest),
    gapPercent: rounded(gapPercent),
    feesPercent: rounded(feesPercent),
    pays: gapPercent > feesPercent,
  }),
)
