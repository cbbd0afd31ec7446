/** Best execution across pools: quotes, routes split where that pays, and the calls that make a swap. */
import * as z from 'zod'
import { type Address, feeFraction, type Pool } from '../../amm/index.ts'
import { quotesOf } from '../../arbitrage/index.ts'
import { valueHeld } from '../../engine/market/depth.ts'
import { findToken, humanPrice, humanValue, tokenAt } from '../../engine/market/tokens.ts'
import { buildSwap, swapCall } from '../../engine/trading/swap-calls.ts'
import { bestRoute, MarketGraph, type Route } from '../../graph/index.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, limit, offset, textAmount, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

const path = z.object({
  share: z.number().describe('of the amount in, 0 to 1'),
  amountIn: textAmount(),
  amountOut: textAmount(),
  hops: z.array(
    z.object({
      pool: address(),
      dex: z.string(),
      tokenIn: z.string(),
      tokenOut: z.string(),
      amountIn: textAmount(),
      amountOut: textAmount(),
    }),
  ),
})
const swap = {
  from: token(),
  to: token(),
  amount: textAmount().describe("how much goes in, in the token's smallest unit"),
  maxHops: z.int().min(1).max(4).default(3).describe('longest path, in pools'),
  maxPaths: z.int().min(1).max(10).default(5).describe('most paths to split over'),
}

function routeOf(
  market: MarketView,
  {
    from,
    to,
    amount: text,
    maxHops,
    maxPaths,
  }: { from: string; to: string; amount: string; maxHops: number; maxPaths: number },
  usable = (_pool: Pool) => true,
): Route {
  const [tokenIn, tokenOut] = [findToken(market.manifest, from), findToken(market.manifest, to)]
  if (BigInt(text) === 0n) throw new KintsugiError('bad-argument', 'amount: expected more than zero (got 0)')
  const found = bestRoute(
    new MarketGraph([...market.pools.values()].filter(usable)),
    tokenIn.address,
    tokenOut.address,
    BigInt(text),
    { maxHops, maxPaths },
  )
  if (!found)
    throw new KintsugiError(
      'no-route',
      `no path of at most ${maxHops} pools takes ${text} of ${tokenIn.symbol} to ${tokenOut.symbol}`,
      { hint: 'ask for less, or for more hops' },
    )
  return found
}

const showPaths = (market: MarketView, route: Route): z.output<typeof path>[] =>
  route.paths.map(({ hops, amounts }) => ({
    share: Number(amounts[0]) / Number(route.amountIn),
    amountIn: String(amounts[0]),
    amountOut: String(amounts.at(-1)),
    hops: hops.map((hop, index) => ({
      pool: hop.pool,
      dex: market.descriptor(hop.pool)?.dex ?? '',
      tokenIn: tokenAt(market.manifest, hop.tokenIn).symbol,
      tokenOut: tokenAt(market.manifest, hop.tokenOut).symbol,
      amountIn: String(amounts[index]),
      amountOut: String(amounts[index + 1]),
    })),
  }))

/** How far the average price lies from the price at the margin, as a fraction. */
function impactOf(market: MarketView, from: Address, to: Address, route: Route): number | null {
  const [rateIn, rateOut] = [market.prices().get(from)?.rate, market.prices().get(to)?.rate]
  return rateIn && rateOut
    ? 1 - (Number(route.amountOut) * rateOut) / (Number(route.amountIn) * rateIn)
    : null
}

