/** What a trade would really earn: net of premium, gas as a distribution, and the chance of being first. */

import * as z from 'zod'
import { bestBid, gasExpectation, type Learned, type Opportunity } from '../../arbitrage/index.ts'
import { findToken } from '../../engine/market/tokens.ts'
import { InclusionModel } from '../../engine/trading/inclusion-model.ts'
import { atSize, findOpportunities, nativeNumbers } from '../../engine/trading/opportunities.ts'
import { defineServer } from '../../mcp/define.ts'
import { limit, textAmount, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { opportunity } from '../../views/opportunities.ts'

const experiences = new InclusionModel()
let recalled: Promise<void> | undefined

/** Kept by this process, and told to the fleet: what people want from a trade. */
const targets = { minNetNative: 0, minChance: 0, mostBidShare: 0.4 }
const targetFields = {
  minNetNative: z.number().min(0).describe('least expected profit, in whole native coins'),
  minChance: z.number().min(0).max(1).describe('least chance of being first'),
  mostBidShare: z.number().min(0).max(1).describe('most of the profit that may be bid as priority fee'),
}

const prediction = z.object({
  grossNative: z.number().describe('after the premium, in whole native coins'),
  gasUnits: z.object({
    mean: z.int(),
    high: z.int().describe('the highest 1 % of what was seen'),
    ifReverted: z.int(),
  }),
  bid: z.object({ share: z.number(), priorityFeeGwei: z.number() }),
  chance: z.number().describe('to be first, learned from our own receipts'),
  expectedNative: z.number().describe('chance times what is left after gas, less what reverts would burn'),
  learnedFrom: z.int().describe('final transactions that this was learned from; 0 is a guess'),
})

function predict(found: Opportunity, market: MarketView, learned: Learned): z.output<typeof prediction> {
  const { gross, gasUnits } = nativeNumbers(found, market)
  const gas = gasExpectation(learned)
  const bid = bestBid(learned, {
    gross,
    gasEstimate: gasUnits,
    baseFee: Number(market.head.baseFeePerGas),
    minPriority: 1e7,
    maxShare: targets.mostBidShare,
  })
  return {
    grossNative: gross / 1e18,
    gasUnits: {
      mean: Math.round(gasUnits * gas.mean),
      high: Math.round(gasUnits * gas.high),
      ifReverted: Math.round(gasUnits * gas.reverted),
    },
    bid: { share: bid.share, priorityFeeGwei: bid.priority / 1e9 },
    chance: bid.chance,
    expectedNative: bid.expected / 1e18,
    learnedFrom: learned.length,
  }
}

const which = {
  token: token().optional().describe('only trades that earn this token'),
  rank: z.int().min(1).max(50).default(1).describe('the first, second, ... best opportunity of now'),
  maxHops: z.int().min(2).max(4).default(3),
}

function chosen(
  market: MarketView,
  loans: Parameters<typeof findOpportunities>[1],
  { token, rank, maxHops }: { token?: string | undefined; rank: number; maxHops: number },
): Opportunity {
  const wanted = token === undefined ? undefined : findToken(market.manifest, token).address
  const found = findOpportunities(market, loans, { maxHops, limit: 100 }).found.filter(
    (item) => wanted === undefined || item.token === wanted,
  )[rank - 1]
  if (!found)
    throw new KintsugiError(
      'nothing-pays',
      `block ${market.head.number}: there is no opportunity number ${rank} now`,
      {
        retry: 'later',
        hint: 'opportunities live for a block or two',
      },
    )
  return found
}

export default defineServer({
  id: 'profit_optimizer_mcp_server',
  needs: ['market', 'loans', 'ledger', 'bus'],
  // It answers before everything is recalled; what needs it waits.
  state: ({ ledger, bus }) => {
    const following = experiences.follow(ledger, bus)
    recalled = following.recalled
    return following
  },
  tools: ({ read, write }) => ({
    optimize_amount: read({
      description:
        'The best size of an opportunity of now, by its closed form, with what half and double the size would leave after the premium: the proof that it is the best.',
      keywords: 'what size should the trade have, best input amount',
      input: which,
      output: {
        block: z.int(),
        opportunity: opportunity.schema,
        bestAmount: textAmount(),
        profit: textAmount(),
        profitAtHalf: textAmount().nullable(),
        profitAtDouble: textAmount().nullable(),
      },
      examples: [{}],
      run: (input, { market, loans }) => {
        const found = chosen(market, loans, input)
        const at = (size: bigint) => atSize(found, size, market, loans)?.profit
        const [half, double] = [at(found.borrowed / 2n), at(found.borrowed * 2n)]
        return {
          block: market.head.number,
          opportunity: opportunity.of(found, market),
          bestAmount: String(found.borrowed),
          profit: String(found.profit),
          profitAtHalf: half === undefined ? null : String(half),
          profitAtDouble: double === undefined ? null : String(double),
        }
      },
    }),
    predict_profit: read({
      description:
        'What an opportunity of now is expected to leave: after premium, gas as a distribution, the best bid and the chance that it wins, learned from our receipts.',
      keywords: 'chance of success, expected profit after gas and competition, likely to earn',
      input: which,
      output: { block: z.int(), opportunity: opportunity.schema, prediction },
      examples: [{}],
      run: async (input, { market, loans }) => {
        await recalled
        const found = chosen(market, loans, input)
        return {
          block: market.head.number,
          opportunity: opportunity.of(found, market),
          prediction: predict(found, market, experiences.learned),
        }
      },
    }),
    profit_curve: read({
      description:
        'The profit of an opportunity of now over its size, exact at each point, from a hundredth of the best size to twice of it: a curve to plot.',
      keywords: 'plot profit against size, how profit falls when trading more',
      input: { ...which, points: z.int().min(3).max(100).default(20) },
      output: {
        block: z.int(),
        token: z.string(),
        bestAmount: textAmount(),
        points: z.array(
          z.object({
            amountIn: textAmount(),
            profit: textAmount().nullable().describe('null where nothing is left or a pool refuses'),
          }),
        ),
      },
      examples: [{ points: 5 }],
      run: ({ points, ...input }, { market, loans }) => {
        const found = chosen(market, loans, input)
        const sizes = Array.from(
          { length: points },
          (_, index) => (found.borrowed * BigInt(1 + Math.round((199 * index) / (points - 1)))) / 100n,
        )
        return {
          block: market.head.number,
          token: opportunity.of(found, market).token,
          bestAmount: String(found.borrowed),
          points: sizes
            .filter((size) => size > 0n)
            .map((size) => {
              const profit = atSize(found, size, market, loans)?.profit
              return { amountIn: String(size), profit: profit === undefined ? null : String(profit) }
            }),
        }
      },
    }),
    filter_opportunities: read({
      description:
        'The opportunities of now that meet the profit targets, each with its prediction, and how many fail which target.',
      keywords: 'only those above a minimum, filter by profit, token or size',
      input: { maxHops: which.maxHops, limit: limit(50, 10) },
      output: {
        block: z.int(),
        kept: z.array(z.object({ opportunity: opportunity.schema, prediction })),
        failed: z.object({ expectedProfit: z.int(), chance: z.int() }),
      },
      examples: [{ limit: 3 }],
      run: async ({ maxHops, limit: most }, { market, loans }) => {
        await recalled
        const all = findOpportunities(market, loans, { maxHops, limit: 100 }).found.map((found) => ({
          found,
          prediction: predict(found, market, experiences.learned),
        }))
        const poor = all.filter((item) => !(item.prediction.expectedNative > targets.minNetNative))
        const unlikely = all.filter((item) => item.prediction.chance < targets.minChance)
        const kept = all.filter((item) => !poor.includes(item) && !unlikely.includes(item))
        return {
          block: market.head.number,
          kept: kept.slice(0, most).map((item) => ({
            opportunity: opportunity.of(item.found, market),
            prediction: item.prediction,
          })),
          failed: { expectedProfit: poor.length, chance: unlikely.length },
        }
      },
    }),
    get_profit_targets: read({
      description: 'What filter_opportunities asks of a trade.',
      keywords: 'our profit goal, minimum profit settings, thresholds',
      input: {},
      output: targetFields,
      examples: [{}],
      run: () => ({ ...targets }),
    }),
    set_profit_targets: write({
      description:
        'Changes what filter_opportunities asks of a trade, until this service starts again. What the executor asks is set by its policies, not here.',
      keywords: 'change goals, raise the minimum profit',
      input: {
        minNetNative: targetFields.minNetNative.optional(),
        minChance: targetFields.minChance.optional(),
        mostBidShare: targetFields.mostBidShare.optional(),
      },
      output: targetFields,
      examples: [{ minChance: 0 }],
      run: (changes) =>
        Object.assign(
          targets,
          Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)),
        ),
    }),
  }),
})
