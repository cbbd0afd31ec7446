/** Prices as a stream: one row per pool and pair, as they change with each block. */
import * as z from 'zod'
import type { Pool } from '../../amm/index.ts'
import { offersFor, pairsOf, poolsWith } from '../../engine/market/pair-prices.ts'
import { watchBlocks } from '../../engine/market/watch-blocks.ts'
import { defineServer } from '../../mcp/define.ts'
import { page, paged, paginate, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import { pairOffer, poolDeviations, priceRow } from '../../views/pool-prices.ts'
import { tokenLiquidity } from '../../views/pools.ts'
import { observation } from '../../views/prices.ts'

/** Rows of one block on the bus at most. */
const MAX_PUBLISHED = 500

/** One row per pair of each of these pools. */
const rowsOf = (market: MarketView, pools: readonly Pool[]) =>
  pools.flatMap((pool) => pairsOf(market, pool)).map((pair) => priceRow.of(pair, market))

const addressesOf = (market: MarketView, text: string | undefined) =>
  text === undefined ? [] : [market.token(text).address]

export default defineServer({
  id: 'real_time_price_mcp_server',
  needs: ['market', 'bus'],
  // Subscribers of the fleet's bus and of the coordination system's WebSocket receive the rows of each block.
  state: ({ market, bus }) => ({
    stop: market.subscribe((change) => {
      const rows = rowsOf(market, poolsWith(market, [], change.changed)).slice(0, MAX_PUBLISHED)
      bus.publish('prices', { block: change.head.number, rows })
    }),
  }),
  tools: ({ read }) => ({
    fetch_price: read({
      description:
        'The price of one token in another in each pool now, best for the seller first. price_query of mcp_price_feed_server has one robust price in dollars.',
      keywords: 'live price of a token per pool, what is it worth now',
      input: { token: token(), quote: token().describe('the token that it is priced in'), ...page(100, 15) },
      output: {
        ...observation.schema.shape,
        base: z.string().describe('symbol of the token'),
        quote: z.string().describe('symbol'),
        ...paged('prices', pairOffer.schema),
      },
      examples: [{ token: 'WETH', quote: 'USDC' }],
      refusals: [
        [{ token: 'NOPE', quote: 'USDC' }, 'unknown-symbol'],
        [{ token: 'WETH', quote: 'WETH' }, 'bad-argument'],
      ],
      run: ({ token: text, quote: quoteText, ...paging }, { market }) => {
        const [base, quote] = [market.token(text), market.token(quoteText)]
        const prices = offersFor(market, base, quote).map((pair) => pairOffer.of(pair))
        const page = paginate('prices', prices, paging)
        return { ...observation.of(market), base: base.symbol, quote: quote.symbol, ...page }
      },
    }),
    fetch_all_prices: read({
      description:
        'One row per pool and pair of the whole market, or of one token: the table whose changes the stream reports.',
      keywords: 'every price at once, current prices of every token, all tokens, price table',
      input: { token: token().optional(), ...page(1_000, 12) },
      output: { ...observation.schema.shape, ...paged('rows', priceRow.schema) },
      examples: [{ limit: 10 }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: ({ token: text, ...paging }, { market }) => ({
        ...observation.of(market),
        ...paginate('rows', rowsOf(market, poolsWith(market, addressesOf(market, text))), paging),
      }),
    }),
    subscribe_prices: read({
      description:
        'Follows the market for some seconds and returns the rows that changed, oldest first; progress is reported block by block. For an endless stream open the WebSocket that the answer names, which sends one event per block, or subscribe to the resource prices://all.',
      keywords: 'stream, tell me whenever a price changes, live updates',
      input: {
        token: token().optional(),
        seconds: z.int().min(1).max(25).default(5),
        limit: z.int().min(1).max(2_000).default(12).describe('rows to return: the latest ones'),
      },
      output: {
        blocks: z.int(),
        total: z.int().describe('rows that changed; the latest of them are listed'),
        rows: z.array(priceRow.schema),
        websocket: z.string().describe('path on the coordination system; events of type prices'),
      },
      examples: [{ seconds: 1 }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: async ({ token: text, seconds, limit }, { market, signal, now, progress }) => {
        const wanted = addressesOf(market, text)
        const rows: ReturnType<typeof rowsOf> = []
        const blocks = await watchBlocks(market, { seconds, now, signal }, (change, seen) => {
          rows.push(...rowsOf(market, poolsWith(market, wanted, change.changed)))
          progress(seen, undefined, `block ${change.head.number}: ${rows.length} changes`)
        })
        return { blocks, total: rows.length, rows: rows.slice(-limit), websocket: '/events' }
      },
    }),
    get_token_liquidity: read({
      description:
        'How much of a token all pools hold near the price, its value, and what each pool holds, largest first.',
      keywords: 'how liquid is a token, how much of it can be traded',
      input: { token: token(), ...page(200, 15) },
      output: tokenLiquidity.schema,
      examples: [{ token: 'WETH' }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: ({ token: text, ...paging }, { market }) => tokenLiquidity.of(market.token(text), paging, market),
    }),
    price_deviation: read({
      description:
        'How far pools disagree about a token: each pool against the depth-weighted median, largest distance first. A gap wider than the fees is an arbitrage opportunity.',
      keywords: 'do exchanges disagree, differences between pools and the reference price',
      input: { token: token(), ...page(200, 12) },
      output: poolDeviations.schema,
      examples: [{ token: 'WETH' }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: ({ token: text, ...paging }, { market }) => poolDeviations.of(market.token(text), paging, market),
    }),
  }),
  resources: {
    'prices://all': {
      title: 'All prices',
      description: 'One row per pool and pair, at the present block; the first 2,000 of a larger market.',
      read: ({ market }) => ({
        block: market.head.number,
        ...paginate('rows', rowsOf(market, poolsWith(market, [])), { limit: 2_000, offset: 0 }),
      }),
      watch: ({ market }, onChange) => market.subscribe(({ changed }) => changed.size > 0 && onChange()),
    },
  },
})
