/** Any lender: what each offers now, which is cheapest, and which cannot be combined with a route. */
import * as z from 'zod'
import type { PoolKind } from '../../amm/index.ts'
import { cheapestLoan, loanChoice } from '../../engine/trading/loan-quotes.ts'
import { defineServer } from '../../mcp/define.ts'
import { amount, lender, page, paged, paginate, pool, token, tokenAmount } from '../../mcp/fields.ts'
import { aPool } from '../../views/examples.ts'
import { excludedLenders, LENDER_DESCRIPTION, loanQuote } from '../../views/loans.ts'
import { observation } from '../../views/prices.ts'

const loan = { token: token(), amount: amount('token') }

/** A loan for a route through a pool of this market. */
const aRoute = (kind: PoolKind, amount: string) => ({
  shown: { token: 'USDC', amount, pools: ['<the address of a pool>'], usesBalancer: true },
  find: (scope: Parameters<ReturnType<typeof aPool>['find']>[0]) => ({
    token: 'USDC',
    amount,
    pools: [aPool(kind).find(scope).pool],
    usesBalancer: true,
  }),
})

export default defineServer({
  id: 'mcp_flash_loan_server',
  needs: ['market', 'loans'],
  tools: ({ read }) => ({
    list_providers: read({
      description:
        'All kinds of flash lenders on this chain: how each charges, how many contracts lend, and which tokens.',
      keywords: 'who lends, which lenders and protocols are available, premium of each',
      input: {},
      output: {
        ...observation.schema.shape,
        providers: z.array(
          z.object({
            kind: lender(),
            description: z.string(),
            lenders: z.int().describe('contracts that lend now'),
            tokens: z.array(z.string()).describe('symbols'),
          }),
        ),
      },
      examples: [{}],
      run: (_input, { market, loans }) => {
        const offers = market.manifest.startTokens.flatMap((address) => loans.offers(address))
        const providers = lender().options.map((kind) => {
          const own = offers.filter((offer) => offer.kind === kind)
          const lenders = new Set(own.map((offer) => offer.lender)).size
          const tokens = [...new Set(own.map((offer) => market.symbol(offer.token)))]
          return { kind, description: LENDER_DESCRIPTION[kind], lenders, tokens }
        })
        return { ...observation.of(market), providers }
      },
    }),
    quote_loan: read({
      description:
        'The cheapest flash loan of an amount of a token now, over all lenders that have that much.',
      keywords: 'what a loan costs, fee for borrowing, premium, cost of borrowing, how expensive',
      input: loan,
      output: { ...observation.schema.shape, quote: loanQuote.schema },
      examples: [{ token: 'USDC', amount: '1000 USDC' }],
      refusals: [
        [{ token: 'NOPE', amount: '1' }, 'unknown-symbol'],
        [{ token: 'USDC', amount: `1${'0'.repeat(40)}` }, 'no-loan'],
      ],
      run: ({ token: text, amount }, { market, loans }) => {
        const { cheapest } = cheapestLoan(market, loans, { token: market.token(text), amount })
        return { ...observation.of(market), quote: loanQuote.of(cheapest, amount, market) }
      },
    }),
    compare_providers: read({
      description:
        'The lenders of a token side by side for one amount, cheapest first, and why others cannot serve it.',
      keywords: 'cheapest lender, compare fees of aave, balancer, uniswap',
      input: { ...loan, ...page(100, 5) },
      output: {
        ...observation.schema.shape,
        lowestPremium: tokenAmount().nullable().describe('null if no lender can serve it'),
        ...paged('quotes', loanQuote.schema),
        ...excludedLenders.schema.shape,
      },
      examples: [{ token: 'WETH', amount: '1 WETH' }],
      refusals: [[{ token: 'NOPE', amount: '1' }, 'unknown-symbol']],
      run: ({ token: text, amount, ...paging }, { market, loans }) => {
        const choice = loanChoice(market, loans, { token: market.token(text), amount })
        const quotes = choice.offers.map((offer) => loanQuote.of(offer, amount, market))
        return {
          ...observation.of(market),
          lowestPremium: quotes[0]?.premium ?? null,
          ...paginate('quotes', quotes, paging),
          ...excludedLenders.of(choice),
        }
      },
    }),
    plan_loan: read({
      description:
        'A loan for a given route: the cheapest lender that may be combined with it, up to three alternatives, and why others may not (a pool that lends is locked; a Balancer loan excludes a Balancer leg). Fails if no lender can.',
      keywords: 'split a loan over lenders, borrow for a trade',
      input: {
        ...loan,
        pools: z.array(pool()).min(1).max(5).describe('the pools that the route trades through, in order'),
        usesBalancer: z.boolean().default(false).describe('whether a leg trades on the Balancer vault'),
      },
      output: {
        ...observation.schema.shape,
        loan: loanQuote.schema,
        alternatives: z.array(loanQuote.schema).describe('the three next cheapest'),
        ...excludedLenders.schema.shape,
      },
      examples: [aRoute('weighted', '1000 USDC')],
      refusals: [[aRoute('weighted', `1${'0'.repeat(40)}`), 'no-loan']],
      run: ({ token: text, amount, pools, usesBalancer }, { market, loans }) => {
        const request = { token: market.token(text), amount, route: { pools, usesBalancer } }
        const { cheapest, ...choice } = cheapestLoan(market, loans, request)
        return {
          ...observation.of(market),
          loan: loanQuote.of(cheapest, amount, market),
          alternatives: choice.offers.slice(1, 4).map((offer) => loanQuote.of(offer, amount, market)),
          ...excludedLenders.of(choice),
        }
      },
    }),
  }),
})
