/** Flash loans as they happened on chain: who borrowed what from whom, what it was for, and who else trades like us. */
import * as z from 'zod'
import {
  cyclesIn,
  decodeLoan,
  type FlashLoan,
  loansIn,
  transactionLoans,
} from '../../engine/market/flash-loan-history.ts'
import { humanValue, tokenAt } from '../../engine/market/tokens.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, limit, textAmount } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

const loan = z.object({
  block: z.int(),
  transaction: z.string(),
  lender: z.string().describe('aave-v3, balancer-v2, uniswap-v3 or uniswap-v2'),
  from: address().describe('the contract that lent'),
  borrower: address(),
  token: z.string(),
  amount: textAmount(),
  premium: textAmount(),
  value: z.number().nullable().describe('in quote units, at the price now'),
})
const window = { blocks: z.int().min(1).max(2_000).default(100).describe('how far back, in blocks') }

function show(market: MarketView, found: FlashLoan): z.output<typeof loan> {
  const rate = market.prices().get(found.token)?.rate
  return {
    block: found.block,
    transaction: found.transaction,
    lender: found.lender,
    from: found.from,
    borrower: found.borrower,
    token: tokenAt(market.manifest, found.token).symbol,
    amount: String(found.amount),
    premium: String(found.premium),
    value: rate === undefined ? null : humanValue(market.manifest, Number(found.amount) * rate),
  }
}

