/** Booked trades, trades on paper, and what they sum up to. */
import * as z from 'zod'
import { rawAmount, rounded, signedRawAmount } from '../mcp/fields.ts'
import type { PaperTotals, PaperTrade, ProfitPoint, Trade, TradeTotals } from '../ports/ledger.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import { view } from './view.ts'

/** One final transaction: what it earned, and what it cost. */
export const trade = view(
  z.object({
    hash: z.string(),
    block: z.int(),
    transactionIndex: z.int(),
    outcome: z.string().describe('as-predicted, state-moved, reverted or cancelled'),
    route: z.string(),
    legs: z.array(z.object({ pool: z.string(), dex: z.string(), tokenIn: z.string(), tokenOut: z.string() })),
    lender: z.string(),
    token: z.string().describe('address of the token earned'),
    symbol: z.string(),
    decimals: z.int(),
    amountIn: rawAmount(),
    predictedProfit: signedRawAmount(),
    realisedProfit: signedRawAmount(),
    profitValue: z.number().describe('realised, in whole quote tokens as valued at booking'),
    profitNative: z.number().describe('realised, in whole native coins as valued at booking'),
    gasUsed: rawAmount(),
    gasPrice: rawAmount().describe('wei'),
    gasCost: rawAmount().describe('wei'),
    predictedAtBlock: z.int(),
    decisionId: z.string().nullable(),
    nonce: z.int(),
    genesis: z.string(),
    bookedAt: z.number().describe('ms since 1970'),
  }),
  (booked: Trade) => booked,
)

/** A trade on paper, judged by the next block. */
export const paperTrade = view(
  z.object({
    decisionId: z.string(),
    genesis: z.string(),
    block: z.int(),
    route: z.string(),
    symbol: z.string(),
    decimals: z.int(),
    predictedProfit: signedRawAmount(),
    outcome: z.string(),
    netNative: z.number().describe('wei, net of gas'),
    reason: z.string(),
    judgedAt: z.number().describe('ms since 1970'),
  }),
  (judged: PaperTrade) => judged,
)

/**
 * Significant digits of a sum of trades: fewer than a float has, so that the order of summing does not show.
 */
const SUM_DIGITS = 12
const roundedSum = (value: number): number => rounded(value, SUM_DIGITS)

/** One point of the profit curve: everything booked up to and including `at`. */
export const profitPoint = view(
  z.object({
    at: z.number().describe('ms since 1970'),
    trades: z.int(),
    profitValue: z.number().describe('realised, in whole quote tokens as valued at booking'),
    profitNative: z.number().describe('realised, in whole native coins as valued at booking'),
    gasNative: z.number().describe('gas of all transactions, failed ones included, in whole native coins'),
    netNative: z.number().describe('profitNative less gasNative'),
  }),
  ({ at, trades, profitValue, profitNative, gasNative, netNative }: ProfitPoint) => ({
    at,
    trades,
    profitValue: roundedSum(profitValue),
    profitNative: roundedSum(profitNative),
    gasNative: roundedSum(gasNative),
    netNative: roundedSum(netNative),
  }),
)

/** Spans of the profit curve. */
export const PROFIT_RANGES = ['1h', '24h', 'all'] as const

/** Cumulative profit at evenly spaced points; the last one equals the booked totals. */
export const profitSeries = view(
  z.object({
    range: z.enum(PROFIT_RANGES),
    from: z.number().describe('ms since 1970'),
    until: z.number().describe('ms since 1970'),
    points: z.array(profitPoint.schema),
  }),
  (series: {
    range: (typeof PROFIT_RANGES)[number]
    from: number
    until: number
    points: readonly ProfitPoint[]
  }) => ({ ...series, points: series.points.map((point) => profitPoint.of(point)) }),
)

const byToken = z.record(z.string(), signedRawAmount()).describe('realised profit by token address')

/** What was earned and burned in all. */
export const tradeMetrics = view(
  z.object({
    tradesBooked: z.int(),
    profitable: z.int(),
    profitBooked: byToken,
    profit: z.array(
      z.object({ token: z.string(), symbol: z.string(), decimals: z.int(), amount: signedRawAmount() }),
    ),
    gasBooked: rawAmount().describe('wei, failed transactions included'),
    profitValue: z.number().describe('realised, in whole quote tokens'),
    profitNative: z.number().describe('realised, in whole native coins'),
    outcomes: z.record(z.string(), z.int()).describe('trades by outcome'),
    outcomeShares: z.record(z.string(), z.number()).describe('shares by outcome, 0 to 1'),
    paper: z.object({
      trades: z.int(),
      netNative: z.number().describe('whole native coins, net of gas'),
      outcomes: z.record(z.string(), z.int()),
    }),
    thisChain: z.object({ tradesBooked: z.int(), profitBooked: byToken, gasBooked: rawAmount() }),
  }),
  (
    totals: TradeTotals,
    paper: PaperTotals | null,
    thisChain: TradeTotals | null,
    manifest: MarketManifest | undefined,
  ) => ({
    tradesBooked: totals.tradesBooked,
    profitable: totals.profitable,
    profitBooked: totals.profitBooked,
    profit: Object.entries(totals.profitBooked).map(([address, amount]) => {
      const token = manifest?.tokens.find((each) => each.address === address)
      return { token: address, symbol: token?.symbol ?? address, decimals: token?.decimals ?? 18, amount }
    }),
    gasBooked: totals.gasBooked,
    profitValue: roundedSum(totals.profitValue),
    profitNative: roundedSum(totals.profitNative),
    outcomes: totals.outcomes,
    outcomeShares: Object.fromEntries(
      Object.entries(totals.outcomes).map(([name, count]) => [name, count / totals.tradesBooked]),
    ),
    paper: {
      trades: paper?.trades ?? 0,
      netNative: (paper?.netNative ?? 0) / 1e18,
      outcomes: paper?.outcomes ?? {},
    },
    thisChain: {
      tradesBooked: thisChain?.tradesBooked ?? 0,
      profitBooked: thisChain?.profitBooked ?? {},
      gasBooked: thisChain?.gasBooked ?? 0n,
    },
  }),
)
