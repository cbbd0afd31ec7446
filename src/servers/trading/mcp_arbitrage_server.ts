/** Finds arbitrage: cycles over the live pool graph, each at its exact best size, and says why. */

import * as z from 'zod'
import { legsOf, outcomeText } from '../../arbitrage/index.ts'
import { findToken, humanPrice, humanValue, tokenAt } from '../../engine/market/tokens.ts'
import { detectionLog, detectionStatistics } from '../../engine/trading/detection-log.ts'
import { findOpportunities, searchOf } from '../../engine/trading/opportunities.ts'
import {
  cyclesOf,
  upperBound as jointBound,
  logRate,
  planCycles,
  type SizedCycle,
  sizeCycle,
  walkCycle,
} from '../../graph/index.ts'
import { defineServer } from '../../mcp/define.ts'
import { limit, signedTextAmount, textAmount, token } from '../../mcp/fields.ts'
import { KintsugiError } from '../../std/errors.ts'
import { leg, opportunity } from '../../views/opportunities.ts'

const detections = detectionLog(200)

export default defineServer({
  id: 'mcp_arbitrage_server',
  needs: ['market', 'loans', 'bus', 'ledger'],
  state: ({ bus }) => ({
    stop: bus.subscribe('opportunities', (detection) => detections.add(detection)),
  }),
  tools: ({ read }) => ({
    find_opportunities: read({
      description:
        'Opportunities that pay right now: every cycle of the pool graph at the present block, sized exactly for the cheapest loan, best first. Searches anew; for what the detector saw in recent blocks use scan_statistics.',
      keywords: 'what pays now, profitable trades, best arbitrage at the moment',
      input: {
        maxHops: z.int().min(2).max(4).default(3).describe('longest cycle, in pools'),
        minValue: z.number().min(0).default(0).describe('least profit, in quote units'),
        limit: limit(100, 20),
      },
      output: {
        block: z.int(),
        observedAt: z.int(),
        searchedCycles: z.int(),
        elapsedMs: z.number(),
        opportunities: z.array(opportunity.schema),
      },
      examples: [{ maxHops: 3, limit: 5 }],
      run: ({ maxHops, minValue, limit: most }, { market, loans }) => {
        const started = performance.now()
        const { searchedCycles, found } = findOpportunities(market, loans, { maxHops, limit: most })
        return {
          block: market.head.number,
          observedAt: market.observedAt,
          searchedCycles,
          elapsedMs: performance.now() - started,
          opportunities: found
            .map((item) => opportunity.of(item, market))
            .filter((item) => item.value >= minValue),
        }
      },
    }),
    find_cycles: read({
      description:
        'The cycles through one token, best marginal rate first, whether they pay or not: how far each is from paying, and its best size where it does, without loan or gas.',
      keywords: 'loops, triangular, round trips from a token, profitable cycles',
      input: {
        token: token(),
        maxHops: z.int().min(2).max(4).default(3),
        limit: limit(200, 20),
      },
      output: {
        block: z.int(),
        totalCycles: z.int(),
        cycles: z.array(
          z.object({
            route: z.array(leg.schema),
            edge: z.number().describe('logarithm of the marginal rate after fees; above 0 it pays'),
            amountIn: textAmount().nullable(),
            grossProfit: signedTextAmount().nullable(),
          }),
        ),
      },
      examples: [{ token: 'WETH', limit: 3 }],
      run: ({ token, maxHops, limit: most }, { market }) => {
        const start = findToken(market.manifest, token)
        const own = cyclesOf(market.pools.values(), {
          maxHops,
          startTokens: [start.address],
          onlyStartTokens: true,
        })
        const ranked = own
          .map((cycle) => ({ cycle, edge: logRate(cycle, market.pools) }))
          .filter((item) => Number.isFinite(item.edge))
          .sort((a, b) => b.edge - a.edge)
        return {
          block: market.head.number,
          totalCycles: own.length,
          cycles: ranked.slice(0, most).map(({ cycle, edge }) => {
            const sized = sizeCycle(cycle, market.pools)
            const route = legsOf(cycle, market.pools).map((item) => leg.of(item, market))
            return {
              route,
              edge,
              amountIn: sized ? String(sized.amounts[0]) : null,
              grossProfit: sized ? String(sized.grossProfit) : null,
            }
          }),
        }
      },
    }),
    explain_opportunity: read({
      description:
        'The story of one opportunity that the detector found: hop by hop with the rate before and after, why this size and not a larger one, the loan, each rule of the guard with its numbers, and what became of it.',
      keywords: 'why did we trade or not trade, reasons, which rule refused it',
      input: {
        id: z
          .string()
          .regex(
            /^opp_[0-9a-f]{20}$/,
            'expected an id such as opp_ and 20 hexadecimal digits, from scan_statistics or /opportunities',
          ),
      },
      output: {
        id: z.string(),
        block: z.int(),
        verdict: z.string(),
        summary: z.string(),
        outcome: z
          .object({ stage: z.string(), reason: z.string() })
          .describe(
            'how far it got: rules, simulation, signing, recording, sending or sent; and why no further',
          ),
        opportunity: opportunity.schema,
        size: z
          .object({
            chosen: textAmount(),
            profit: textAmount(),
            profitAtHalf: signedTextAmount(),
            profitAtDouble: signedTextAmount().nullable(),
          })
          .nullable()
          .describe(
            'profits of the first cycle at other sizes, on the pools as they are now; null where they no longer trade it',
          ),
        rules: z.array(z.object({ rule: z.string(), ok: z.boolean(), got: z.string(), needed: z.string() })),
        numbers: z.record(z.string(), z.string()),
        policies: z.record(z.string(), z.int().nullable()),
      },
      examples: [{ id: 'opp_00000000000000000000' }],
      run: async ({ id }, { market, ledger }) => {
        const record = await ledger.decision(id)
        if (!record)
          throw new KintsugiError('not-found', `no decision is recorded for ${id}`, {
            hint: 'GET /opportunities on the coordination system lists the last ones',
          })
        const { opportunity: found, decision } = record
        const [main] = found.cycles
        const chosen = main?.amounts[0] ?? 0n
        const profitAt = (size: bigint) => walkCycle(main?.legs ?? [], market.pools, size)?.grossProfit
        const [half, double] = [profitAt(chosen / 2n), profitAt(chosen * 2n)]
        return {
          id,
          block: found.block,
          verdict: decision.verdict,
          summary:
            decision.verdict === 'trade'
              ? `Every rule passed, so it was sent; net of gas it promised ${decision.numbers.netNative} wei.`
              : `It was ${outcomeText(record)}.`,
          outcome: { ...record.outcome },
          opportunity: opportunity.of(found, market),
          size:
            half === undefined
              ? null
              : {
                  chosen: String(chosen),
                  profit: String(found.profit),
                  profitAtHalf: String(half),
                  profitAtDouble: double === undefined ? null : String(double),
                },
          rules: [...decision.rules],
          numbers: Object.fromEntries(
            Object.entries(decision.numbers).map(([name, value]) => [name, String(value)]),
          ),
          policies: { ...decision.policies },
        }
      },
    }),
    market_upper_bound: read({
      description:
        'The most that could be earned from all pools together at this block, whatever the route: the convex optimum over all trades, by its dual. The prices that prove the bound come with it. Use it to see what share single cycles capture.',
      keywords: 'theoretical maximum, the most that could be earned, joint optimum',
      input: { maxIterations: z.int().min(10).max(2_000).default(400) },
      output: {
        block: z.int(),
        quote: z.string(),
        upperBound: z.number().describe('quote units, before gas; no trade over these pools earns more'),
        bestSingleCycle: z.number(),
        plan: z.number().describe('what a plan of several cycles takes, exact, before gas'),
        planCycles: z.int(),
        singleCycleShare: z.number().nullable(),
        planShare: z.number().nullable(),
        converged: z.boolean().describe('where false the bound holds but is not the least'),
        iterations: z.int(),
        elapsedMs: z.number(),
        prices: z.array(z.object({ symbol: z.string(), price: z.number() })),
      },
      examples: [{}],
      run: ({ maxIterations }, { market }) => {
        const started = performance.now()
        const start = new Map([...market.prices()].map(([token, found]) => [token, found.rate] as const))
        const search = searchOf(market, 4)
        const bound = jointBound(search.graph, market.manifest.numeraire, { start, maxIterations })
        search.setValues(bound.prices)
        search.search()
        const worthOf = (cycles: readonly SizedCycle[]) =>
          cycles.map(
            (sized) =>
              Number(sized.grossProfit) *
              search.valueOf((sized.hops[0] as SizedCycle['hops'][number]).tokenIn),
          )
        const values = worthOf(planCycles(search, { maxCycles: 64, worth: () => 0 }))
        const best = Math.max(0, ...worthOf(search.best(1)))
        const [upperBound, bestSingleCycle, plan] = [
          bound.value,
          best,
          values.reduce((sum, value) => sum + value, 0),
        ].map((value) => humanValue(market.manifest, value)) as [number, number, number]
        return {
          block: market.head.number,
          quote: tokenAt(market.manifest, market.manifest.numeraire).symbol,
          upperBound,
          bestSingleCycle,
          plan,
          planCycles: values.length,
          singleCycleShare: upperBound > 0 ? bestSingleCycle / upperBound : null,
          planShare: upperBound > 0 ? plan / upperBound : null,
          converged: bound.converged,
          iterations: bound.iterations,
          elapsedMs: performance.now() - started,
          prices: [...bound.prices].slice(0, 50).map(([token, value]) => ({
            symbol: tokenAt(market.manifest, token).symbol,
            price: humanPrice(market.manifest, tokenAt(market.manifest, token), value),
          })),
        }
      },
    }),
    scan_statistics: read({
      description:
        'What the detector did over the last blocks: cycles searched, opportunities found, time from block to result (median and 99th percentile), and the last opportunities with their ids.',
      keywords: 'how long a scan takes, cycles searched per block',
      input: { limit: limit(100, 10) },
      output: {
        ...detectionStatistics,
        recent: z.array(opportunity.schema),
      },
      examples: [{ limit: 3 }],
      run: ({ limit: most }, { market }) => ({
        ...detections.statistics(),
        recent: detections.recent(most).map(({ opportunity: found }) => opportunity.of(found, market)),
      }),
    }),
  }),
})
