/** Flash loans that lenders offer now, as they are shown. */
import * as z from 'zod'
import type { ExcludedOffer, LoanChoice } from '../engine/trading/loan-quotes.ts'
import { type LenderKind, LOAN_GAS, type LoanOffer, premium, premiumFraction } from '../flash/index.ts'
import { address, block, lender, rounded, tokenAmount } from '../mcp/fields.ts'
import type { Trade } from '../ports/ledger.ts'
import type { MarketView } from '../ports/market.ts'
import { view } from './view.ts'

/** How each kind of lender charges, in words. */
export const LENDER_DESCRIPTION = {
  'aave-v3': 'Aave V3: premium set by governance, rounded half up; the pool pulls the repayment',
  'balancer-v2': 'Balancer V2 vault: usually free; no leg of the route may trade on Balancer',
  'uniswap-v3': 'Uniswap V3 flash: the pool fee, rounded up; the pool is locked during the loan',
  'uniswap-v2': 'Uniswap V2 flash swap: 0.3 % of the repayment; the pair is locked during the loan',
  'own-capital': 'our treasury: no premium, up to the allowance that it gave the contract',
} as const satisfies Record<LenderKind, string>

/** Excluded lenders that an answer lists. */
const MAX_EXCLUDED = 5

/** A loan that a lender offers now. */
export const loanQuote = view(
  z.object({
    kind: lender(),
    lender: address().describe('the contract that lends'),
    token: z.string().describe('symbol'),
    amount: tokenAmount(),
    premium: tokenAmount(),
    premiumPercent: z.number(),
    repay: tokenAmount().describe('amount plus premium'),
    available: tokenAmount(),
    extraGasUnits: z.int().describe('compared with a Balancer loan'),
  }),
  (offer: LoanOffer, amount: bigint, market: MarketView) => {
    const cost = premium(offer, amount)
    return {
      kind: offer.kind,
      lender: offer.lender,
      token: market.symbol(offer.token),
      amount: market.amount(offer.token, amount),
      premium: market.amount(offer.token, cost),
      premiumPercent: amount === 0n ? 0 : rounded((100 * Number(cost)) / Number(amount)),
      repay: market.amount(offer.token, amount + cost),
      available: market.amount(offer.token, offer.available),
      extraGasUnits: LOAN_GAS[offer.kind],
    }
  },
)

/** The lenders that cannot serve a loan. */
export const excludedLenders = view(
  z.object({
    excludedCount: z.int().describe('lenders that cannot serve it'),
    excluded: z
      .array(z.object({ kind: lender(), lender: address(), reason: z.string() }))
      .describe(`the largest ${MAX_EXCLUDED} of them`),
  }),
  ({ excluded }: Pick<LoanChoice, 'excluded'>) => ({
    excludedCount: excluded.length,
    excluded: excluded.slice(0, MAX_EXCLUDED).map(({ offer, reason }: ExcludedOffer) => ({
      kind: offer.kind,
      lender: offer.lender,
      reason,
    })),
  }),
)

/** A loan that is rehearsed: what it costs, and whether the lender has it. */
export const loanRehearsal = view(
  z.object({
    ...loanQuote.schema.shape,
    possible: z.boolean(),
    reason: z.string().nullable().describe('why it is not possible'),
  }),
  (offer: LoanOffer, amount: bigint, market: MarketView) => {
    const quote = loanQuote.of(offer, amount, market)
    const possible = amount <= offer.available
    const reason = possible
      ? null
      : `the pool has ${quote.available.amount}, less than ${quote.amount.amount}`
    return { ...quote, possible, reason }
  },
)

/** What a lender lends of a token. */
export const reserve = view(
  z.object({
    token: z.string().describe('symbol'),
    address: address(),
    available: tokenAmount().describe('the largest possible flash loan now'),
    value: z.number().nullable().describe('the same in whole quote tokens; null without a price'),
    premiumPercent: z.number(),
  }),
  (offer: LoanOffer, market: MarketView) => {
    const worth = market.worth(offer.token, offer.available)
    return {
      token: market.symbol(offer.token),
      address: offer.token,
      available: market.amount(offer.token, offer.available),
      value: worth === undefined ? null : rounded(worth),
      premiumPercent: rounded(100 * premiumFraction(offer)),
    }
  },
)

/** A final trade that borrowed. */
export const loanTrade = view(
  z.object({
    hash: z.string(),
    block: block(),
    route: z.string(),
    outcome: z.string(),
    realisedProfit: tokenAmount().describe('after the premium, before gas'),
    gasCost: tokenAmount(),
  }),
  ({ hash, block: mined, route, outcome, ...trade }: Trade, market: MarketView) => ({
    ...{ hash, block: mined, route, outcome },
    realisedProfit: market.amount(trade.token, trade.realisedProfit),
    gasCost: market.amount(market.manifest.wrappedNative, trade.gasCost),
  }),
)
