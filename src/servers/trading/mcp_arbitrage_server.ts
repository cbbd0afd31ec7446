/**
 * Finds arbitrage: cycles over the live pool graph, each at its exact best size, with the reasons of every
 * decision.
 */
import * as z from 'zod'
import { explainedDecision } from '../../engine/trading/decision-lookup.ts'
import { detectionLog } from '../../engine/trading/detection-log.ts'
import { marketBound as boundOf } from '../../engine/trading/market-bound.ts'
import { findOpportunities } from '../../engine/trading/opportunities.ts'
import { rankedCycles } from '../../engine/trading/ranked-cycles.ts'
import { defineServer } from '../../mcp/define.ts'
import { decisionId, durationMs, maxHops, page, paged, pageOf, paginate, token } from '../../mcp/fields.ts'
import { marketBound } from '../../views/captured.ts'
import { decisionExplanation } from '../../views/decisions.ts'
import { detectionStatistics } from '../../views/detections.ts'
import { aDecision, NO_DECISION } from '../../views/examples.ts'
import { opportunity, rankedCycle } from '../../views/opportunities.ts'
import { observation } from '../../views/prices.ts'

/** Blocks whose detections are kept. */
const MAX_DETECTIONS = 200
/** More than one search finds. */
const ALL = 100

export default defineServer({
  id: 'mcp_arbitrage_server',
  needs: ['market', 'loans', 'bus', 'ledger'],
  state: ({ bus }) => {
    const detections = detectionLog(MAX_DETECTIONS)
    return { detections, stop: bus.subscribe('opportunities', (detection) => detections.add(detection)) }
  },
  tools: ({ read }) => ({
    find_opportunities: read({
      description:
        'Opportunities that pay now: every cycle of the pool graph at the present block, sized exactly for the cheapest loan, joined where they share pools, best first, at most 12. Runs a new search; scan_statistics has what the detector found in recent blocks.',
      keywords: 'what pays now, profitable trades, best arbitrage at the moment',
      input: {
        maxHops: maxHops(),
        minValue: z.number().min(0).default(0).describe('minimum profit, in whole quote tokens'),
        ...page(100, 3),
      },
      output: {
        ...observation.schema.shape,
        searchedCycles: z.int(),
        elapsedMs: durationMs(),
        ...paged('opportunities', opportunity.schema),
      },
      examples: [{ maxHops: 3, limit: 2 }],
      run: ({ maxHops, minValue, ...paging }, { market, loans, now }) => {
        const started = now()
        const { searchedCycles, found } = findOpportunities(market, loans, { maxHops, limit: ALL })
        const elapsedMs = now() - started
        const shown = found.map((each) => opportunity.of(each, market))
        const wanted = shown.filter(({ value }) => (value ?? 0) >= minValue)
        return {
          ...observation.of(market),
          searchedCycles,
          elapsedMs,
          ...paginate('opportunities', wanted, paging),
        }
      },
    }),
    find_cycles: read({
      description:
        'The cycles through one token, best first, whether they pay or not: what a tiny amount gains in one round after fees, and the best size where the cycle pays, without loan or gas.',
      keywords: 'loops, triangular, round trips from a token, profitable cycles',
      input: { token: token(), maxHops: maxHops(), ...page(200, 5) },
      output: { ...observation.schema.shape, ...paged('cycles', rankedCycle.schema) },
      examples: [{ token: 'WETH', limit: 3 }],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: ({ token: text, maxHops, ...paging }, { market }) => {
        const all = rankedCycles(market, market.token(text).address, maxHops)
        const wanted = all.slice(paging.offset, paging.offset + paging.limit)
        const cycles = wanted.map((each) => rankedCycle.of(each, market))
        return { ...observation.of(market), ...pageOf('cycles', cycles, all.length, paging) }
      },
    }),
    explain_opportunity: read({
      description:
        'Why an opportunity was traded or not: each failed rule of the guard with its numbers, how far it got, the reason in words, and why this size and not another one. Without an id: the last refusal.',
      keywords:
        'why was the last trade not made, why did we not trade, reasons, which rule refused it, last refusal',
      input: { id: decisionId().optional().describe('the id of a decision; default: the last refusal') },
      output: decisionExplanation.schema,
      examples: [{}, aDecision()],
      refusals: [[{ id: NO_DECISION }, 'not-found']],
      run: async ({ id }, { market, ledger }) =>
        decisionExplanation.of(await explainedDecision(ledger, id), market),
    }),
    market_upper_bound: read({
      description:
        'The maximum profit from all pools together at this block, whatever the route: the convex optimum over all trades, by its dual, with the prices that prove it. Use it to see what share single cycles capture.',
      keywords: 'theoretical maximum, the most that could be earned, joint optimum',
      input: {
        maxIterations: z.int().min(10).max(2_000).default(400).describe('iterations at most (10 to 2000)'),
        ...page(500, 20),
      },
      output: marketBound.schema,
      examples: [{}],
      run: ({ maxIterations, ...paging }, { market }) =>
        marketBound.of(boundOf(market, maxIterations), paging, market),
    }),
    scan_statistics: read({
      description:
        'What the detector did over the last blocks: cycles searched, opportunities found, time from block to result (median and 99th percentile), and the last opportunities with their ids, newest first.',
      keywords: 'how long a scan takes, cycles searched per block, is detection keeping up with blocks',
      input: page(100, 3),
      output: { ...detectionStatistics.schema.shape, ...paged('recent', opportunity.schema) },
      examples: [{ limit: 2 }],
      run: (paging, { market, state: { detections } }) => {
        const all = detections.recent(Number.POSITIVE_INFINITY)
        const wanted = all.slice(paging.offset, paging.offset + paging.limit)
        const recent = wanted.map(({ opportunity: found }) => opportunity.of(found, market))
        return {
          ...detectionStatistics.of(detections.statistics()),
          ...pageOf('recent', recent, all.length, paging),
        }
      },
    }),
  }),
})
