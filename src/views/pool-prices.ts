/** Prices in pools as they are shown: of a pair, and of a token against the median of its pools. */
import * as z from 'zod'
import { feeFraction } from '../amm/index.ts'
import type { PoolQuote } from '../arbitrage/index.ts'
import { afterFee, type PairPrice, quotesAgainstMedian } from '../engine/market/pair-prices.ts'
import { humanPrice, humanValue } from '../engine/market/tokens.ts'
import type { Token } from '../graph/index.ts'
import { block, type Page, paged, paginate, pool, rounded } from '../mcp/fields.ts'
import type { MarketView } from '../ports/market.ts'
import { view } from './view.ts'

/** A price without float noise: ten significant digits. */
export const roundedPrice = (price: number): number => rounded(price, 10)

/** The price of a token in one pool against the median. */
export const poolQuote = view(
  z.object({
    pool: pool(),
    dex: z.string(),
    against: z.string().describe('symbol of the token on the other side'),
    price: z.number().describe('whole quote tokens per whole token'),
    depth: z.number().describe('in whole quote tokens'),
    deviationPercent: z.number().describe('above the median; negative below'),
    feePercent: z.number(),
  }),
  (quote: PoolQuote, median: number, token: Token, market: MarketView) => ({
    pool: quote.pool,
    dex: quote.dex,
    against: market.symbol(quote.against),
    price: roundedPrice(humanPrice(market.manifest, token, quote.rate)),
    depth: rounded(humanValue(market.manifest, quote.depth)),
    deviationPercent: rounded(100 * (quote.rate / median - 1)),
    feePercent: rounded(100 * feeFraction(market.pool(quote.pool), token.address)),
  }),
)

/** A pair in a pool: a row of the price table. */
export const priceRow = view(
  z.object({
    pool: pool(),
    dex: z.string(),
    kind: z.string(),
    base: z.string().describe('symbol'),
    quote: z.string().describe('symbol'),
    price: z.number().describe('whole quote tokens per whole base token, before the fee'),
    feePercent: z.number(),
    block: block(),
  }),
  ({ pool: each, base, quote, price }: PairPrice, market: MarketView) => ({
    pool: each.address,
    dex: each.dex,
    kind: each.kind,
    base: market.symbol(base),
    quote: market.symbol(quote),
    price: roundedPrice(price),
    feePercent: rounded(100 * feeFraction(each)),
    block: market.head.number,
  }),
)

/** What one pool pays for a token. */
export const pairOffer = view(
  z.object({
    pool: pool(),
    dex: z.string(),
    price: z.number().describe('whole quote tokens per whole base token'),
    priceAfterFee: z.number().describe('whole quote tokens per whole base token sold'),
  }),
  (pair: PairPrice) => ({
    pool: pair.pool.address,
    dex: pair.pool.dex,
    price: roundedPrice(pair.price),
    priceAfterFee: roundedPrice(afterFee(pair)),
  }),
)

/** The price of a token in each pool, deepest first. */
export const tokenQuotes = view(
  z.object({
    symbol: z.string(),
    quote: z.string().describe('symbol of the quote token'),
    median: z.number().describe('whole quote tokens per whole token'),
    ...paged('prices', poolQuote.schema),
  }),
  (token: Token, paging: Page, market: MarketView) => {
    const { median, quotes } = quotesAgainstMedian(market, token)
    const deepest = quotes.toSorted((a, b) => b.depth - a.depth)
    const shown = deepest.map((quote) => poolQuote.of(quote, median, token, market))
    return {
      symbol: token.symbol,
      quote: market.symbol(market.manifest.numeraire),
      median: roundedPrice(humanPrice(market.manifest, token, median)),
      ...paginate('prices', shown, paging),
    }
  },
)

/** How far the pools of a token disagree, largest distance from the median first. */
export const poolDeviations = view(
  z.object({
    token: z.string().describe('symbol'),
    median: z.number().describe('whole quote tokens per whole token'),
    widestPercent: z.number().describe('the highest price above the lowest'),
    ...paged('pools', poolQuote.schema),
  }),
  (token: Token, paging: Page, market: MarketView) => {
    const { median, quotes } = quotesAgainstMedian(market, token)
    const rates = quotes.map(({ rate }) => rate)
    const widest = rates.length === 0 ? 0 : Math.max(...rates) / Math.min(...rates) - 1
    const pools = quotes
      .map((quote) => poolQuote.of(quote, median, token, market))
      .sort((a, b) => Math.abs(b.deviationPercent) - Math.abs(a.deviationPercent))
    return {
      token: token.symbol,
      median: roundedPrice(humanPrice(market.manifest, token, median)),
      widestPercent: rounded(100 * widest),
      ...paginate('pools', pools, paging),
    }
  },
)
