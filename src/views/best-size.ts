/** The best size of an opportunity, its profit at other sizes, and its prediction, as they are shown. */
import * as z from 'zod'
import type { Opportunity } from '../arbitrage/index.ts'
import { atSize } from '../engine/trading/opportunities.ts'
import { meetingTargets, type Predicted, type ProfitPrediction } from '../engine/trading/profit-prediction.ts'
import type { ProfitTargets } from '../engine/trading/profit-targets.ts'
import { block, type Page, paged, paginate, tokenAmount } from '../mcp/fields.ts'
import type { MarketView } from '../ports/market.ts'
import type { LoanMarket } from '../ports/ports.ts'
import { nothingPays, opportunity } from './opportunities.ts'
import { profitPrediction, profitTargets } from './profit.ts'
import { view } from './view.ts'

const chosen = view(
  z.object({
    block: block(),
    opportunity: opportunity.schema.nullable().describe('null if none pays'),
    reason: z.string().nullable().describe('why there is none; null if there is one'),
  }),
  (found: Opportunity | undefined, market: MarketView) => ({
    block: market.head.number,
    opportunity: found ? opportunity.of(found, market) : null,
    reason: found ? null : nothingPays(market),
  }),
)
const profit = () =>
  tokenAmount().nullable().describe('after the premium; null if a pool refuses or nothing is left')

/** A size in smallest units of the first cycle, with its profit. */
function sized(found: Opportunity, size: bigint, market: MarketView, loans: LoanMarket) {
  const at = atSize(found, size, market, loans)
  return {
    amountIn: market.amount(found.token, size),
    profit: at ? market.amount(found.token, at.profit) : null,
  }
}

const sizeOf = (found: Opportunity) => found.cycles[0]?.amounts[0] ?? 0n

/** An opportunity with the profit at its size, at half and at double of it. */
export const bestSize = view(
  z.object({
    ...chosen.schema.shape,
    bestAmount: tokenAmount().nullable(),
    profit: profit(),
    profitAtHalf: profit(),
    profitAtDouble: profit(),
  }),
  (found: Opportunity | undefined, market: MarketView, loans: LoanMarket) => {
    const at = (of: (size: bigint) => bigint) =>
      found ? sized(found, of(sizeOf(found)), market, loans) : undefined
    const best = at((size) => size)
    return {
      ...chosen.of(found, market),
      bestAmount: best?.amountIn ?? null,
      profit: best?.profit ?? null,
      profitAtHalf: at((size) => size / 2n)?.profit ?? null,
      profitAtDouble: at((size) => size * 2n)?.profit ?? null,
    }
  },
)

/** An opportunity with what it is expected to leave. */
export const predictedOpportunity = view(
  z.object({ ...chosen.schema.shape, prediction: profitPrediction.schema.nullable() }),
  (found: Opportunity | undefined, prediction: ProfitPrediction | undefined, market: MarketView) => ({
    ...chosen.of(found, market),
    prediction: prediction ? profitPrediction.of(prediction, market) : null,
  }),
)

/** The opportunities that meet the profit targets, a page of them. */
export const targetedOpportunities = view(
  z.object({
    targets: profitTargets.schema,
    block: block(),
    failed: z.object({
      expectedProfit: z.int().describe('number of opportunities below the minimum profit'),
      chance: z.int().describe('number of opportunities below the minimum chance'),
    }),
    ...paged('kept', predictedOpportunity.schema),
  }),
  (all: readonly Predicted[], targets: ProfitTargets, paging: Page, market: MarketView) => {
    const { kept, failed } = meetingTargets(all, targets)
    const shown = kept.map(({ found, prediction }) => predictedOpportunity.of(found, prediction, market))
    return {
      targets: profitTargets.of(targets, market),
      block: market.head.number,
      failed,
      ...paginate('kept', shown, paging),
    }
  },
)

/** The profit of an opportunity over its size; no points if none pays. */
export const profitCurve = view(
  z.object({
    block: block(),
    reason: chosen.schema.shape.reason,
    bestAmount: tokenAmount().nullable(),
    points: z.array(z.object({ amountIn: tokenAmount(), profit: profit() })),
  }),
  (found: Opportunity | undefined, points: number, market: MarketView, loans: LoanMarket) => {
    const size = found ? sizeOf(found) : 0n
    const sizes = Array.from(
      { length: points },
      (_, index) => (size * BigInt(1 + Math.round((199 * index) / (points - 1)))) / 100n,
    )
    const { block, reason } = chosen.of(found, market)
    return {
      block,
      reason,
      bestAmount: found ? market.amount(found.token, size) : null,
      points: found ? sizes.filter((each) => each > 0n).map((each) => sized(found, each, market, loans)) : [],
    }
  },
)
