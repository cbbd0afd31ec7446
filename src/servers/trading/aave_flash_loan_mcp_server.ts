/**
 * The Aave V3 lender, read from its pool: premium, flags and liquidity, what its loans would earn now, and
 * the trade itself.
 */
import * as z from 'zod'
import type { Opportunity } from '../../arbitrage/index.ts'
import { watchBlocks } from '../../engine/market/watch-blocks.ts'
import { aaveOffer, aaveOpportunities, aavePool, aaveReserves } from '../../engine/trading/aave-loans.ts'
import { type Context, defineServer } from '../../mcp/define.ts'
import { address, amount, block, maxHops, page, paged, paginate, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { executeOpportunity, executionAnswer } from '../../views/execution.ts'
import { loanRehearsal, loanTrade, reserve } from '../../views/loans.ts'
import { opportunity, pricedOpportunity } from '../../views/opportunities.ts'

/** Opportunities of one block that monitoring reports. */
const MAX_PER_BLOCK = 5
/** Trades among which the history looks for Aave loans. */
const MAX_TRADES = 200

const tokenOf = (market: MarketView, text: string | undefined) =>
  text === undefined ? undefined : market.token(text)
const reservesOf = (market: MarketView, loans: LoanMarket, text?: string) =>
  aaveReserves(market, loans, tokenOf(market, text)).map((offer) => reserve.of(offer, market))

interface Wanted {
  readonly token?: string | undefined
  readonly maxHops: number
}
const bestOf = ({ token: text, maxHops }: Wanted, market: MarketView, loans: LoanMarket) =>
  aaveOpportunities(market, loans, { maxHops, token: tokenOf(market, text) })[0]

const execute = (
  wanted: Wanted,
  { market, loans, fleet, signal }: Context<'market' | 'loans' | 'fleet'>,
  dryRun: boolean,
) => executeOpportunity(fleet, market, bestOf(wanted, market, loans), dryRun, signal)

export default defineServer({
  id: 'aave_flash_loan_mcp_server',
  needs: ['market', 'loans', 'ledger', 'fleet'],
  tools: ({ read, spend }) => ({
    calculate_flash_loan_opportunity: read({
      description:
        'The best arbitrage that an Aave loan pays for now, of one token if it is given: route, exact size, premium as Aave rounds it, profit after it, and what is left after gas at the present base fee.',
      keywords: 'does a loan pay off for this pair, profit when borrowing and trading',
      input: { token: token().optional(), maxHops: maxHops() },
      output: {
        block: block(),
        best: pricedOpportunity.schema.nullable().describe('null if nothing pays with an Aave loan now'),
      },
      examples: [{}],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: (wanted, { market, loans }) => {
        const best = bestOf(wanted, market, loans)
        return { block: market.head.number, best: best ? pricedOpportunity.of(best, market) : null }
      },
    }),
    get_aave_pool_liquidity: read({
      description:
        'What the Aave V3 pool can lend of each token now, with the premium, read from the pool after each block, largest value first; paused, frozen and flash-disabled reserves are not listed.',
      keywords: 'available reserves, how much can be borrowed from aave',
      input: { token: token().optional(), ...page(500, 15) },
      output: { block: block(), pool: address(), ...paged('reserves', reserve.schema) },
      examples: [{}],
      refusals: [[{ token: 'NOPE' }, 'unknown-symbol']],
      run: ({ token: text, ...paging }, { market, loans }) => {
        const reserves = reservesOf(market, loans, text)
        return {
          block: market.head.number,
          pool: aavePool(market),
          ...paginate('reserves', reserves, paging),
        }
      },
    }),
    simulate_flash_loan: read({
      description:
        'What a flash loan of an amount from Aave costs, to the unit, and whether the pool has it; nothing is sent.',
      keywords: 'dry run, try without sending, rehearse a loan',
      input: { token: token(), amount: amount('token') },
      output: loanRehearsal.schema,
      examples: [{ token: 'USDC', amount: '1000 USDC' }],
      refusals: [[{ token: 'NOPE', amount: '1' }, 'unknown-symbol']],
      run: ({ token: text, amount }, { market, loans }) =>
        loanRehearsal.of(aaveOffer(market, loans, market.token(text)), amount, market),
    }),
    execute_flash_loan_arbitrage: spend({
      description:
        'Finds the best arbitrage with an Aave loan now and hands it to the executor, which judges, simulates, signs and sends it under all its limits. With dryRun nothing is sent. The answer has the reasons if nothing was sent.',
      approval: {
        skipWhen: ({ dryRun }) => dryRun,
        preview: (input, context) => execute(input, context, true),
      },
      keywords: 'send, carry out, full cycle with borrowed money',
      input: {
        token: token().optional(),
        maxHops: maxHops(),
        dryRun: z.boolean().default(false).describe('judge and simulate only'),
      },
      output: executionAnswer,
      examples: [{ dryRun: true }],
      refusals: [[{ token: 'NOPE', dryRun: true }, 'unknown-symbol']],
      run: (input, context) => execute(input, context, input.dryRun),
    }),
    monitor_opportunities: read({
      description: `Follows the market for some seconds and returns the opportunities with an Aave loan, oldest first, the best ${MAX_PER_BLOCK} of each block, starting with the present one; progress is reported block by block.`,
      keywords: 'watch, keep an eye on, report new ones as they come',
      input: {
        seconds: z.int().min(1).max(25).default(5),
        maxHops: maxHops(),
        limit: z.int().min(1).max(100).default(3).describe('opportunities to return: the latest ones'),
      },
      output: {
        blocks: z.int(),
        total: z.int().describe('opportunities that appeared; the latest of them are listed'),
        opportunities: z.array(opportunity.schema),
      },
      examples: [{ seconds: 1 }],
      run: async ({ seconds, maxHops, limit }, { market, loans, signal, now, progress }) => {
        const seen: Opportunity[] = []
        const look = (blocks: number) => {
          seen.push(...aaveOpportunities(market, loans, { maxHops }).slice(0, MAX_PER_BLOCK))
          progress(blocks, undefined, `block ${market.head.number}: ${seen.length} so far`)
        }
        look(1)
        const blocks = await watchBlocks(market, { seconds, now, signal }, (_, later) => look(later + 1))
        const opportunities = seen.slice(-limit).map((found) => opportunity.of(found, market))
        return { blocks: blocks + 1, total: seen.length, opportunities }
      },
    }),
  }),
  resources: {
    'aave://flash-loan-status': {
      title: 'Aave flash loans now',
      description: 'The pool, its premium, and what it can lend of each token.',
      read: ({ market, loans }) => ({
        block: market.head.number,
        pool: aavePool(market),
        reserves: reservesOf(market, loans),
      }),
      watch: ({ market }, onChange) => market.subscribe(onChange),
    },
    'aave://opportunities': {
      title: 'Opportunities with an Aave loan',
      description: 'The opportunities of the present block with an Aave loan, best first.',
      read: ({ market, loans }) => {
        const found = aaveOpportunities(market, loans, { maxHops: 3 })
        const shown = found.map((each) => opportunity.of(each, market))
        return { block: market.head.number, ...paginate('opportunities', shown, { limit: 20, offset: 0 }) }
      },
      watch: ({ market }, onChange) => market.subscribe(onChange),
    },
    'aave://execution-history': {
      title: 'Trades with an Aave loan',
      description: `Final trades that borrowed from Aave, among the last ${MAX_TRADES} trades of the ledger.`,
      read: async ({ market, ledger }) => ({
        trades: (await ledger.trades({ limit: MAX_TRADES }))
          .filter(({ lender }) => lender === 'aave-v3')
          .map((trade) => loanTrade.of(trade, market)),
      }),
    },
  },
})
