/** Depth: how much can be traded at which price, where liquidity lies, and how it changes. */
import * as z from 'zod'
import { tradeDirection } from '../../engine/market/depth.ts'
import { DepthHistory, KEPT_BLOCKS } from '../../engine/market/depth-history.ts'
import { defineServer } from '../../mcp/define.ts'
import { block, blocks, bps, page, paged, paginate, pool, rounded, token } from '../../mcp/fields.ts'
import { KintsugiError } from '../../std/errors.ts'
import { aPool, NOBODY } from '../../views/examples.ts'
import { poolChange, poolDepth, poolImpact, poolSummary, tickDistribution } from '../../views/pools.ts'

export default defineServer({
  id: 'mcp_liquidity_server',
  needs: ['market'],
  state: ({ market }) => new DepthHistory(market),
  tools: ({ read }) => ({
    pool_depth: read({
      description:
        'How much goes into a pool, in either direction, before the average price is worse than the marginal one by so many basis points, fee excluded. Exact, by the arithmetic of the contract.',
      keywords: 'how deep is a pool, order book, depth at each price',
      input: {
        pool: pool(),
        basisPoints: z.array(bps(5_000).min(1)).min(1).max(10).default([10, 50, 100, 200]),
      },
      output: poolDepth.schema,
      examples: [aPool()],
      refusals: [[{ pool: NOBODY }, 'not-found']],
      run: ({ pool: address, basisPoints }, { market }) =>
        poolDepth.of(market.pool(address), market, basisPoints),
    }),
    impact_curve: read({
      description:
        'What orders of growing size get from a pool: the amount out, and how far below the present price it is, fee included. Sizes that the pool refuses are left out.',
      keywords: 'price impact, slippage by size, selling a large amount',
      input: {
        pool: pool(),
        tokenIn: token().optional().describe('the token that goes in; default: the first of the pool'),
        points: z.int().min(2).max(100).default(12).describe('number of sizes'),
      },
      output: poolImpact.schema,
      examples: [aPool()],
      refusals: [
        [{ pool: NOBODY }, 'not-found'],
        [aPool(undefined, { tokenIn: NOBODY }), 'unknown-symbol'],
      ],
      run: ({ pool: address, tokenIn, points }, { market }) => {
        const each = market.pool(address)
        const [from, to] = tradeDirection(market, each, tokenIn)
        return poolImpact.of(each, market, from, to, points)
      },
    }),
    liquidity_map: read({
      description:
        'Where the liquidity of the market lies: each pool with its exchange, kind, tokens and value, deepest first, and the sum by exchange. With two tokens, only the pools of that pair.',
      keywords: 'where is the liquidity, overview over exchanges and tokens, pools of a pair',
      input: {
        token: token().optional(),
        other: token().optional().describe('only pools that trade this token too'),
        ...page(500, 20),
      },
      output: {
        block: block(),
        value: z.number().describe('of all pools that match, in whole quote tokens'),
        byExchange: z.record(z.string(), z.number()).describe('value by exchange, in whole quote tokens'),
        ...paged('pools', poolSummary.schema),
      },
      examples: [{ limit: 5 }, { token: 'WETH', other: 'USDC' }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: ({ token: one, other, ...paging }, { market }) => {
        const wanted = [one, other].flatMap((text) => (text === undefined ? [] : market.token(text).address))
        const found = [...market.pools.values()]
          .filter((each) => wanted.every((address) => each.tokens.includes(address)))
          .map((each) => poolSummary.of(each, market))
          .sort((a, b) => b.value - a.value)
        const byExchange: Record<string, number> = {}
        for (const { dex, value } of found) byExchange[dex] = rounded((byExchange[dex] ?? 0) + value)
        const value = rounded(found.reduce((sum, each) => sum + each.value, 0))
        return { block: market.head.number, value, byExchange, ...paginate('pools', found, paging) }
      },
    }),
    tick_distribution: read({
      description:
        'The liquidity of a concentrated pool from tick to tick, with the prices at the ends of each range: where the depth lies and where the price is.',
      keywords: 'where LPs concentrate, ticks, ranges of a uniswap v3 pool',
      input: {
        pool: pool(),
        limit: z.int().min(1).max(2_000).default(15).describe('ranges nearest the price'),
      },
      output: tickDistribution.schema,
      examples: [aPool('concentrated')],
      refusals: [
        [{ pool: NOBODY }, 'not-found'],
        [aPool('constant-product'), 'not-supported'],
      ],
      run: ({ pool: address, limit }, { market }) => {
        const each = market.pool(address)
        if (each.kind === 'concentrated' && each.ticks) return tickDistribution.of(each, market, limit)
        throw new KintsugiError(
          'not-supported',
          `${each.dex} ${each.kind}: only concentrated pools have ticks`,
          {
            hint: 'impact_curve works for every kind',
          },
        )
      },
    }),
    liquidity_changes: read({
      description:
        'The pools that gained or lost most over the last blocks, in quote tokens at the price: liquidity added, removed, or moved by trades. Counted from the start of this service.',
      keywords: 'who added or removed liquidity, mint and burn events',
      input: { blocks: blocks(KEPT_BLOCKS, 30), ...page(200, 20) },
      output: { fromBlock: block(), toBlock: block(), ...paged('changes', poolChange.schema) },
      examples: [{ blocks: 5 }],
      run: ({ blocks: span, ...paging }, { state, market }) => {
        const { changes, ...range } = state.changes(span)
        const shown = changes.map((change) => poolChange.of(change, market))
        return { ...range, ...paginate('changes', shown, paging) }
      },
    }),
  }),
})
