/**
 * One robust price per token: the depth-weighted median over pools, checked against the oracle where there is
 * one.
 */
import * as z from 'zod'
import { recordPricesEachBlock } from '../../engine/market/price-history.ts'
import { oraclePrices } from '../../engine/market/price-oracle.ts'
import { defineServer } from '../../mcp/define.ts'
import { page, paged, paginate, token } from '../../mcp/fields.ts'
import { listedToken, priceHistory, priceValidation, tokenPrice } from '../../views/prices.ts'

/** Points that a call reads from the ledger at most. */
const MAX_POINTS = 5_000

export default defineServer({
  id: 'mcp_price_feed_server',
  needs: ['market', 'ledger', 'chain'],
  singleton: true,
  state: ({ market, ledger }, { log, now }) => recordPricesEachBlock(market, ledger, now, log),
  tools: ({ read }) => ({
    price_query: read({
      description:
        'The price of one token now: the depth-weighted median over all pools that trade it, with confidence and age. Use it for a single trustworthy price; fetch_price of real_time_price_mcp_server has the price of each pool.',
      keywords: 'what is ETH worth, value of a token, current price in dollars, how much is one token',
      input: { symbol: token() },
      output: tokenPrice.schema,
      examples: [{ symbol: 'ETH' }],
      refusals: [[{ symbol: 'NOPE' }, 'unknown-symbol']],
      run: ({ symbol }, { market, now }) => tokenPrice.of(market.token(symbol), market, now()),
    }),
    price_history: read({
      description:
        'Past prices of one token as this system saw them, from the ledger: first and last price, the change, and the points, newest first, one per block with a change. Of more than 5,000 points the newest count.',
      keywords: 'how did the price develop, candles, ohlc, chart, last hour, largest move',
      input: {
        token: token(),
        minutes: z.int().min(1).max(43_200).default(60).describe('how far back, in minutes'),
        ...page(MAX_POINTS, 20),
      },
      output: priceHistory.schema,
      examples: [{ token: 'WETH', minutes: 5 }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: async ({ token: text, minutes, ...paging }, { market, ledger, now }) => {
        const token = market.token(text)
        const since = now() - minutes * 60_000
        const points = await ledger.priceHistory({ symbol: token.symbol, since, limit: MAX_POINTS })
        return priceHistory.of(token, points, paging, market)
      },
    }),
    list_symbols: read({
      description:
        'Every token that this market knows, with its address, decimals and price where it has one.',
      keywords: 'which tokens do you know, tokens of this market, known or supported symbols, addresses',
      input: {
        search: z.string().max(64).default('').describe('only symbols that contain this'),
        ...page(1_000, 20),
      },
      output: paged('symbols', listedToken.schema),
      examples: [{ limit: 10 }],
      run: ({ search, ...paging }, { market }) => {
        const wanted = search.toLowerCase()
        const found = market.manifest.tokens.filter(({ symbol }) => symbol.toLowerCase().includes(wanted))
        const shown = found.map((each) => listedToken.of(each, market))
        return paginate('symbols', shown, paging)
      },
    }),
    validate_price_feed: read({
      description:
        'Checks one price: its distance from the oracle, its age, and the distance of each pool from the median, deepest pool first. Answers whether the price is valid, and the reasons if it is not.',
      keywords: 'are prices stale, can the feed be trusted, check the oracle',
      input: {
        token: token(),
        maxDeviationPercent: z
          .number()
          .positive()
          .max(100)
          .default(5)
          .describe('largest accepted distance from the oracle'),
        maxAgeMs: z.int().positive().default(10_000),
        ...page(200, 10),
      },
      output: priceValidation.schema,
      examples: [{ token: 'WBTC' }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: async ({ token: text, maxDeviationPercent, maxAgeMs, ...paging }, { market, chain, now }) => {
        const { aave, numeraire } = market.manifest
        const token = market.token(text)
        const [price, quote] = aave ? await oraclePrices(chain, aave.oracle, [token.address, numeraire]) : []
        const options = { limits: { maxDeviationPercent, maxAgeMs }, paging, now: now() }
        return priceValidation.of(token, { token: price, quote }, options, market)
      },
    }),
  }),
})
