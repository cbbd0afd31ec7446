/** The whole trade in one server: find it, simulate it, have it executed, follow it, and what was earned. */
import * as z from 'zod'
import { analyseProfit } from '../../engine/books/profit-analysis.ts'
import { executionStatus } from '../../engine/trading/execution-status.ts'
import { matchingOpportunities } from '../../engine/trading/opportunities.ts'
import { type Context, defineServer } from '../../mcp/define.ts'
import { decisionId, hours, lender, maxHops, page, paged, pageOf, paginate, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { decisionSummary } from '../../views/decisions.ts'
import { aDecision, NO_DECISION } from '../../views/examples.ts'
import { EXECUTOR, executeOpportunity, executionAnswer, executionState } from '../../views/execution.ts'
import { pricedOpportunity } from '../../views/opportunities.ts'
import { observation } from '../../views/prices.ts'
import { native, profitAnalysis } from '../../views/profit.ts'

const choice = {
  token: token().optional().describe('only trades that earn this token'),
  lender: lender().optional().describe('only with a loan of this lender'),
  maxHops: maxHops(),
}
type Choice = z.output<z.ZodObject<typeof choice>>
const unknownToken = { token: 'NOPE' }

const matching = ({ token: text, ...filter }: Choice, market: MarketView, loans: LoanMarket) => {
  const token = text === undefined ? undefined : market.token(text).address
  return matchingOpportunities(market, loans, { ...filter, token })
}

const execute = (
  wanted: Choice,
  { market, loans, fleet, signal }: Context<'market' | 'loans' | 'fleet'>,
  dryRun: boolean,
) => executeOpportunity(fleet, market, matching(wanted, market, loans)[0], dryRun, signal)

export default defineServer({
  id: 'working_flash_loan_mcp',
  needs: ['market', 'loans', 'ledger', 'fleet'],
  tools: ({ read, spend }) => ({
    detect_arbitrage: read({
      description:
        'The trades that pay now, best first, at most 12, each with route, exact size, cheapest loan, gas and what is left after gas.',
      keywords: 'gap between two exchanges, is there any arbitrage right now',
      input: { ...choice, ...page(50, 2) },
      output: { ...observation.schema.shape, native: native(), ...paged('found', pricedOpportunity.schema) },
      examples: [{ limit: 1 }],
      refusals: [[unknownToken, 'unknown-symbol']],
      run: ({ limit, offset, ...wanted }, { market, loans }) => {
        const found = matching(wanted, market, loans).map((each) => pricedOpportunity.of(each, market))
        const coin = market.manifest.nativeSymbol
        return { ...observation.of(market), native: coin, ...paginate('found', found, { limit, offset }) }
      },
    }),
    simulate_trade: read({
      description:
        'Takes the best trade of now through everything but sending: the rules, the contract on the pending block, and the profit of the simulation. Needs a token, since it uses the executor.',
      keywords: 'what happens if we execute this, try out a trade on a fork',
      guarded: true,
      input: choice,
      output: executionAnswer,
      examples: [{}],
      refusals: [[unknownToken, 'unknown-symbol']],
      run: (wanted, context) => execute(wanted, context, true),
    }),
    execute_arbitrage: spend({
      description:
        'Has the best trade of now executed: judged by every rule, simulated, signed by the signer within its caps, sent. Atomic: it earns or reverts. With dryRun nothing is sent. The answer has the reasons if nothing was sent.',
      approval: {
        skipWhen: ({ dryRun }) => dryRun,
        preview: (wanted, context) => execute(wanted, context, true),
      },
      keywords: 'send the trade, do it now, full cycle with borrowed money',
      input: { ...choice, dryRun: z.boolean().default(false).describe('judge and simulate only') },
      output: executionAnswer,
      examples: [{ dryRun: true }],
      refusals: [[{ ...unknownToken, dryRun: true }, 'unknown-symbol']],
      run: ({ dryRun, ...wanted }, context) => execute(wanted, context, dryRun),
    }),
    execution_status: read({
      description:
        'The state of one trade by the id of its decision: refused and why, in flight, final with what it earned and burned, or never mined (lost with its chain, or expired).',
      keywords: 'what became of my transaction, was it confirmed, mined, reverted',
      input: { id: decisionId() },
      output: executionState.schema,
      examples: [aDecision()],
      refusals: [[{ id: NO_DECISION }, 'not-found']],
      run: async ({ id }, { market, ledger }) =>
        executionState.of(await executionStatus(id, market, ledger), market),
    }),
    opportunities: read({
      description:
        'The last opportunities that were judged, newest first: traded, or refused at which stage and why, in words.',
      keywords: 'recent opportunities and what was decided, last refusals, what we saw in the last blocks',
      input: { verdict: z.enum(['trade', 'refuse']).optional(), ...page(200, 8) },
      output: paged('opportunities', decisionSummary.schema),
      examples: [{ limit: 3 }, { verdict: 'trade', limit: 3 }],
      run: async ({ verdict, ...paging }, { market, ledger }) => {
        const filter = verdict ? { verdict } : {}
        const [records, total] = await Promise.all([
          ledger.decisions({ ...paging, ...filter }),
          ledger.countDecisions(filter),
        ])
        const shown = records.map((record) => decisionSummary.of(record, market))
        return pageOf('opportunities', shown, total, paging)
      },
    }),
    profit_analysis: read({
      description: `What was earned in the last hours, from the ledger: sums, and by outcome, lender and route, gas included. Only final transactions count; ${EXECUTOR} books them.`,
      keywords:
        'how much did we earn today, profit today, earnings, profit per route and per day, revenue, pnl, win rate',
      input: { hours: hours(87_600, 24) },
      output: profitAnalysis.schema,
      examples: [{}, { hours: 1 }],
      run: async ({ hours }, { market, ledger, now }) =>
        profitAnalysis.of(await analyseProfit(ledger, now() - hours * 3_600_000, now()), market),
    }),
  }),
})
