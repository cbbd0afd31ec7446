/**
 * Best execution across pools: quotes, routes split where that gives more, and the calls that make a swap.
 */
import * as z from 'zod'
import { assertExchange, poolsWith } from '../../engine/market/pair-prices.ts'
import { buildSwap } from '../../engine/trading/swap-calls.ts'
import { routeSwap } from '../../engine/trading/swap-routes.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, page, paged, paginate, token } from '../../mcp/fields.ts'
import { NOBODY } from '../../views/examples.ts'
import { tokenQuotes } from '../../views/pool-prices.ts'
import { exchange, poolWithFee } from '../../views/pools.ts'
import {
  preparedSwap,
  singlePathInput,
  slippage,
  swapInput,
  swapQuote,
  swapRequest,
  swapRoute,
} from '../../views/swap.ts'

const tooLittle = { from: 'WETH', to: 'USDC', amount: '1' }

export default defineServer({
  id: 'dex_aggregator_mcp_server',
  needs: ['market'],
  tools: ({ read }) => ({
    get_prices: read({
      description:
        'The price of a token on each exchange now, pool by pool, deepest first, and the median. For one robust price use price_query of mcp_price_feed_server.',
      keywords: 'compare prices across exchanges, what each venue pays',
      input: { symbol: token(), ...page(100, 10) },
      output: tokenQuotes.schema,
      examples: [{ symbol: 'WETH' }],
      refusals: [[{ symbol: 'NOPE' }, 'unknown-symbol']],
      run: ({ symbol, ...paging }, { market }) => tokenQuotes.of(market.token(symbol), paging, market),
    }),
    find_route: read({
      description:
        'The best way to swap an amount of one token for another: over several pools, split over several paths where that gives more, exact to the unit at this block.',
      keywords: 'best way to swap, split an order over pools, least slippage, best price for selling',
      input: swapInput,
      output: swapRoute.schema,
      examples: [{ from: 'WETH', to: 'USDC', amount: '1 WETH' }],
      refusals: [[{ ...tooLittle, to: 'WETH' }, 'bad-argument']],
      run: (input, { market }) => {
        const request = swapRequest(input, market)
        return swapRoute.of(routeSwap(market, request), request, market)
      },
    }),
    quote_swap: read({
      description:
        'Simulates a swap: how much of one token comes out for an amount of another, over the best route, and the smallest output that a slippage tolerance allows. Nothing is sent.',
      keywords:
        'simulate selling or buying, how much do I get, convert, exchange, what can I buy, amount out of a swap',
      input: { ...swapInput, slippageBps: slippage() },
      output: swapQuote.schema,
      examples: [{ from: 'USDC', to: 'WMATIC', amount: '1000 USDC' }],
      refusals: [[tooLittle, 'no-route']],
      run: ({ slippageBps, ...input }, { market }) => {
        const request = swapRequest(input, market)
        return swapQuote.of(routeSwap(market, request), request, slippageBps, market)
      },
    }),
    build_swap: read({
      description:
        'Builds the unsigned calls of a swap over the best single path of pairs and vault pools, in order: approvals where the vault pulls, transfers where a pair must be paid, and the swap itself. Concentrated pools are left out: they are paid by a callback, which needs a contract. Nothing is signed or sent.',
      keywords: 'calldata, unsigned transaction, prepare an exchange of tokens',
      input: {
        ...singlePathInput,
        account: address().describe('sends the calls and receives the output'),
        slippageBps: slippage(),
      },
      output: preparedSwap.schema,
      examples: [{ from: 'WETH', to: 'USDC', amount: '1 WETH', account: NOBODY }],
      refusals: [[{ ...tooLittle, account: NOBODY }, 'no-route']],
      run: ({ account, slippageBps, ...input }, { market }) => {
        const request = swapRequest({ ...input, maxPaths: 1 }, market)
        const route = routeSwap(market, request, ({ kind }) => kind !== 'concentrated')
        return preparedSwap.of(buildSwap(market, route, account, slippageBps), request, market)
      },
    }),
    list_dexes: read({
      description:
        'The exchanges of this market, deepest first: number and kinds of their pools, and what these hold together.',
      keywords: 'which exchanges, venues, DEXes are connected',
      input: page(100, 20),
      output: paged('dexes', exchange.schema),
      examples: [{}],
      run: (paging, { market }) => {
        const byDex = Map.groupBy(market.pools.values(), ({ dex }) => dex)
        const dexes = [...byDex].map(([dex, pools]) => exchange.of(dex, pools, market))
        return paginate(
          'dexes',
          dexes.sort((a, b) => b.value - a.value),
          paging,
        )
      },
    }),
    list_pools: read({
      description: 'The pools of this market, deepest first: all, or those of one exchange or token.',
      keywords: 'pools of a pair, which pools hold a token',
      input: { dex: z.string().max(64).optional(), token: token().optional(), ...page(500, 12) },
      output: paged('pools', poolWithFee.schema),
      examples: [{ token: 'WETH', limit: 5 }],
      refusals: [
        [{ token: 'NOPE' }, 'unknown-symbol'],
        [{ dex: 'nope' }, 'not-found'],
      ],
      run: ({ dex, token: text, ...paging }, { market }) => {
        const tokens = text === undefined ? [] : [market.token(text).address]
        if (dex !== undefined) assertExchange(market, dex)
        const found = poolsWith(market, tokens).filter((each) => dex === undefined || each.dex === dex)
        const shown = found.map((each) => poolWithFee.of(each, market))
        return paginate(
          'pools',
          shown.sort((a, b) => b.value - a.value),
          paging,
        )
      },
    }),
  }),
})
