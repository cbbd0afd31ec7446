/** Depth: how much can be traded at which price, where liquidity lies, and how it changes. */
import * as z from 'zod'
import { type Address, type Pool, sqrtRatioAtTick } from '../../amm/index.ts'
import { impactCurve, inputWithin, valueHeld } from '../../engine/market/depth.ts'
import { findToken, tokenAt } from '../../engine/market/tokens.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, limit, textAmount, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

/** Values of each pool at the last blocks, newest last. */
const history: { block: number; at: number; values: Map<Address, number> }[] = []
const KEPT_BLOCKS = 600

const pairFields = {
  pool: address(),
  tokenIn: token().optional().describe('the token that goes in; default: the first of the pool'),
}

/** A pool with the direction asked for. */
function direction(
  market: MarketView,
  { pool: at, tokenIn }: { pool: Address; tokenIn?: string | undefined },
): { pool: Pool; from: Address; to: Address } {
  const pool = market.pools.get(at)
  if (!pool)
    throw new KintsugiError('not-found', `${at} is no pool of this market`, {
      hint: 'liquidity_map lists pools',
    })
  const from =
    tokenIn === undefined ? (pool.tokens[0] as Address) : findToken(market.manifest, tokenIn).address
  const to = pool.tokens.find((token) => token !== from)
  if (!pool.tokens.includes(from) || !to)
    throw new KintsugiError('bad-argument', `tokenIn: expected a token of the pool (got ${tokenIn})`, {
      hint: pool.tokens.map((token) => tokenAt(market.manifest, token).symbol).join(', '),
    })
  return { pool, from, to }
}

