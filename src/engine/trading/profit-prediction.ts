/**
 * The expected profit of an opportunity: net of premium, gas as a distribution, and the chance of being
 * first.
 */
import { bestBid, gasExpectation, type Learned, type Opportunity } from '../../arbitrage/index.ts'
import type { MarketView } from '../../ports/market.ts'
import { nativeNumbers } from './opportunities.ts'
import type { ProfitTargets } from './profit-targets.ts'

/** The minimum tip, in wei per gas. */
const MIN_PRIORITY = 1e7

/** Amounts in native wei. */
export interface ProfitPrediction {
  /** After the premium, before gas. */
  readonly gross: number
  /** In units of gas: the mean, the highest 1 % of what was seen, and the mean of a revert. */
  readonly gas: { readonly mean: number; readonly high: number; readonly reverted: number }
  /** Share of the profit that is bid, and the tip per gas. */
  readonly bid: { readonly share: number; readonly priority: number }
  readonly chance: number
  /** Chance times what is left after gas, less what a revert would burn. */
  readonly expected: number
  /** Number of final transactions that it was learned from. */
  readonly learnedFrom: number
}

/** Predicts with the best bid of at most `maxBidShare` of the profit. */
export function predictProfit(
  found: Opportunity,
  market: MarketView,
  learned: Learned,
  { maxBidShare }: Pick<ProfitTargets, 'maxBidShare'>,
): ProfitPrediction {
  const { gross, gasUnits } = nativeNumbers(found, market)
  const { mean, high, reverted } = gasExpectation(learned)
  const { share, priority, chance, expected } = bestBid(learned, {
    gross,
    gasEstimate: gasUnits,
    baseFee: Number(market.head.baseFeePerGas),
    minPriority: MIN_PRIORITY,
    maxShare: maxBidShare,
  })
  const gas = { mean: gasUnits * mean, high: gasUnits * high, reverted: gasUnits * reverted }
  return { gross, gas, bid: { share, priority }, chance, expected, learnedFrom: learned.length }
}

/** An opportunity with its prediction. */
export interface Predicted {
  readonly found: Opportunity
  readonly prediction: ProfitPrediction
}

/** Those that meet the targets, and how many fail which; one may fail both. */
export function meetingTargets(all: readonly Predicted[], { minNetNative, minChance }: ProfitTargets) {
  const pays = ({ prediction }: Predicted) => prediction.expected / 1e18 > minNetNative
  const likely = ({ prediction }: Predicted) => prediction.chance >= minChance
  return {
    kept: all.filter((each) => pays(each) && likely(each)),
    failed: {
      expectedProfit: all.filter((each) => !pays(each)).length,
      chance: all.filter((each) => !likely(each)).length,
    },
  }
}
