/** Prices as a stream: one row per pool and pair, as they change with each block. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { type Address, feeFraction, type Pool, spotPrice } from '../../amm/index.ts'
import { heldBy } from '../../engine/market/depth.ts'
import { findToken, humanPrice, humanValue, tokenAt } from '../../engine/market/tokens.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, limit, offset, token } from '../../mcp/fields.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

const row = z.object({
  pool: address(),
  dex: z.string(),
  kind: z.string(),
  base: z.string(),
  quote: z.string(),
  price: z.number().describe('whole quote tokens per whole base token, before the fee'),
  feePercent: z.number(),
  block: z.int(),
})
type Row = z.output<typeof row>

/** Every pair of a pool once, base and quote as tokens ascend. */
function rowsOf(market: MarketView, pool: Pool): Row[] {
  return pool.tokens.flatMap((base, index) =>
    pool.tokens.slice(index + 1).map((quote) => {
      const [from, to] = [tokenAt(market.manifest, base), tokenAt(market.manifest, quote)]
      return {
        pool: pool.address,
        dex: pool.dex,
        kind: pool.kind,
        base: from.symbol,
        quote: to.symbol,
        price: spotPrice(pool, base, quote) * 10 ** (from.decimals - to.decimals),
        feePercent: 100 * feeFraction(pool),
        block: market.head.number,
      }
    }),
  )
}

const concerns = (pool: Pool, tokens: readonly Address[]) =>
  tokens.every((token) => pool.tokens.includes(token))

