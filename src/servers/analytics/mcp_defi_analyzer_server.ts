/**
 * DeFi from on-chain state: what protocols hold, what providing liquidity earned and lost, where prices
 * differ.
 */
import * as z from 'zod'
import { rangePosition, weightedPosition } from '../../engine/market/lp-positions.ts'
import { PoolReturns } from '../../engine/market/lp-returns.ts'
import { pairSpreads } from '../../engine/market/pair-spreads.ts'
import { exchangeTotals, lenderTotals } from '../../engine/market/protocols.ts'
import { defineServer } from '../../mcp/define.ts'
import { block, page, paged, paginate, pool, token } from '../../mcp/fields.ts'
import { KintsugiError } from '../../std/errors.ts'
import { aPool, NOBODY } from '../../views/examples.ts'
import {
  exchangeTotal,
  lenderTotal,
  pairSpread,
  poolReturn,
  poolYield,
  positionLoss,
} from '../../views/yields.ts'

const windowSeconds = () => z.number().describe('since this service started')
const end = () => z.number().positive().optional()

export default defineServer({
  id: 'mcp_defi_analyzer_server',
  needs: ['market', 'loans'],
  state: ({ market }, { now }) => new PoolReturns(market, now),
  tools: ({ read }) => ({
    protocol_overview: read({
      description:
        'Each protocol of this chain: exchanges with their pools, value, volume and fees since this service started, largest first, and what Aave and Balancer can lend.',
      keywords: 'TVL, what protocols are there, state of aave, uniswap, balancer',
      input: {},
      output: {
        block: block(),
        windowSeconds: windowSeconds(),
        exchanges: z.array(exchangeTotal.schema),
        lenders: z.array(lenderTotal.schema),
      },
      examples: [{}],
      run: (_input, { market, loans, state }) => ({
        block: market.head.number,
        windowSeconds: state.seconds(),
        exchanges: exchangeTotals(market, state).map((total) => exchangeTotal.of(total)),
        lenders: lenderTotals(market, loans).map((total) => lenderTotal.of(total)),
      }),
    }),
    yield_table: read({
      description:
        'What providing liquidity earns in fees, pool by pool, highest yearly rate first: volume and fees traded since this service started, and the yearly rate that they amount to.',
      keywords: 'interest, APY, APR, what lenders and suppliers earn, borrow rates',
      input: { token: token().optional(), ...page(200, 10) },
      output: { windowSeconds: windowSeconds(), ...paged('pools', poolYield.schema) },
      examples: [{ limit: 5 }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: ({ token: text, ...paging }, { market, state }) => {
        const found = state.yields(text === undefined ? [] : [market.token(text).address])
        const shown = found.map((each) => poolYield.of(each, market))
        return { windowSeconds: state.seconds(), ...paginate('pools', shown, paging) }
      },
    }),
    pool_returns: read({
      description:
        'What a full-range share of one pool did since this service started, against holding its tokens: fees earned, loss by the price move, and the sum.',
      keywords: 'what LPs make, fees earned by providing liquidity, return of a pool',
      input: { pool: pool() },
      output: poolReturn.schema,
      examples: [aPool()],
      refusals: [[{ pool: NOBODY }, 'not-found']],
      run: ({ pool: address }, { market, state }) =>
        poolReturn.of(state.returnOf(address), state.seconds(), market),
    }),
    impermanent_loss: read({
      description:
        'What providing liquidity loses against holding when the price of one token changes by a factor: full range, weighted, or concentrated between two prices. Fees are not included. Pure arithmetic, no market needed.',
      keywords: 'loss of a liquidity provider when the price moves',
      input: {
        priceRatio: z.number().positive().max(1e6).describe('price after over price before; 2: it doubles'),
        weight: z
          .number()
          .gt(0)
          .lt(1)
          .default(0.5)
          .describe('share of the token whose price changes; 0.5 is a constant-product pool'),
        lower: end().describe(
          'concentrated: lower end of the range, as a fraction of the price before (0.8)',
        ),
        upper: end().describe('concentrated: upper end, as a fraction of the price before (1.25)'),
      },
      output: positionLoss.schema,
      examples: [{ priceRatio: 1.5 }, { priceRatio: 2, lower: 0.8, upper: 1.25 }],
      refusals: [
        [{ priceRatio: 1.5, lower: 0.8 }, 'bad-argument'],
        [{ priceRatio: 1.5, lower: 1.1, upper: 2 }, 'bad-argument'],
      ],
      run: ({ priceRatio, weight, lower, upper }) => {
        if (lower === undefined && upper === undefined)
          return positionLoss.of(weightedPosition(priceRatio, weight))
        if (lower !== undefined && upper !== undefined)
          return positionLoss.of(rangePosition(priceRatio, lower, upper))
        throw new KintsugiError('bad-argument', 'lower, upper: expected both or none (got one)')
      },
    }),
    spread_report: read({
      description:
        'Where the same pair has different prices: for each pair the cheapest and the dearest pool, the gap between them, and whether it is wider than both fees, largest gap after fees first.',
      keywords: 'spreads and gaps between exchanges per pair',
      input: { ...page(200, 8) },
      output: { block: block(), ...paged('pairs', pairSpread.schema) },
      examples: [{ limit: 5 }],
      run: (paging, { market }) => {
        const shown = pairSpreads(market).map((spread) => pairSpread.of(spread, market))
        return { block: market.head.number, ...paginate('pairs', shown, paging) }
      },
    }),
  }),
})
