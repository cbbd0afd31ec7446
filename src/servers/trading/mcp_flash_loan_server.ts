/** Any lender: what each offers now, which is cheapest, and which cannot be combined with a route. */
import * as z from 'zod'
import { findToken, tokenAt } from '../../engine/market/tokens.ts'
import { impossible, LOAN_GAS, type LoanOffer, premium, rankOffers } from '../../flash/index.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, limit, textAmount, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

const DESCRIPTION = {
  'aave-v3': 'Aave V3: premium set by governance, rounded half up; the pool pulls the repayment',
  'balancer-v2': 'Balancer V2 vault: usually free; no leg of the route may trade on Balancer',
  'uniswap-v3': 'Uniswap V3 flash: the pool fee, rounded up; the pool is locked meanwhile',
  'uniswap-v2': 'Uniswap V2 flash swap: 0.3 % of what is returned; the pair is locked meanwhile',
  'own-capital': 'our treasury: nothing, where it has allowed the contract to use what it holds',
} as const
const kind = z.enum(['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2', 'own-capital'])
const quote = z.object({
  kind,
  lender: address(),
  token: z.string(),
  amount: textAmount(),
  premium: textAmount(),
  premiumPercent: z.number(),
  repay: textAmount().describe('amount plus premium'),
  available: textAmount(),
  extraGas: z.int().describe('gas beyond the cheapest lender'),
})

function quoteOf(market: MarketView, offer: LoanOffer, size: bigint): z.output<typeof quote> {
  const cost = premium(offer, size)
  return {
    kind: offer.kind,
    lender: offer.lender,
    token: tokenAt(market.manifest, offer.token).symbol,
    amount: String(size),
    premium: String(cost),
    premiumPercent: size === 0n ? 0 : (Number(cost) / Number(size)) * 100,
    repay: String(size + cost),
    available: String(offer.available),
    extraGas: LOAN_GAS[offer.kind],
  }
}

const loan = {
  token: token(),
  amount: textAmount().describe("how much to borrow, in the token's smallest unit"),
}
const FREE_ROUTE = { pools: [], usesBalancer: false }

export default defineServer({
  id: 'mcp_flash_loan_server',
  needs: ['market', 'loans'],
  tools: ({ read }) => ({
    list_providers: read({
      description:
        'All kinds of flash lenders on this chain: how each charges, and how many tokens each lends now.',
      keywords: 'who lends, which lenders and protocols are available, premium of each',
      input: {},
      output: {
        block: z.int(),
        observedAt: z.int(),
        providers: z.array(
          z.object({ kind, description: z.string(), lenders: z.int(), tokens: z.array(z.string()) }),
        ),
      },
      examples: [{}],
      run: (_input, { market, loans }) => {
        const offers = market.manifest.startTokens.flatMap((token) => loans.offers(token))
        return {
          block: market.head.number,
          observedAt: market.observedAt,
          providers: kind.options.map((name) => {
            const own = offers.filter((offer) => offer.kind === name)
            return {
              kind: name,
              description: DESCRIPTION[name],
              lenders: new Set(own.map((offer) => offer.lender)).size,
              tokens: [...new Set(own.map((offer) => tokenAt(market.manifest, offer.token).symbol))],
            }
          }),
        }
      },
    }),
    quote_loan: read({
      description:
        'The cheapest flash loan of an amount of a token now, over all lenders that have that much.',
      keywords: 'what a loan costs, fee for borrowing, premium, price of borrowing',
      input: loan,
      output: { block: z.int(), observedAt: z.int(), quote },
      examples: [{ token: 'USDC', amount: '1000000000' }],
      run: ({ token, amount: text }, { market, loans }) => {
        const wanted = findToken(market.manifest, token)
        const offers = loans.offers(wanted.address)
        const [best] = rankOffers(offers, FREE_ROUTE, BigInt(text))
        if (!best) throw noLoan(wanted.symbol, text, offers)
        return {
          block: market.head.number,
          observedAt: market.observedAt,
          quote: quoteOf(market, best, BigInt(text)),
        }
      },
    }),
    compare_providers: read({
      description:
        'Every lender of a token side by side for one amount, cheapest first, with why any of them cannot serve it.',
      keywords: 'cheapest lender, compare fees of aave, balancer, uniswap',
      input: { ...loan, limit: limit(100, 20) },
      output: {
        block: z.int(),
        quotes: z.array(quote),
        unable: z.array(z.object({ kind, lender: address(), reason: z.string() })),
      },
      examples: [{ token: 'WETH', amount: '1000000000000000000' }],
      run: ({ token, amount: text, limit: most }, { market, loans }) => {
        const offers = loans.offers(findToken(market.manifest, token).address)
        const size = BigInt(text)
        return {
          block: market.head.number,
          quotes: rankOffers(offers, FREE_ROUTE, size)
            .slice(0, most)
            .map((offer) => quoteOf(market, offer, size)),
          unable: offers.flatMap((offer) => {
            const reason = impossible(offer, FREE_ROUTE, size)
            return reason === undefined ? [] : [{ kind: offer.kind, lender: offer.lender, reason }]
          }),
        }
      },
    }),
    plan_loan: read({
      description:
        'A loan for a given route: the cheapest lender that may be combined with it, and for every other why not (a pool that lends is locked, a Balancer loan cannot have a Balancer leg). Refuses where none can.',
      keywords: 'split a loan over lenders, borrow for a trade',
      input: {
        ...loan,
        pools: z.array(address()).min(1).max(5).describe('the pools that the route trades through, in order'),
        usesBalancer: z.boolean().default(false).describe('whether a leg trades on the Balancer vault'),
      },
      output: {
        block: z.int(),
        loan: quote,
        alternatives: z.array(quote),
        excluded: z.array(z.object({ kind, lender: address(), reason: z.string() })),
      },
      examples: [
        {
          token: 'USDC',
          amount: '1000000000',
          pools: ['0x0000000000000000000000000000000000000001'],
          usesBalancer: true,
        },
      ],
      run: ({ token, amount: text, pools, usesBalancer }, { market, loans }) => {
        const wanted = findToken(market.manifest, token)
        const offers = loans.offers(wanted.address)
        const route = { pools, usesBalancer }
        const size = BigInt(text)
        const [best, ...others] = rankOffers(offers, route, size)
        if (!best) throw noLoan(wanted.symbol, text, offers, route)
        return {
          block: market.head.number,
          loan: quoteOf(market, best, size),
          alternatives: others.slice(0, 5).map((offer) => quoteOf(market, offer, size)),
          excluded: offers.flatMap((offer) => {
            const reason = impossible(offer, route, size)
            return reason === undefined ? [] : [{ kind: offer.kind, lender: offer.lender, reason }]
          }),
        }
      },
    }),
  }),
})

function noLoan(
  symbol: string,
  size: string,
  offers: readonly LoanOffer[],
  route = FREE_ROUTE as Parameters<typeof impossible>[1],
): KintsugiError {
  const most = offers
    .filter((offer) => impossible(offer, route, 1n) === undefined)
    .reduce((found, offer) => (offer.available > found ? offer.available : found), 0n)
  return new KintsugiError('no-loan', `no lender can lend ${size} of ${symbol} for this route`, {
    hint: most > 0n ? `the most to be had is ${most}` : 'no lender may be combined with it',
    data: { most: String(most) },
  })
}
