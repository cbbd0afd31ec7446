/** A decision of the executor, whole: every rule with its numbers, how far it got, and why no further. */
import * as z from 'zod'
import { readableRule, refusalTexts, refusedBy } from '../arbitrage/index.ts'
import { describeRoute } from '../engine/books/booking.ts'
import { tokenAt } from '../engine/market/tokens.ts'
import { rawAmount, signedRawAmount } from '../mcp/fields.ts'
import type { DecisionRecord } from '../ports/ledger.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import { view } from './view.ts'

/** One decision; without a manifest, tokens are shown by address. */
export const decisionRecord = view(
  z.object({
    id: z.string(),
    block: z.int(),
    verdict: z.string().describe('trade or refuse'),
    refusedBy: z
      .string()
      .nullable()
      .describe('the first rule that refused it, or the stage that it did not pass; null for a trade'),
    outcome: z
      .object({ stage: z.string(), reason: z.string() })
      .describe(
        'how far it got (rules, simulation, signing, recording, sending, dry-run, paper, sent), and why no further',
      ),
    reasons: z
      .array(z.object({ rule: z.string(), ok: z.boolean(), got: z.string(), needed: z.string() }))
      .describe('the rules of the guard, passed or not, with amounts in human units'),
    route: z.string(),
    symbol: z.string(),
    lender: z.string(),
    amountIn: rawAmount(),
    premium: rawAmount(),
    profit: signedRawAmount(),
    numbers: z.record(z.string(), z.string()),
    policies: z.record(z.string(), z.int().nullable()).describe('versions of the policies'),
    simulation: z
      .object({
        succeeded: z.boolean(),
        gasUsed: rawAmount(),
        profit: signedRawAmount(),
        error: z.string().optional(),
      })
      .nullable(),
    decidedAt: z.number().describe('ms since 1970'),
  }),
  (record: DecisionRecord, manifest: MarketManifest | undefined) => {
    const { opportunity, decision } = record
    const coin = manifest?.nativeSymbol ?? 'native coins'
    const symbolOf = (token: `0x${string}`) => (manifest ? tokenAt(manifest, token).symbol : token)
    return {
      id: record.id,
      block: opportunity.block,
      verdict: decision.verdict,
      refusedBy: refusedBy(record),
      outcome: { ...record.outcome, reason: reasonOf(record, coin) },
      reasons: decision.rules.map((rule) => readableRule(rule, coin)),
      route: describeRoute(record, symbolOf),
      symbol: symbolOf(opportunity.token),
      lender: opportunity.loan.kind,
      amountIn: opportunity.borrowed,
      premium: opportunity.premium,
      profit: opportunity.profit,
      numbers: Object.fromEntries(
        Object.entries(decision.numbers).map(([name, value]) => [name, String(value)]),
      ),
      policies: decision.policies,
      simulation: record.simulation ?? null,
      decidedAt: record.decidedAt,
    }
  },
)

/** Why it went no further; the rules' amounts are in human units. `coin`: symbol of the native token. */
const reasonOf = (record: DecisionRecord, coin: string): string =>
  record.outcome.stage === 'rules' ? refusalTexts(record, coin).join('; ') : record.outcome.reason