export default defineServer({
  id: 'real_time_price_mcp_server',
  needs: ['market', 'bus'],
  state: ({ market, bus }) => {
    // For whoever listens on the fleet's bus and on the WebSocket of the coordination system.
    const stop = market.subscribe((change) =>
      bus.publish('prices', {
        block: change.head.number,
        rows: [...change.changed]
          .flatMap((pool) => rowsOf(market, market.pools.get(pool) as Pool))
          .slice(0, 500),
      }),
    )
    return { stop }
  },
  tools: ({ read }) => ({
    fetch_price: read({
      description:
        'The price of one token in another as each pool has it now, best for the seller first. For one robust price in dollars use price_query of mcp_price_feed_server.',
      keywords: 'live price of a token, what is it worth now',
      input: { base: token(), quote: token(), limit: limit(100, 20) },
      output: {
        block: z.int(),
        observedAt: z.int(),
        base: z.string(),
        quote: z.string(),
        prices: z.array(
          z.object({ pool: address(), dex: z.string(), price: z.number(), afterFee: z.number() }),
        ),
      },
      examples: [{ base: 'WETH', quote: 'USDC' }],
      run: ({ base, quote, limit: most }, { market }) => {
        const [from, to] = [findToken(market.manifest, base), findToken(market.manifest, quote)]
        const prices = [...market.pools.values()]
          .filter((pool) => concerns(pool, [from.address, to.address]))
          .map((pool) => {
            const price = spotPrice(pool, from.address, to.address) * 10 ** (from.decimals - to.decimals)
            return { pool: pool.address, dex: pool.dex, price, afterFee: price * (1 - feeFraction(pool)) }
          })
        if (prices.length === 0)
          throw new KintsugiError('no-price', `no pool trades ${from.symbol} against ${to.symbol}`, {
            hint: 'find_route of dex_aggregator_mcp_server goes over several pools',
          })
        return {
          block: market.head.number,
          observedAt: market.observedAt,
          base: from.symbol,
          quote: to.symbol,
          prices: prices.sort((a, b) => b.afterFee - a.afterFee).slice(0, most),
        }
      },
    }),
    fetch_all_prices: read({
      description:
        'One row per pool and pair of the whole market, or of one token: the table that the stream keeps changing.',
      keywords: 'every price at once, all tokens, price table',
      input: { token: token().optional(), limit: limit(1_000, 100), offset: offset() },
      output: { block: z.int(), observedAt: z.int(), total: z.int(), rows: z.array(row) },
      examples: [{ limit: 10 }],
      run: ({ token, limit: most, offset: skip }, { market }) => {
        const wanted = token === undefined ? [] : [findToken(market.manifest, token).address]
        const rows = [...market.pools.values()]
          .filter((pool) => concerns(pool, wanted))
          .flatMap((pool) => rowsOf(market, pool))
        return {
          block: market.head.number,
          observedAt: market.observedAt,
          total: rows.length,
          rows: rows.slice(skip, skip + most),
        }
      },
    }),
    subscribe_prices: read({
      description:
        'Follows the market for some seconds and returns every row that changed, in order; progress is told block by block. For an endless stream open the WebSocket that the answer names, which sends one event per block, or subscribe to the resource prices://all.',
      keywords: 'stream, tell me whenever a price changes, live updates',
      input: {
        token: token().optional(),
        seconds: z.int().min(1).max(25).default(5),
        limit: limit(2_000, 500),
      },
      output: {
        blocks: z.int(),
        rows: z.array(row),
        websocket: z.string().describe('path on the coordination system; events of type prices'),
      },
      examples: [{ seconds: 1 }],
      run: async ({ token, seconds, limit: most }, { market, signal, progress }) => {
        const wanted = token === undefined ? [] : [findToken(market.manifest, token).address]
        const rows: Row[] = []
        let blocks = 0
        const stop = market.subscribe((change: MarketChange) => {
          for (const changed of change.changed) {
            const pool = market.pools.get(changed)
            if (pool && concerns(pool, wanted)) rows.push(...rowsOf(market, pool))
          }
          progress(++blocks, undefined, `block ${change.head.number}: ${rows.length} changes`)
        })
        await sleep(seconds * 1_000, undefined, { signal }).catch(() => undefined)
        stop()
        return { blocks, rows: rows.slice(0, most), websocket: '/events' }
      },
    }),
    get_token_liquidity: read({
      description:
        'Where the liquidity of a token lies: what each pool holds of it at the price, largest first.',
      keywords: 'how liquid is a token, how much of it can be traded',
      input: { token: token(), limit: limit(200, 20) },
      output: {
        token: z.string(),
        total: z.number().describe('whole tokens at the price, over all pools'),
        value: z.number().nullable().describe('in quote units'),
        pools: z.array(z.object({ pool: address(), dex: z.string(), kind: z.string(), amount: z.number() })),
      },
      examples: [{ token: 'WETH' }],
      run: ({ token, limit: most }, { market }) => {
        const { address: wanted, symbol, decimals } = findToken(market.manifest, token)
        const pools = [...market.pools.values()].flatMap((pool) => {
          const at = pool.tokens.indexOf(wanted)
          return at < 0
            ? []
            : [
                {
                  pool: pool.address,
                  dex: pool.dex,
                  kind: pool.kind,
                  amount: (heldBy(pool)[at] ?? 0) / 10 ** decimals,
                },
              ]
        })
        const total = pools.reduce((sum, pool) => sum + pool.amount, 0)
        const rate = market.prices().get(wanted)?.rate
        return {
          token: symbol,
          total,
          value: rate === undefined ? null : humanValue(market.manifest, total * 10 ** decimals * rate),
          pools: pools.sort((a, b) => b.amount - a.amount).slice(0, most),
        }
      },
    }),
    price_deviation: read({
      description:
        'How far pools disagree about a token: each pool against the depth-weighted median, largest distance first. A wide gap that fees do not explain is where arbitrage lives.',
      keywords: 'do exchanges disagree, differences between pools and the reference price',
      input: { token: token(), limit: limit(200, 20) },
      output: {
        token: z.string(),
        median: z.number(),
        widest: z.number().describe('highest against lowest, as a fraction'),
        pools: z.array(
          z.object({
            pool: address(),
            dex: z.string(),
            against: z.string(),
            price: z.number(),
            deviation: z.number(),
            feePercent: z.number(),
          }),
        ),
      },
      examples: [{ token: 'WETH' }],
      run: ({ token, limit: most }, { market }) => {
        const found = findToken(market.manifest, token)
        const prices = market.prices()
        const median = prices.get(found.address)?.rate
        if (median === undefined)
          throw new KintsugiError(
            'no-price',
            `${found.symbol}: no chain of pools connects it to the quote token`,
          )
        const pools = [...market.pools.values()]
          .filter((pool) => pool.tokens.includes(found.address))
          .flatMap((pool) =>
            pool.tokens.flatMap((other) => {
              const rate = other === found.address ? undefined : prices.get(other)?.rate
              if (rate === undefined) return []
              const own = spotPrice(pool, found.address, other) * rate
              return [
                {
                  pool: pool.address,
                  dex: pool.dex,
                  against: tokenAt(market.manifest, other).symbol,
                  price: humanPrice(market.manifest, found, own),
                  deviation: own / median - 1,
                  feePercent: 100 * feeFraction(pool),
                },
              ]
            }),
          )
        const deviations = pools.map((pool) => pool.deviation)
        return {
          token: found.symbol,
          median: humanPrice(market.manifest, found, median),
          widest: pools.length === 0 ? 0 : (1 + Math.max(...deviations)) / (1 + Math.min(...deviations)) - 1,
          pools: pools.sort((a, b) => Math.abs(b.deviation) - Math.abs(a.deviation)).slice(0, most),
        }
      },
    }),
  }),
  resources: {
    'prices://all': {
      title: 'All prices',
      description: 'One row per pool and pair, at the present block.',
      read: ({ market }) => ({
        block: market.head.number,
        rows: [...market.pools.values()].flatMap((pool) => rowsOf(market, pool)).slice(0, 2_000),
      }),
      watch: ({ market }, onChange) => market.subscribe(({ changed }) => changed.size > 0 && onChange()),
    },
  },
})
