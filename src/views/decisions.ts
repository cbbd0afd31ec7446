/**
 * Decisions of the executor as tools show them: in words and in human units. `decision-record.ts` has the
 * whole record.
 */
import * as z from 'zod'
import { readableRule, refusalTexts, refusedBy, weiText } from '../arbitrage/index.ts'
import { type CycleSizes, cycleSizes } from '../engine/trading/opportunities.ts'
import { at, block, lender, rounded, time, tokenAmount } from '../mcp/fields.ts'
import type { DecisionRecord } from '../ports/ledger.ts'
import type { MarketView } from '../ports/market.ts'
import { opportunity } from './opportunities.ts'
import { view } from './view.ts'

/** Cycles of an opportunity that an explanation shows, so that its answer fits a model. */
const MAX_EXPLAINED_CYCLES = 2

const verdict = () => z.enum(['trade', 'refuse'])
const reason = () =>
  z.string().describe('why it was not sent, in words; empty for a trade that was sent or is about to be')

const reasonOf = (record: DecisionRecord, market: MarketView) =>
  refusalTexts(record, market.manifest.nativeSymbol).join('; ')

/** One decision in a list. */
export const decisionSummary = view(
  z.object({
    id: z.string().describe('explain_opportunity and execution_status take it'),
    block: block(),
    ...time('decidedAt'),
    verdict: verdict(),
    refusedBy: z
      .string()
      .nullable()
      .describe('the first rule that refused it, or the stage that it did not pass; null for a trade'),
    stage: z.string().describe('how far it got: rules, simulation, signing, recording, sending or sent'),
    reason: reason(),
    profit: tokenAmount().describe('promised after the premium, before gas'),
    lender: lender(),
  }),
  (record: DecisionRecord, market: MarketView) => ({
    id: record.id,
    block: record.opportunity.block,
    ...at('decidedAt', record.decidedAt),
    verdict: record.decision.verdict,
    refusedBy: refusedBy(record),
    stage: record.outcome.stage,
    reason: reasonOf(record, market),
    profit: market.amount(record.opportunity.token, record.opportunity.profit),
    lender: record.opportunity.loan.kind,
  }),
)

/** An amount of the native coin, with its symbol. */
const nativeText = (market: MarketView, wei: bigint): string => weiText(wei, market.manifest.nativeSymbol)

const sizes = view(
  z.object({
    chosen: tokenAmount(),
    profit: tokenAmount().nullable(),
    profitAtHalf: tokenAmount().nullable(),
    profitAtDouble: tokenAmount().nullable(),
  }),
  ({ token, chosen, profit, half, double }: CycleSizes, market: MarketView) => {
    const amount = (raw: bigint | undefined) => (raw === undefined ? null : market.amount(token, raw))
    return {
      chosen: market.amount(token, chosen),
      profit: amount(profit),
      profitAtHalf: amount(half),
      profitAtDouble: amount(double),
    }
  },
)

/**
 * One decision with what led to it: its failed rules, its numbers, its size. At most about 4,000 characters.
 */
export const decisionExplanation = view(
  z.object({
    ...decisionSummary.schema.omit({ profit: true, lender: true }).shape,
    summary: z.string(),
    failedRules: z
      .array(z.object({ rule: z.string(), got: z.string(), needed: z.string() }))
      .describe('the rules of the guard that it failed'),
    passedRules: z.int().describe('number of rules of the guard that it passed'),
    numbers: z.object({
      gross: z.string().describe('profit after the premium, before gas, in the native coin'),
      gasCost: z.string().describe('at the bid, with the data fee, in the native coin'),
      net: z.string().describe('gross less gasCost, in the native coin'),
      expected: z
        .string()
        .describe('net times the chance, less what a revert would burn, in the native coin'),
      gasUnits: z.int(),
      bidSharePercent: z.number().describe('share of the profit that is bid'),
      chancePercent: z.number().describe('chance to be first'),
    }),
    size: sizes.schema.describe(
      'why this size: gross profits of the first cycle at this, half and double the size, on the pools as they are now; null where they no longer trade it',
    ),
    policies: z.record(z.string(), z.int().nullable()).describe('versions of the policies in force'),
    opportunity: opportunity.schema.extend({
      omittedCycles: z.int().describe('further cycles; GET /opportunities/{id} of the gateway has them'),
    }),
  }),
  (record: DecisionRecord, market: MarketView) => {
    const { opportunity: found, decision } = record
    const { numbers, rules } = decision
    const shown = opportunity.of(found, market)
    const { profit: _, lender: __, ...summary } = decisionSummary.of(record, market)
    const net = nativeText(market, numbers.netNative)
    // Decisions of earlier versions lack the share that was bid and the chance.
    const { bidShare = 0, chance = 0 } = numbers
    return {
      ...summary,
      summary:
        decision.verdict === 'trade'
          ? `Every rule passed, so it was sent; net of gas it promised ${net}.`
          : `It was not sent: ${summary.reason}.`,
      failedRules: rules
        .filter(({ ok }) => !ok)
        .map((rule) => {
          const { ok: _, ...failed } = readableRule(rule, market.manifest.nativeSymbol)
          return failed
        }),
      passedRules: rules.filter(({ ok }) => ok).length,
      numbers: {
        gross: nativeText(market, numbers.grossNative),
        gasCost: nativeText(market, numbers.gasCost),
        net,
        expected: nativeText(market, numbers.expectedNative),
        gasUnits: numbers.gasEstimate,
        bidSharePercent: rounded(100 * bidShare),
        chancePercent: rounded(100 * chance),
      },
      size: sizes.of(cycleSizes(found, market), market),
      policies: decision.policies,
      opportunity: {
        ...shown,
        cycles: shown.cycles.slice(0, MAX_EXPLAINED_CYCLES),
        omittedCycles: Math.max(0, shown.cycles.length - MAX_EXPLAINED_CYCLES),
      },
    }
  },
)