export default defineServer({
  id: 'mcp_liquidity_server',
  needs: ['market'],
  state: ({ market }, { now }) => {
    const keep = () => {
      history.push({
        block: market.head.number,
        at: now(),
        values: new Map([...market.pools.keys()].map((pool) => [pool, valueHeld(market, pool)])),
      })
      if (history.length > KEPT_BLOCKS) history.shift()
    }
    keep()
    return { stop: market.subscribe(keep) }
  },
  tools: ({ read }) => ({
    pool_depth: read({
      description:
        'How much one can put into a pool, in either direction, before the average price is worse than the marginal one by so many basis points; the fee is left out. Exact, by the contract’s own arithmetic.',
      keywords: 'how deep is a pool, order book, depth at each price',
      input: {
        pool: address(),
        basisPoints: z.array(z.int().min(1).max(5_000)).min(1).max(10).default([10, 50, 100, 200]),
      },
      output: {
        pool: address(),
        dex: z.string(),
        kind: z.string(),
        value: z.number().describe('at the price, in quote units'),
        depth: z.array(
          z.object({
            tokenIn: z.string(),
            tokenOut: z.string(),
            within: z.array(z.object({ basisPoints: z.int(), amountIn: textAmount() })),
          }),
        ),
      },
      examples: [{ pool: '0x0000000000000000000000000000000000000001' }],
      run: ({ pool: at, basisPoints }, { market }) => {
        const { pool } = direction(market, { pool: at })
        const depth = pool.tokens.flatMap((from) =>
          pool.tokens
            .filter((to) => to !== from)
            .map((to) => ({
              tokenIn: tokenAt(market.manifest, from).symbol,
              tokenOut: tokenAt(market.manifest, to).symbol,
              within: basisPoints.map((points) => ({
                basisPoints: points,
                amountIn: String(inputWithin(pool, from, to, points)),
              })),
            })),
        )
        return {
          pool: pool.address,
          dex: pool.dex,
          kind: pool.kind,
          value: valueHeld(market, pool.address),
          depth,
        }
      },
    }),
    impact_curve: read({
      description:
        'What orders of growing size get from a pool: amount out and how much worse than the present price it is, fee included. A curve to plot; points that the pool refuses are left out.',
      keywords: 'price impact, slippage by size, selling a large amount',
      input: { ...pairFields, points: z.int().min(2).max(100).default(20) },
      output: {
        pool: address(),
        tokenIn: z.string(),
        tokenOut: z.string(),
        points: z.array(z.object({ amountIn: textAmount(), amountOut: textAmount(), impact: z.number() })),
      },
      examples: [{ pool: '0x0000000000000000000000000000000000000001' }],
      run: ({ points, ...input }, { market }) => {
        const { pool, from, to } = direction(market, input)
        return {
          pool: pool.address,
          tokenIn: tokenAt(market.manifest, from).symbol,
          tokenOut: tokenAt(market.manifest, to).symbol,
          points: impactCurve(pool, from, to, points).map(({ amountIn, amountOut, impact }) => ({
            amountIn: String(amountIn),
            amountOut: String(amountOut),
            impact,
          })),
        }
      },
    }),
    liquidity_map: read({
      description:
        'Where the liquidity of the market lies: each pool with its exchange, kind, tokens and value at the price, deepest first, and the sum by exchange.',
      keywords: 'where is the liquidity, overview over exchanges and tokens',
      input: { token: token().optional(), limit: limit(500, 50) },
      output: {
        block: z.int(),
        total: z.number(),
        byExchange: z.record(z.string(), z.number()),
        pools: z.array(
          z.object({
            pool: address(),
            dex: z.string(),
            kind: z.string(),
            tokens: z.array(z.string()),
            value: z.number(),
          }),
        ),
      },
      examples: [{ limit: 5 }],
      run: ({ token, limit: most }, { market }) => {
        const wanted = token === undefined ? undefined : findToken(market.manifest, token).address
        const pools = [...market.pools.values()]
          .filter((pool) => wanted === undefined || pool.tokens.includes(wanted))
          .map((pool) => ({
            pool: pool.address,
            dex: pool.dex,
            kind: pool.kind,
            tokens: pool.tokens.map((item) => tokenAt(market.manifest, item).symbol),
            value: valueHeld(market, pool.address),
          }))
          .sort((a, b) => b.value - a.value)
        const byExchange: Record<string, number> = {}
        for (const { dex, value } of pools) byExchange[dex] = (byExchange[dex] ?? 0) + value
        return {
          block: market.head.number,
          total: pools.reduce((sum, pool) => sum + pool.value, 0),
          byExchange,
          pools: pools.slice(0, most),
        }
      },
    }),
    tick_distribution: read({
      description:
        'The liquidity of a concentrated pool from tick to tick, with the price where each stretch begins and ends: where the depth lies and where the price now is.',
      keywords: 'where LPs concentrate, ticks, ranges of a uniswap v3 pool',
      input: { pool: address(), limit: limit(2_000, 200) },
      output: {
        pool: address(),
        tick: z.int(),
        tickSpacing: z.int(),
        price: z.number().describe('whole token1 per whole token0'),
        ranges: z.array(
          z.object({
            from: z.int(),
            to: z.int(),
            priceFrom: z.number(),
            priceTo: z.number(),
            liquidity: z.string(),
            active: z.boolean(),
          }),
        ),
      },
      examples: [{ pool: '0x0000000000000000000000000000000000000001' }],
      run: ({ pool: at, limit: most }, { market }) => {
        const { pool } = direction(market, { pool: at })
        if (pool.kind !== 'concentrated' || !pool.ticks) {
          throw new KintsugiError(
            'not-found',
            `${pool.dex} ${pool.kind}: only concentrated pools have ticks`,
            { hint: 'impact_curve works for every kind' },
          )
        }
        const [token0, token1] = pool.tokens.map((token) => tokenAt(market.manifest, token).decimals) as [
          number,
          number,
        ]
        const priceAt = (ratio: bigint) => (Number(ratio) / 2 ** 96) ** 2 * 10 ** (token0 - token1)
        let liquidity = 0n
        const ranges = pool.ticks.flatMap(([from, net], index) => {
          liquidity += net
          const to = pool.ticks?.[index + 1]?.[0]
          if (to === undefined) return []
          return [
            {
              from,
              to,
              priceFrom: priceAt(sqrtRatioAtTick(from)),
              priceTo: priceAt(sqrtRatioAtTick(to)),
              liquidity: String(liquidity),
              active: pool.tick >= from && pool.tick < to,
            },
          ]
        })
        // Around the price, where there are too many.
        const middle = ranges.findIndex((range) => range.active)
        const first = Math.max(0, Math.min(ranges.length - most, middle - (most >> 1)))
        return {
          pool: pool.address,
          tick: pool.tick,
          tickSpacing: pool.tickSpacing,
          price: priceAt(pool.sqrtPriceX96),
          ranges: ranges.slice(first, first + most),
        }
      },
    }),
    liquidity_changes: read({
      description:
        'Which pools gained or lost most over the last blocks, in quote units at the price: money coming, leaving, or moved by trades. Seen since this service started.',
      keywords: 'who added or removed liquidity, mint and burn events',
      input: { blocks: z.int().min(1).max(KEPT_BLOCKS).default(30), limit: limit(200, 20) },
      output: {
        fromBlock: z.int(),
        toBlock: z.int(),
        changes: z.array(
          z.object({
            pool: address(),
            dex: z.string(),
            before: z.number(),
            after: z.number(),
            change: z.number().describe('as a fraction'),
          }),
        ),
      },
      examples: [{ blocks: 5 }],
      run: ({ blocks, limit: most }, { market }) => {
        const last = history.at(-1)
        const first = history[Math.max(0, history.length - 1 - blocks)]
        if (!last || !first)
          throw new KintsugiError('not-ready', 'no block has been seen yet', { retry: 'later' })
        const changes = [...last.values].flatMap(([pool, after]) => {
          const before = first.values.get(pool)
          return before === undefined || before === after
            ? []
            : [
                {
                  pool,
                  dex: market.descriptor(pool)?.dex ?? '',
                  before,
                  after,
                  change: before > 0 ? after / before - 1 : 1,
                },
              ]
        })
        return {
          fromBlock: first.block,
          toBlock: last.block,
          changes: changes
            .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before))
            .slice(0, most),
        }
      },
    }),
  }),
})
