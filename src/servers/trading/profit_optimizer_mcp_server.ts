/** What a trade would really earn: net of premium, gas as a distribution, and the chance of being first. */
import * as z from 'zod'
import { InclusionModel } from '../../engine/trading/inclusion-model.ts'
import { matchingOpportunities } from '../../engine/trading/opportunities.ts'
import { predictProfit } from '../../engine/trading/profit-prediction.ts'
import { profitTargets as savedTargets, saveProfitTargets } from '../../engine/trading/profit-targets.ts'
import { defineServer } from '../../mcp/define.ts'
import { maxHops, page, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { bestSize, predictedOpportunity, profitCurve, targetedOpportunities } from '../../views/best-size.ts'
import { profitTargets, targetFields } from '../../views/profit.ts'

const which = {
  token: token().optional().describe('only trades that earn this token'),
  rank: z.int().min(1).max(12).default(1).describe('1: the best opportunity of now, 2: the second, ...'),
  maxHops: maxHops(),
}
const unknownToken = [{ token: 'NOPE' }, 'unknown-symbol'] as const

/** The opportunity at that rank; undefined where none pays. */
const chosen = (
  { token: text, rank, maxHops }: z.output<z.ZodObject<typeof which>>,
  market: MarketView,
  loans: LoanMarket,
) => {
  const token = text === undefined ? undefined : market.token(text).address
  return matchingOpportunities(market, loans, { token, maxHops })[rank - 1]
}

export default defineServer({
  id: 'profit_optimizer_mcp_server',
  needs: ['market', 'loans', 'ledger', 'bus'],
  // It answers before the ledger is read; predictions wait for it.
  state: ({ ledger, bus }) => {
    const model = new InclusionModel()
    return { model, ...model.follow(ledger, bus) }
  },
  tools: ({ read, write }) => ({
    optimize_amount: read({
      description:
        'The best size of an opportunity of now, by its closed form, with the profits at half and double the size after the premium: the proof that it is the best. Of several cycles it covers the first, financed by itself.',
      keywords: 'what size should the trade have, best input amount',
      input: which,
      output: bestSize.schema,
      examples: [{}],
      refusals: [unknownToken],
      run: (input, { market, loans }) => bestSize.of(chosen(input, market, loans), market, loans),
    }),
    predict_profit: read({
      description:
        'The expected profit of an opportunity of now: after premium, with gas as a distribution, the best bid and the chance that it wins, learned from our receipts.',
      keywords: 'chance of success, expected profit after gas and competition, likely to earn',
      input: which,
      output: predictedOpportunity.schema,
      examples: [{}],
      refusals: [unknownToken],
      run: async (input, { market, loans, ledger, state }) => {
        const [targets] = await Promise.all([savedTargets(ledger), state.recalled])
        const found = chosen(input, market, loans)
        const prediction = found && predictProfit(found, market, state.model.learned, targets)
        return predictedOpportunity.of(found, prediction, market)
      },
    }),
    profit_curve: read({
      description:
        'The profit of an opportunity of now over its size, exact at each point, from a hundredth of the best size to twice of it: a curve to plot. Of several cycles it covers the first, financed by itself.',
      keywords: 'plot profit against size, how profit falls when trading more',
      input: { ...which, points: z.int().min(3).max(100).default(12).describe('number of sizes') },
      output: profitCurve.schema,
      examples: [{ points: 5 }],
      refusals: [unknownToken],
      run: ({ points, ...input }, { market, loans }) =>
        profitCurve.of(chosen(input, market, loans), points, market, loans),
    }),
    filter_opportunities: read({
      description:
        'The opportunities of now that meet the profit targets, each with its prediction, and how many fail which target.',
      keywords: 'only those above a minimum, filter by profit, token or size',
      input: { maxHops: maxHops(), ...page(50, 2) },
      output: targetedOpportunities.schema,
      examples: [{ limit: 1 }],
      run: async ({ maxHops, ...paging }, { market, loans, ledger, state }) => {
        const [targets] = await Promise.all([savedTargets(ledger), state.recalled])
        const all = matchingOpportunities(market, loans, { maxHops }).map((found) => ({
          found,
          prediction: predictProfit(found, market, state.model.learned, targets),
        }))
        return targetedOpportunities.of(all, targets, paging, market)
      },
    }),
    get_profit_targets: read({
      description:
        'The minimum profit and chance that filter_opportunities requires of a trade, and the maximum bid.',
      keywords: 'our profit goal, minimum profit settings, thresholds',
      input: {},
      output: profitTargets.schema,
      examples: [{}],
      run: async (_input, { market, ledger }) => profitTargets.of(await savedTargets(ledger), market),
    }),
    set_profit_targets: write({
      description:
        'Changes what filter_opportunities requires of a trade, for all instances and across restarts. The limits of the executor are in its policies, not here.',
      keywords: 'change goals, raise the minimum profit',
      idempotent: true,
      input: {
        minNetNative: targetFields.minNetNative.optional(),
        minChance: targetFields.minChance.optional(),
        maxBidShare: targetFields.maxBidShare.optional(),
      },
      output: profitTargets.schema,
      examples: [{ minChance: 0 }],
      refusals: [[{ minChance: 2 }, 'bad-argument']],
      run: async (changes, { market, ledger }) =>
        profitTargets.of(await saveProfitTargets(ledger, changes), market),
    }),
  }),
})
