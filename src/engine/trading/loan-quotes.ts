/** The lenders that can serve a loan, and why the others cannot. */
import { impossible, type LoanOffer, type RouteVenues, rankOffers } from '../../flash/index.ts'
import type { Token } from '../../graph/index.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { KintsugiError } from '../../std/errors.ts'

/** A loan that trades nowhere: any lender can serve it. */
const ANY_ROUTE: RouteVenues = { pools: [], usesBalancer: false }

/** A lender that cannot serve a loan. */
export interface ExcludedOffer {
  readonly offer: LoanOffer
  readonly reason: string
}

/** All lenders of a token for one loan. */
export interface LoanChoice {
  /** Those that can serve it, cheapest first. */
  readonly offers: readonly LoanOffer[]
  /** Those that cannot, largest first. */
  readonly excluded: readonly ExcludedOffer[]
}

/** A loan of `amount` (smallest units) for a route. */
export interface LoanRequest {
  readonly token: Token
  readonly amount: bigint
  readonly route?: RouteVenues
}

/** The lenders of a loan. */
export function loanChoice(
  market: MarketView,
  loans: LoanMarket,
  { token, amount, route = ANY_ROUTE }: LoanRequest,
): LoanChoice {
  const all = loans.offers(token.address)
  const shown = (raw: bigint) => market.amount(token.address, raw).amount
  const excluded = all.flatMap((offer) => {
    const reason = impossible(offer, route, amount)
    if (reason === undefined) return []
    const tooSmall = offer.available < amount
    return [
      { offer, reason: tooSmall ? `has ${shown(offer.available)}, less than ${shown(amount)}` : reason },
    ]
  })
  return {
    offers: rankOffers(all, route, amount),
    excluded: excluded.sort((a, b) => (a.offer.available < b.offer.available ? 1 : -1)),
  }
}

/**
 * The cheapest lender of a loan, and the others. Throws `no-loan` with the largest possible loan if no lender
 * can serve it.
 */
export function cheapestLoan(
  market: MarketView,
  loans: LoanMarket,
  request: LoanRequest,
): LoanChoice & { readonly cheapest: LoanOffer } {
  const choice = loanChoice(market, loans, request)
  const [cheapest] = choice.offers
  if (cheapest) return { ...choice, cheapest }
  const { token, amount, route = ANY_ROUTE } = request
  const largest = loans
    .offers(token.address)
    .filter((offer) => impossible(offer, route, 1n) === undefined)
    .reduce((max, { available }) => (available > max ? available : max), 0n)
  const shown = (raw: bigint) => market.amount(token.address, raw).amount
  throw new KintsugiError('no-loan', `no lender can lend ${shown(amount)} for this route`, {
    hint: largest > 0n ? `the largest possible loan is ${shown(largest)}` : 'no lender can serve this route',
    data: { maxAmount: String(largest) },
  })
}
