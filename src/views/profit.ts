/** Profit as it is shown: predicted, wanted, and booked. */
import * as z from 'zod'
import type { ProfitAnalysis, ProfitBy } from '../engine/books/profit-analysis.ts'
import type { ProfitPrediction } from '../engine/trading/profit-prediction.ts'
import type { ProfitTargets } from '../engine/trading/profit-targets.ts'
import { at, rounded, time } from '../mcp/fields.ts'
import type { MarketView } from '../ports/market.ts'
import { view } from './view.ts'

/** Symbol of the native coin, for answers with amounts in whole native coins. */
export const native = () => z.string().describe('symbol of the native coin, in which `...Native` is counted')

/** The expected profit of an opportunity. */
export const profitPrediction = view(
  z.object({
    native: native(),
    grossNative: z.number().describe('after the premium, before gas, in whole native coins'),
    gasUnits: z.object({
      mean: z.int().describe('gas units'),
      high: z.int().describe('gas units: the highest 1 % of what was seen'),
      ifReverted: z.int().describe('gas units'),
    }),
    bid: z.object({
      share: z.number().describe('of the profit, 0 to 1'),
      priorityFeeGwei: z.number().describe('per unit of gas'),
    }),
    chance: z.number().describe('chance of being first, 0 to 1, learned from our own receipts'),
    expectedNative: z
      .number()
      .describe('chance times what is left after gas, less what a revert would burn, in whole native coins'),
    learnedFrom: z.int().describe('number of final transactions that it was learned from; 0: a guess'),
  }),
  ({ gross, gas, bid, chance, expected, learnedFrom }: ProfitPrediction, market: MarketView) => ({
    native: market.manifest.nativeSymbol,
    grossNative: rounded(gross / 1e18),
    gasUnits: {
      mean: Math.round(gas.mean),
      high: Math.round(gas.high),
      ifReverted: Math.round(gas.reverted),
    },
    bid: { share: bid.share, priorityFeeGwei: rounded(bid.priority / 1e9) },
    chance: rounded(chance),
    expectedNative: rounded(expected / 1e18),
    learnedFrom,
  }),
)

/** The targets of a trade as they can be changed. */
export const targetFields = {
  minNetNative: z.number().min(0).max(1e9).describe('minimum expected profit, in whole native coins'),
  minChance: z.number().min(0).max(1).describe('minimum chance of being first, 0 to 1'),
  maxBidShare: z
    .number()
    .min(0)
    .max(1)
    .describe('maximum share of the profit that may be bid as priority fee, 0 to 1'),
}

/** What is wanted from a trade. */
export const profitTargets = view(
  z.object({ native: native(), ...targetFields }),
  (targets: ProfitTargets, market: MarketView) => ({ native: market.manifest.nativeSymbol, ...targets }),
)

const sum = () =>
  z.object({ trades: z.int(), netNative: z.number().describe('profit less gas, in whole native coins') })

/** Routes that an answer lists, and the characters of each. */
const MAX_ROUTES = 5
const MAX_ROUTE_CHARACTERS = 300

/** What was booked in a span, and what it consists of. */
export const profitAnalysis = view(
  z.object({
    ...time('since'),
    ...time('until'),
    summary: z.string(),
    native: native(),
    quote: z.string().describe('symbol of the quote token'),
    trades: z.int().describe('final transactions in the span, failed ones included'),
    profitNative: z.number(),
    gasNative: z.number(),
    netNative: z.number().describe('profit less gas, in whole native coins'),
    profitValue: z.number().describe('in whole quote tokens, as valued at booking, before gas'),
    analysedTrades: z.int().describe('the newest trades of the span, which the fields below cover'),
    byOutcome: z.record(z.string(), sum()),
    byLender: z.record(z.string(), sum()),
    bestRoutes: z
      .array(z.object({ route: z.string(), ...sum().shape }))
      .describe(`the ${MAX_ROUTES} that earned most`),
    predictedExactly: z
      .number()
      .nullable()
      .describe(
        'of the trades that nothing moved, the share whose profit was the predicted one to the unit; null without such trades',
      ),
  }),
  (found: ProfitAnalysis, market: MarketView) => {
    const { nativeSymbol, numeraire } = market.manifest
    const { trades, profitNative, gasNative, profitValue } = found
    const netNative = rounded(profitNative - gasNative)
    const quote = market.symbol(numeraire)
    return {
      ...at('since', found.since),
      ...at('until', found.until),
      summary: `${trades} trades earned ${netNative} ${nativeSymbol} after ${rounded(gasNative)} ${nativeSymbol} of gas; their profit before gas was worth ${rounded(profitValue)} ${quote}`,
      native: nativeSymbol,
      quote,
      trades,
      profitNative: rounded(profitNative),
      gasNative: rounded(gasNative),
      netNative,
      profitValue: rounded(profitValue),
      analysedTrades: found.analysed,
      byOutcome: Object.fromEntries(shown(found.byOutcome)),
      byLender: Object.fromEntries(shown(found.byLender)),
      bestRoutes: shown(found.byRoute)
        .slice(0, MAX_ROUTES)
        .map(([route, sums]) => ({ route: shortened(route), ...sums })),
      predictedExactly: found.predictedExactly === null ? null : rounded(found.predictedExactly),
    }
  },
)

const shown = (by: ProfitBy) =>
  by.map(([name, { trades, netNative }]) => [name, { trades, netNative: rounded(netNative) }] as const)

const shortened = (route: string) =>
  route.length > MAX_ROUTE_CHARACTERS ? `${route.slice(0, MAX_ROUTE_CHARACTERS - 1)}…` : route