export default defineServer({
  id: 'flash_loan_mcp_mcp_server',
  needs: ['market', 'chain'],
  tools: ({ read }) => ({
    recent_flash_loans: read({
      description:
        'The flash loans of the last blocks, newest first, read from the events of Aave, the Balancer vault and the concentrated pools of this market. Flash swaps of pairs show in decode_flash_loan: their events do not tell them from swaps.',
      keywords: "who took flash loans lately, on chain, other people's loans",
      input: { ...window, limit: limit(500, 50) },
      output: { fromBlock: z.int(), toBlock: z.int(), loans: z.array(loan) },
      examples: [{ blocks: 50 }],
      run: async ({ blocks, limit: most }, { market, chain }) => {
        const toBlock = market.head.number
        const fromBlock = Math.max(market.manifest.genesisBlock, toBlock - blocks + 1)
        const found = await loansIn(chain, market, fromBlock, toBlock)
        return {
          fromBlock,
          toBlock,
          loans: found
            .reverse()
            .slice(0, most)
            .map((item) => show(market, item)),
        }
      },
    }),
    flash_loan_statistics: read({
      description:
        'The flash loans of the last blocks in sums: by lender, by token and by borrower, with value and premium paid.',
      keywords: 'average size, count and volume of flash loans by lender and token',
      input: window,
      output: {
        fromBlock: z.int(),
        toBlock: z.int(),
        loans: z.int(),
        value: z.number(),
        byLender: z.record(z.string(), z.object({ loans: z.int(), value: z.number() })),
        byToken: z.record(z.string(), z.object({ loans: z.int(), value: z.number() })),
        borrowers: z.array(
          z.object({ borrower: address(), loans: z.int(), value: z.number(), ours: z.boolean() }),
        ),
      },
      examples: [{ blocks: 50 }],
      run: async ({ blocks }, { market, chain }) => {
        const toBlock = market.head.number
        const fromBlock = Math.max(market.manifest.genesisBlock, toBlock - blocks + 1)
        const found = (await loansIn(chain, market, fromBlock, toBlock)).map((item) => show(market, item))
        const sums = (key: (item: (typeof found)[number]) => string) =>
          [...Map.groupBy(found, key)].map(
            ([name, list]) =>
              [
                name,
                { loans: list.length, value: list.reduce((sum, item) => sum + (item.value ?? 0), 0) },
              ] as const,
          )
        return {
          fromBlock,
          toBlock,
          loans: found.length,
          value: found.reduce((sum, item) => sum + (item.value ?? 0), 0),
          byLender: Object.fromEntries(sums(({ lender }) => lender)),
          byToken: Object.fromEntries(sums(({ token }) => token)),
          borrowers: sums(({ borrower }) => borrower)
            .map(([borrower, numbers]) => ({
              borrower: borrower as `0x${string}`,
              ...numbers,
              ours: borrower === market.manifest.execution?.executor,
            }))
            .sort((a, b) => b.value - a.value)
            .slice(0, 50),
        }
      },
    }),
    decode_flash_loan: read({
      description:
        'One transaction taken apart: its flash loans, the swaps it made in this market in order, and what its sender’s contract gained in each token.',
      keywords: 'what did this transaction do with its loan',
      input: {
        hash: z
          .string()
          .regex(/^0x[0-9a-fA-F]{64}$/, 'expected a transaction hash: 0x and 64 hexadecimal digits'),
      },
      output: {
        hash: z.string(),
        block: z.int(),
        succeeded: z.boolean(),
        gasUsed: z.string(),
        loans: z.array(loan),
        swaps: z.array(
          z.object({ pool: address(), dex: z.string(), tokenIn: z.string(), amountIn: textAmount() }),
        ),
        gains: z
          .array(z.object({ account: address(), token: z.string(), amount: z.string() }))
          .describe(
            'net of all transfers, accounts that ended with more or less than before, pools left out',
          ),
      },
      examples: [{ hash: `0x${'0'.repeat(64)}` }],
      run: async ({ hash }, { market, chain }) => {
        const receipt = await chain.receipt(hash.toLowerCase() as `0x${string}`)
        if (!receipt)
          throw new KintsugiError('not-found', `no transaction ${hash} is mined on this chain`, {
            hint: 'recent_flash_loans lists some',
          })
        const { swaps, gains } = decodeLoan(receipt, market)
        return {
          hash: receipt.transactionHash,
          block: receipt.blockNumber,
          succeeded: receipt.succeeded,
          gasUsed: String(receipt.gasUsed),
          loans: transactionLoans(receipt.logs, market).map((item) => show(market, item)),
          swaps: swaps.map(({ pool, tokenIn, amountIn }) => ({
            pool,
            dex: market.descriptor(pool)?.dex ?? '',
            tokenIn: tokenAt(market.manifest, tokenIn).symbol,
            amountIn: String(amountIn),
          })),
          gains: gains.map(({ account, token, amount: moved }) => ({
            account,
            token: tokenAt(market.manifest, token).symbol,
            amount: String(moved),
          })),
        }
      },
    }),
    competitor_activity: read({
      description:
        'Who else closes cycles in this market: contracts other than ours whose transactions traded through two or more pools and ended with more of a token, over the last blocks.',
      keywords: 'what other bots do, who competes with us, who won instead',
      input: { ...window, limit: limit(100, 20) },
      output: {
        fromBlock: z.int(),
        toBlock: z.int(),
        competitors: z.array(
          z.object({
            account: address(),
            transactions: z.int(),
            value: z.number().describe('gained, in quote units at the price now'),
            lastBlock: z.int(),
            ours: z.boolean(),
          }),
        ),
      },
      examples: [{ blocks: 50 }],
      run: async ({ blocks, limit: most }, { market, chain }) => {
        const toBlock = market.head.number
        const fromBlock = Math.max(market.manifest.genesisBlock, toBlock - blocks + 1)
        const found = await cyclesIn(chain, market, fromBlock, toBlock)
        const competitors = [...Map.groupBy(found, ({ account }) => account)].map(([account, list]) => ({
          account,
          transactions: list.length,
          value: list.reduce((sum, { value }) => sum + value, 0),
          lastBlock: Math.max(...list.map(({ block }) => block)),
          ours: account === market.manifest.execution?.treasury,
        }))
        return {
          fromBlock,
          toBlock,
          competitors: competitors.sort((a, b) => b.value - a.value).slice(0, most),
        }
      },
    }),
  }),
})
