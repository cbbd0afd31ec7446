/**
 * Flash loans as they happened on chain: who borrowed what from whom, for what, and who else closes cycles in
 * this market.
 */
import * as z from 'zod'
import type { Address } from '../../amm/index.ts'
import { cyclesIn, loansIn } from '../../engine/market/flash-loan-history.ts'
import {
  blockWindow,
  competitorsIn,
  loanSum,
  loanSumsBy,
  type Worth,
} from '../../engine/market/flash-loan-statistics.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, block, blocks, page, paged, paginate, rounded } from '../../mcp/fields.ts'
import type { Chain, Hex } from '../../ports/chain.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { competitor, decodedTransaction, flashLoan, loanSums } from '../../views/past-loans.ts'

type Scope = { market: MarketView; chain: Chain }
const NO_TRANSACTION = `0x${'0'.repeat(64)}` as const
const range = { fromBlock: block(), toBlock: block() }
const MAX_BLOCKS = 2_000

/** The last flash loans of this chain, oldest first, and their sums. */
async function recentLoans({ market, chain }: Scope, span: number) {
  const { fromBlock, toBlock } = blockWindow(market, span)
  const loans = await loansIn(chain, market, fromBlock, toBlock)
  const worth: Worth = (token, amount) => market.worth(token, amount)
  const by = <K extends string>(key: (loan: (typeof loans)[number]) => K) =>
    loanSumsBy(loans, key, worth).map(([name, sum]) => [name, loanSums.of(sum)] as const)
  return { fromBlock, toBlock, loans, total: loanSums.of(loanSum(loans, worth)), by }
}

export default defineServer({
  id: 'flash_loan_mcp_mcp_server',
  needs: ['market', 'chain'],
  tools: ({ read }) => ({
    recent_flash_loans: read({
      description:
        'The flash loans of the last blocks: their value by lender, and the loans, newest first, read from the events of Aave, the Balancer vault and the concentrated pools of this market. Flash swaps of pairs show in decode_flash_loan: their events look like those of swaps.',
      keywords: "who took flash loans lately, on chain, other people's loans",
      input: { blocks: blocks(MAX_BLOCKS, 100), ...page(500, 6) },
      output: {
        ...range,
        byLender: z.record(z.string(), loanSums.schema),
        ...paged('loans', flashLoan.schema),
      },
      examples: [{ blocks: 50 }],
      run: async ({ blocks: span, ...paging }, { market, chain }) => {
        const { loans, by, fromBlock, toBlock } = await recentLoans({ market, chain }, span)
        const shown = loans.reverse().map((loan) => flashLoan.of(loan, market))
        const byLender = Object.fromEntries(by(({ lender }) => lender))
        return { fromBlock, toBlock, byLender, ...paginate('loans', shown, paging) }
      },
    }),
    flash_loan_statistics: read({
      description:
        'The flash loans of the last blocks in sums: by lender, by token and by borrower, with value and premium paid, and the average size.',
      keywords: 'average size, count and volume of flash loans by lender and token',
      input: { blocks: blocks(MAX_BLOCKS, 100), ...page(200, 10) },
      output: {
        ...range,
        ...loanSums.schema.shape,
        averageValue: z.number().nullable().describe('value per loan, in whole quote tokens'),
        byLender: z.record(z.string(), loanSums.schema),
        byToken: z.record(z.string(), loanSums.schema),
        ...paged('borrowers', loanSums.schema.extend({ borrower: address(), ours: z.boolean() })),
      },
      examples: [{ blocks: 50 }],
      run: async ({ blocks: span, ...paging }, { market, chain }) => {
        const { total, by, fromBlock, toBlock } = await recentLoans({ market, chain }, span)
        const borrowers = by<Address>(({ borrower }) => borrower).map(([borrower, sum]) => {
          return { borrower, ...sum, ours: borrower === market.manifest.execution?.executor }
        })
        return {
          fromBlock,
          toBlock,
          ...total,
          averageValue: total.loans > 0 ? rounded(total.value / total.loans) : null,
          byLender: Object.fromEntries(by(({ lender }) => lender)),
          byToken: Object.fromEntries(by(({ token }) => market.symbol(token))),
          ...paginate('borrowers', borrowers, paging),
        }
      },
    }),
    decode_flash_loan: read({
      description:
        'One transaction taken apart: its flash loans, its swaps in this market in order, and what each account gained or lost in each token.',
      keywords: 'what did this transaction do with its loan',
      input: {
        hash: z
          .string()
          .regex(/^0x[0-9a-fA-F]{64}$/, 'expected a transaction hash: 0x and 64 hexadecimal digits'),
      },
      output: decodedTransaction.schema,
      examples: [
        {
          shown: { hash: '<the hash of a transaction>' },
          find: async (scope) => {
            const { loans } = await recentLoans(scope, MAX_BLOCKS)
            return { hash: loans.at(-1)?.transaction ?? NO_TRANSACTION }
          },
        },
      ],
      refusals: [[{ hash: NO_TRANSACTION }, 'not-found']],
      run: async ({ hash }, { market, chain }) => {
        const receipt = await chain.receipt(hash.toLowerCase() as Hex)
        if (receipt) return decodedTransaction.of(receipt, market)
        throw new KintsugiError('not-found', `no transaction ${hash} is mined on this chain`, {
          hint: 'recent_flash_loans lists some',
        })
      },
    }),
    competitor_activity: read({
      description:
        'Who closes cycles in this market: contracts whose transactions traded through two or more pools and ended with more of a token, over the last blocks (at most the last 500 such transactions), largest gain first. `ours` marks our own.',
      keywords: 'what other bots do, who competes with us, who won instead',
      input: { blocks: blocks(MAX_BLOCKS, 100), ...page(100, 15) },
      output: { ...range, ...paged('competitors', competitor.schema) },
      examples: [{ blocks: 50 }],
      run: async ({ blocks: span, ...paging }, { market, chain }) => {
        const { fromBlock, toBlock } = blockWindow(market, span)
        const found = competitorsIn(await cyclesIn(chain, market, fromBlock, toBlock))
        const shown = found.map((each) => competitor.of(each, market))
        return { fromBlock, toBlock, ...paginate('competitors', shown, paging) }
      },
    }),
  }),
})
