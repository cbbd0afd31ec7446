/** Flash loans that were taken on chain, as they are shown. */
import * as z from 'zod'
import { decodeLoan, type FlashLoan, transactionLoans } from '../engine/market/flash-loan-history.ts'
import type { Competitor, LoanSum } from '../engine/market/flash-loan-statistics.ts'
import { address, block, rawAmount, rounded, tokenAmount } from '../mcp/fields.ts'
import type { Receipt } from '../ports/chain.ts'
import type { MarketView } from '../ports/market.ts'
import { view } from './view.ts'

/** A flash loan that was taken on chain. */
export const flashLoan = view(
  z.object({
    block: block(),
    transaction: z.string().describe('its hash'),
    lender: z.enum(['aave-v3', 'balancer-v2', 'uniswap-v3']),
    from: address().describe('the contract that lent'),
    borrower: address(),
    token: z.string().describe('symbol'),
    amount: tokenAmount(),
    premium: tokenAmount(),
    value: z.number().nullable().describe('in whole quote tokens at the price now; null without a price'),
  }),
  ({ token, amount, premium: paid, ...loan }: FlashLoan, market: MarketView) => {
    const worth = market.worth(token, amount)
    return {
      ...loan,
      token: market.symbol(token),
      amount: market.amount(token, amount),
      premium: market.amount(token, paid),
      value: worth === undefined ? null : rounded(worth),
    }
  },
)

/** Number and value of some flash loans. */
export const loanSums = view(
  z.object({
    loans: z.int(),
    value: z.number().describe('in whole quote tokens at the price now; tokens without a price count 0'),
    premiumValue: z.number().describe('in whole quote tokens at the price now'),
  }),
  ({ loans, value, premiumValue }: LoanSum) => ({
    loans,
    value: rounded(value),
    premiumValue: rounded(premiumValue),
  }),
)

/** A transaction taken apart. */
export const decodedTransaction = view(
  z.object({
    hash: z.string(),
    block: block(),
    succeeded: z.boolean(),
    gasUsed: rawAmount().describe('in units of gas'),
    loans: z.array(flashLoan.schema),
    swaps: z.array(
      z.object({ pool: address(), dex: z.string(), tokenIn: z.string(), amountIn: tokenAmount() }),
    ),
    gains: z
      .array(z.object({ account: address(), token: z.string(), amount: tokenAmount() }))
      .describe('net of all transfers, by account and token; pools and lenders are left out'),
  }),
  (receipt: Receipt, market: MarketView) => {
    const { swaps, gains } = decodeLoan(receipt, market)
    return {
      hash: receipt.transactionHash,
      block: receipt.blockNumber,
      succeeded: receipt.succeeded,
      gasUsed: receipt.gasUsed,
      loans: transactionLoans(receipt.logs, market).map((loan) => flashLoan.of(loan, market)),
      swaps: swaps.map(({ pool, tokenIn, amountIn }) => ({
        pool,
        dex: market.descriptor(pool)?.dex ?? '',
        tokenIn: market.symbol(tokenIn),
        amountIn: market.amount(tokenIn, amountIn),
      })),
      gains: gains.map(({ account, token, amount }) => ({
        account,
        token: market.symbol(token),
        amount: market.amount(token, amount),
      })),
    }
  },
)

/** Who closes cycles in this market. */
export const competitor = view(
  z.object({
    account: address(),
    transactions: z.int().describe('cycles that it closed'),
    value: z.number().describe('gained, in whole quote tokens at the price now'),
    lastBlock: block(),
    ours: z.boolean(),
  }),
  (found: Competitor, market: MarketView) => ({
    ...found,
    value: rounded(found.value),
    ours: found.account === market.manifest.execution?.treasury,
  }),
)
