/** The whole trade behind one door: find it, simulate it, have it executed, see what became of it and what it earned. */

import * as z from 'zod'
import { type Opportunity, refusedBy } from '../../arbitrage/index.ts'
import { findToken, tokenAt } from '../../engine/market/tokens.ts'
import { EXECUTION_STATES, executionStatus } from '../../engine/trading/execution-status.ts'
import { findOpportunities, nativeNumbers } from '../../engine/trading/opportunities.ts'
import type { LenderKind } from '../../flash/index.ts'
import { defineServer } from '../../mcp/define.ts'
import { limit, offset, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { EXECUTOR, executeOpportunity, executionAnswer } from '../../views/execution.ts'
import { opportunity } from '../../views/opportunities.ts'

const choice = {
  token: token().optional().describe('only trades that earn this token'),
  lender: z
    .enum(['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2', 'own-capital'])
    .optional()
    .describe('only with a loan of this lender'),
  maxHops: z.int().min(2).max(4).default(3).describe('longest cycle, in pools'),
}
type Choice = { token?: string | undefined; lender?: LenderKind | undefined; maxHops: number }

function find(
  market: MarketView,
  loans: LoanMarket,
  { token, lender, maxHops }: Choice,
  most: number,
): Opportunity[] {
  const wanted = token === undefined ? undefined : findToken(market.manifest, token).address
  return findOpportunities(market, loans, { maxHops, limit: 100, ...(lender ? { lender } : {}) })
    .found.filter((item) => wanted === undefined || item.token === wanted)
    .slice(0, most)
}

const withNumbers = z.object({
  opportunity: opportunity.schema,
  gasUnits: z.int(),
  netNative: z.number().describe('profit less gas at the present base fee, in whole native coins'),
})

const show = (market: MarketView) => (found: Opportunity) => {
  const { gross, gas, gasUnits } = nativeNumbers(found, market)
  return { opportunity: opportunity.of(found, market), gasUnits, netNative: (gross - gas) / 1e18 }
}

const status = z.object({
  id: z.string(),
  state: z.enum(EXECUTION_STATES),
  summary: z.string(),
  hash: z.string().nullable(),
  realisedProfit: z.string().nullable(),
  token: z.string(),
  gasCost: z.string().nullable(),
})

export default defineServer({
  id: 'working_flash_loan_mcp',
  needs: ['market', 'loans', 'ledger', 'fleet'],
  tools: ({ read, spend }) => ({
    detect_arbitrage: read({
      description:
        'The trades that pay right now, best first, each with route, exact size, cheapest loan, gas and what is left.',
      keywords: 'gap between two exchanges, is there any arbitrage right now',
      input: { ...choice, limit: limit(50, 10) },
      output: { block: z.int(), observedAt: z.int(), found: z.array(withNumbers) },
      examples: [{ limit: 3 }],
      run: ({ limit: most, ...input }, { market, loans }) => ({
        block: market.head.number,
        observedAt: market.observedAt,
        found: find(market, loans, input, most).map(show(market)),
      }),
    }),
    simulate_trade: read({
      description:
        'Takes the best trade of now through everything but sending: the rules, the contract on the pending block, the profit that would come out. Needs the token, as it uses the executor.',
      keywords: 'what happens if we execute this, try out a trade on a fork',
      guarded: true,
      input: choice,
      output: executionAnswer,
      examples: [{}],
      run: (input, { market, loans, fleet, signal }) =>
        executeOpportunity(fleet, market, find(market, loans, input, 1)[0], true, signal),
    }),
    execute_arbitrage: spend({
      description:
        'Has the best trade of now executed: judged by every rule, simulated, signed by the signer within its caps, sent. Atomic: it earns or reverts. Says why where it was not sent.',
      approval: {
        skipWhen: ({ dryRun }) => dryRun,
        preview: (input, { market, loans, fleet, signal }) =>
          executeOpportunity(fleet, market, find(market, loans, input, 1)[0], true, signal),
      },
      keywords: 'send the trade, do it now, full cycle with borrowed money',
      input: { ...choice, dryRun: z.boolean().default(false).describe('judge and simulate only') },
      output: executionAnswer,
      examples: [{ dryRun: true }],
      run: ({ dryRun, ...input }, { market, loans, fleet, signal }) =>
        executeOpportunity(fleet, market, find(market, loans, input, 1)[0], dryRun, signal),
    }),
    execution_status: read({
      description:
        'The state of one trade by the id of its decision: refused and why, in flight, final with what it earned and burned, or never mined (lost with its chain, or expired).',
      keywords: 'what became of my transaction, was it confirmed, mined, reverted',
      input: {
        id: z.string().regex(/^opp_[0-9a-f]{20}$/, 'expected an id such as opp_ and 20 hexadecimal digits'),
      },
      output: status.shape,
      examples: [{ id: 'opp_00000000000000000000' }],
      run: ({ id }, { market, ledger }) => executionStatus(id, market, ledger),
    }),
    opportunities: read({
      description:
        'The last opportunities that were judged, newest first: traded, or refused at which stage and by which rule.',
      keywords: 'recent opportunities and what was decided, what we saw in the last blocks',
      input: {
        verdict: z.enum(['trade', 'refuse']).optional(),
        limit: limit(200, 20),
        offset: offset(),
      },
      output: {
        opportunities: z.array(
          z.object({
            id: z.string(),
            block: z.int(),
            verdict: z.string(),
            refusedBy: z.string().nullable(),
            outcome: z
              .object({ stage: z.string(), reason: z.string() })
              .describe('how far it got, and why no further'),
            profit: z.string(),
            token: z.string(),
            lender: z.string(),
          }),
        ),
      },
      examples: [{ limit: 3 }],
      run: async ({ verdict, limit: most, offset: skip }, { market, ledger }) => ({
        opportunities: (
          await ledger.decisions({ limit: most, offset: skip, ...(verdict ? { verdict } : {}) })
        ).map(({ id, opportunity: found, decision, outcome }) => ({
          id,
          block: found.block,
          verdict: decision.verdict,
          refusedBy: refusedBy({ decision, outcome }),
          outcome: { ...outcome },
          profit: String(found.profit),
          token: tokenAt(market.manifest, found.token).symbol,
          lender: found.loan.kind,
        })),
      }),
    }),
    profit_analysis: read({
      description: `What was earned, from the ledger: by outcome, by lender and by route, gas included; only what is final counts. ${EXECUTOR} books it.`,
      keywords: 'how much did we earn today, profit per route and per day, revenue, pnl, win rate',
      input: { limit: limit(1_000, 500).describe('look at so many of the last trades') },
      output: {
        trades: z.int(),
        profitNative: z.number(),
        gasNative: z.number(),
        netNative: z.number(),
        byOutcome: z.record(z.string(), z.object({ trades: z.int(), netNative: z.number() })),
        byLender: z.record(z.string(), z.object({ trades: z.int(), netNative: z.number() })),
        bestRoutes: z.array(z.object({ route: z.string(), trades: z.int(), netNative: z.number() })),
        predictedExactly: z
          .number()
          .nullable()
          .describe(
            'of the trades that nothing moved, the share whose profit was the predicted one to the unit',
          ),
      },
      examples: [{}],
      run: async ({ limit: most }, { ledger }) => {
        const trades = await ledger.trades({ limit: most })
        const net = (list: typeof trades) =>
          list.reduce((sum, { profitNative, gasCost }) => sum + profitNative - Number(gasCost) / 1e18, 0)
        const grouped = (key: (trade: (typeof trades)[number]) => string) =>
          [...Map.groupBy(trades, key)].map(
            ([name, list]) => [name, { trades: list.length, netNative: net(list) }] as const,
          )
        const quiet = trades.filter(({ outcome }) => outcome === 'as-predicted')
        return {
          trades: trades.length,
          profitNative: trades.reduce((sum, trade) => sum + trade.profitNative, 0),
          gasNative: trades.reduce((sum, trade) => sum + Number(trade.gasCost) / 1e18, 0),
          netNative: net(trades),
          byOutcome: Object.fromEntries(grouped(({ outcome }) => outcome)),
          byLender: Object.fromEntries(grouped(({ lender }) => lender || 'none')),
          bestRoutes: grouped(({ route }) => route)
            .map(([route, numbers]) => ({ route, ...numbers }))
            .sort((a, b) => b.netNative - a.netNative)
            .slice(0, 10),
          predictedExactly:
            quiet.length === 0
              ? null
              : quiet.filter((trade) => trade.predictedProfit === trade.realisedProfit).length / quiet.length,
        }
      },
    }),
  }),
})