export default defineServer({
  id: 'dex_aggregator_mcp_server',
  needs: ['market'],
  tools: ({ read }) => ({
    get_prices: read({
      description:
        'What each exchange says a token is worth now, pool by pool, deepest first. For one robust price use price_query of mcp_price_feed_server.',
      keywords: 'compare prices across exchanges, what each venue pays',
      input: { symbol: token(), limit: limit(100, 20) },
      output: {
        symbol: z.string(),
        quote: z.string(),
        prices: z.array(z.object({ dex: z.string(), pool: address(), price: z.number(), depth: z.number() })),
      },
      examples: [{ symbol: 'WETH' }],
      run: ({ symbol, limit: most }, { market }) => {
        const token = findToken(market.manifest, symbol)
        const quotes = quotesOf(token.address, market.pools.values(), market.prices()).sort(
          (a, b) => b.depth - a.depth,
        )
        return {
          symbol: token.symbol,
          quote: tokenAt(market.manifest, market.manifest.numeraire).symbol,
          prices: quotes.slice(0, most).map(({ dex, pool, rate, depth }) => ({
            dex,
            pool,
            price: humanPrice(market.manifest, token, rate),
            depth: humanValue(market.manifest, depth),
          })),
        }
      },
    }),
    find_route: read({
      description:
        'The best way to swap an amount of one token for another: over several pools, split over several paths where that gives more, exact to the unit at this block.',
      keywords: 'best way to swap, split an order over pools, least slippage, best price for selling',
      input: swap,
      output: {
        block: z.int(),
        amountIn: textAmount(),
        amountOut: textAmount(),
        paths: z.array(path),
        bestSinglePath: textAmount().nullable(),
        searchedPaths: z.int(),
        impact: z.number().nullable(),
      },
      examples: [{ from: 'WETH', to: 'USDC', amount: '1000000000000000000' }],
      run: (input, { market }) => {
        const route = routeOf(market, input)
        const [from, to] = [
          findToken(market.manifest, input.from).address,
          findToken(market.manifest, input.to).address,
        ]
        return {
          block: market.head.number,
          amountIn: String(route.amountIn),
          amountOut: String(route.amountOut),
          paths: showPaths(market, route),
          bestSinglePath: route.single === undefined ? null : String(route.single),
          searchedPaths: route.searchedPaths,
          impact: impactOf(market, from, to, route),
        }
      },
    }),
    quote_swap: read({
      description:
        'How much of one token comes out for an amount of another, over the best route, with the least that a slippage tolerance allows.',
      keywords: 'how much do I get, what can I buy, amount out of a swap',
      input: {
        ...swap,
        slippageBps: z.int().min(0).max(5_000).default(50).describe('tolerance in hundredths of a percent'),
      },
      output: {
        block: z.int(),
        amountOut: textAmount(),
        minimumOut: textAmount(),
        price: z.number().describe('whole tokens out per whole token in'),
        impact: z.number().nullable(),
        paths: z.int(),
      },
      examples: [{ from: 'USDC', to: 'WMATIC', amount: '1000000000' }],
      run: ({ slippageBps, ...input }, { market }) => {
        const route = routeOf(market, input)
        const [from, to] = [findToken(market.manifest, input.from), findToken(market.manifest, input.to)]
        return {
          block: market.head.number,
          amountOut: String(route.amountOut),
          minimumOut: String((route.amountOut * BigInt(10_000 - slippageBps)) / 10_000n),
          price: Number(route.amountOut) / 10 ** to.decimals / (Number(route.amountIn) / 10 ** from.decimals),
          impact: impactOf(market, from.address, to.address, route),
          paths: route.paths.length,
        }
      },
    }),
    build_swap: read({
      description:
        'The calls that make a swap over the best single path of pairs and vault pools, in order, for an account to send: approvals where the vault pulls, transfers where a pair must be paid, and the swap itself. Concentrated pools are left out: they are paid by a callback, which needs a contract. Nothing is signed or sent.',
      keywords: 'calldata, unsigned transaction, prepare an exchange of tokens',
      input: {
        ...swap,
        account: address().describe('who will send the calls and gets what comes out'),
        slippageBps: z.int().min(0).max(5_000).default(50),
      },
      output: {
        block: z.int(),
        amountOut: textAmount(),
        minimumOut: textAmount(),
        calls: z.array(swapCall),
        note: z.string(),
      },
      examples: [
        {
          from: 'WETH',
          to: 'USDC',
          amount: '1000000000000000000',
          account: '0x0000000000000000000000000000000000000001',
        },
      ],
      run: ({ account, slippageBps, ...input }, { market }) => ({
        block: market.head.number,
        ...buildSwap(
          market,
          routeOf(market, { ...input, maxPaths: 1 }, (pool) => pool.kind !== 'concentrated'),
          account,
          slippageBps,
        ),
      }),
    }),
    list_dexes: read({
      description:
        'The exchanges of this market: how many pools of which kinds each has, and how deep they are together.',
      keywords: 'which exchanges, venues, DEXes are connected',
      input: {},
      output: {
        dexes: z.array(
          z.object({
            dex: z.string(),
            pools: z.int(),
            kinds: z.array(z.string()),
            value: z.number().describe('of what the pools hold at the price, in quote units'),
          }),
        ),
      },
      examples: [{}],
      run: (_input, { market }) => {
        const byDex = Map.groupBy(market.pools.values(), (pool) => pool.dex)
        const dexes = [...byDex].map(([dex, pools]) => ({
          dex,
          pools: pools.length,
          kinds: [
            ...new Set(
              pools.map((pool) =>
                pool.kind === 'concentrated' && pool.engine ? `${pool.kind} (${pool.engine})` : pool.kind,
              ),
            ),
          ],
          value: pools.reduce((sum, pool) => sum + valueHeld(market, pool.address), 0),
        }))
        return { dexes: dexes.sort((a, b) => b.value - a.value) }
      },
    }),
    list_pools: read({
      description: 'The pools of this market, deepest first, all or those of one exchange or token.',
      keywords: 'pools of a pair, which pools hold a token',
      input: {
        dex: z.string().max(64).optional(),
        token: token().optional(),
        limit: limit(500, 50),
        offset: offset(),
      },
      output: {
        total: z.int(),
        pools: z.array(
          z.object({
            address: address(),
            dex: z.string(),
            kind: z.string(),
            tokens: z.array(z.string()),
            feePercent: z.number(),
            value: z.number(),
          }),
        ),
      },
      examples: [{ token: 'WETH', limit: 5 }],
      run: ({ dex, token, limit: most, offset: skip }, { market }) => {
        const wanted = token === undefined ? undefined : findToken(market.manifest, token).address
        const pools = [...market.pools.values()].filter(
          (pool) =>
            (dex === undefined || pool.dex === dex) && (wanted === undefined || pool.tokens.includes(wanted)),
        )
        const shown = pools.map((pool) => ({
          address: pool.address,
          dex: pool.dex,
          kind: pool.kind,
          tokens: pool.tokens.map((item) => tokenAt(market.manifest, item).symbol),
          feePercent: 100 * feeFraction(pool),
          value: valueHeld(market, pool.address),
        }))
        return {
          total: pools.length,
          pools: shown.sort((a, b) => b.value - a.value).slice(skip, skip + most),
        }
      },
    }),
  }),
})
