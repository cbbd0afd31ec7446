/** Prices of tokens as they are shown: now, in the past, and checked against an oracle. */
import * as z from 'zod'
import { quotesAgainstMedian } from '../engine/market/pair-prices.ts'
import {
  type PriceLimits,
  priceConfidence,
  priceFaults,
  tokenPriceOf,
} from '../engine/market/price-quality.ts'
import { humanPrice, humanValue } from '../engine/market/tokens.ts'
import type { Token } from '../graph/index.ts'
import { address, at, block, type Page, paged, paginate, rounded, time } from '../mcp/fields.ts'
import type { PricePoint } from '../ports/ledger.ts'
import type { MarketView } from '../ports/market.ts'
import { poolQuote, roundedPrice } from './pool-prices.ts'
import { view } from './view.ts'

/** The block and the age of what an answer is computed from. */
export const observation = view(
  z.object({ block: block(), ...time('observedAt') }),
  (market: MarketView) => ({ block: market.head.number, ...at('observedAt', market.observedAt) }),
)

/** The price of a token: the median over its pools, with the reasons to rely on it. */
export const tokenPrice = view(
  z.object({
    symbol: z.string(),
    address: address(),
    price: z.number().describe('whole quote tokens per whole token'),
    quote: z.string().describe('symbol of the quote token'),
    confidence: z.number().min(0).max(1).describe('1: many deep pools agree; 0: pools disagree'),
    pools: z.int().describe('pools in the median'),
    depth: z.number().describe('depth of these pools, in whole quote tokens'),
    dispersionPercent: z.number().describe('depth-weighted mean deviation of the pools from the median'),
    ...observation.schema.shape,
    ageMs: z.int().describe('since the chain confirmed it'),
  }),
  (token: Token, market: MarketView, now: number) => {
    const { manifest } = market
    const found = tokenPriceOf(market, token)
    return {
      symbol: token.symbol,
      address: token.address,
      price: roundedPrice(humanPrice(manifest, token, found.rate)),
      quote: market.symbol(manifest.numeraire),
      confidence: token.address === manifest.numeraire ? 1 : rounded(priceConfidence(found)),
      pools: found.pools,
      depth: rounded(humanValue(manifest, found.depth)),
      dispersionPercent: rounded(found.dispersion * 100),
      ...observation.of(market),
      ageMs: Math.max(0, now - market.observedAt),
    }
  },
)

/** A token of this market in a list. */
export const listedToken = view(
  z.object({
    symbol: z.string(),
    address: address(),
    decimals: z.int(),
    price: z.number().nullable().describe('whole quote tokens per whole token; null without a price'),
    pools: z.int().describe('pools in the price'),
  }),
  (token: Token, market: MarketView) => {
    const found = market.prices().get(token.address)
    return {
      ...token,
      price: found ? roundedPrice(humanPrice(market.manifest, token, found.rate)) : null,
      pools: found?.pools ?? 0,
    }
  },
)

/** A past price. */
const pricePoint = view(
  z.object({
    ...time('at'),
    block: block(),
    price: z.number().describe('whole quote tokens per whole token'),
  }),
  (point: PricePoint) => ({ ...at('at', point.at), block: point.block, price: roundedPrice(point.price) }),
)

/** Past prices of a token, oldest first in `points`, newest first in the answer. */
export const priceHistory = view(
  z.object({
    symbol: z.string(),
    quote: z.string().describe('symbol of the quote token'),
    first: pricePoint.schema.nullable().describe('the oldest of all points; null without points'),
    last: pricePoint.schema.nullable().describe('the newest of all points; null without points'),
    changePercent: z.number().nullable().describe('from first to last; null without points'),
    ...paged('points', pricePoint.schema),
  }),
  ({ symbol }: Token, points: readonly PricePoint[], paging: Page, market: MarketView) => {
    const shown = points.map((point) => pricePoint.of(point)).reverse()
    const [first, last] = [shown.at(-1) ?? null, shown[0] ?? null]
    return {
      symbol,
      quote: market.symbol(market.manifest.numeraire),
      first,
      last,
      changePercent: first && last ? rounded(100 * (last.price / first.price - 1)) : null,
      ...paginate('points', shown, paging),
    }
  },
)

/**
 * Prices of an oracle in US dollars per whole token: of the token and of the quote token; undefined where it
 * has none.
 */
export interface OraclePrices {
  readonly token: number | undefined
  readonly quote: number | undefined
}

/** The check of a price against limits, an oracle and its own pools. */
export const priceValidation = view(
  z.object({
    symbol: z.string(),
    valid: z.boolean(),
    reasons: z.array(z.string()).describe('why it is not valid'),
    price: z.number().describe('whole quote tokens per whole token'),
    confidence: tokenPrice.schema.shape.confidence,
    oraclePrice: z.number().nullable().describe('US dollars per whole token; null without an oracle'),
    oracleDeviationPercent: z
      .number()
      .nullable()
      .describe("the price above the oracle's, both in quote tokens; negative below"),
    ageMs: z.int(),
    ...paged('sources', poolQuote.schema),
  }),
  (
    token: Token,
    oracle: OraclePrices,
    { limits, paging, now }: { limits: PriceLimits; paging: Page; now: number },
    market: MarketView,
  ) => {
    const { symbol, price, confidence, ageMs } = tokenPrice.of(token, market, now)
    const oracleDeviationPercent =
      oracle.token && oracle.quote ? rounded(100 * (price / (oracle.token / oracle.quote) - 1)) : null
    const { failure } = market
    const reasons = priceFaults({ ageMs, confidence, oracleDeviationPercent, failure }, limits)
    const { median, quotes } = quotesAgainstMedian(market, token)
    const sources = quotes
      .map((quote) => poolQuote.of(quote, median, token, market))
      .sort((a, b) => b.depth - a.depth)
    return {
      symbol,
      valid: reasons.length === 0,
      reasons,
      price,
      confidence,
      oraclePrice: oracle.token ?? null,
      oracleDeviationPercent,
      ageMs,
      ...paginate('sources', sources, paging),
    }
  },
)
