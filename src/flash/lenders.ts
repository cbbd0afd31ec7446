/** The lenders of a flash loan, and our own capital: the premium, liquidity and compatible routes of each. */
import { type Address, mulDivRoundingUp } from '../amm/index.ts'

export type LenderKind = 'aave-v3' | 'balancer-v2' | 'uniswap-v3' | 'uniswap-v2' | 'own-capital'

/** The offer of one lender in one token, as read from the chain. Amounts in the token's smallest unit. */
export interface LoanOffer {
  readonly kind: LenderKind
  /** The contract to borrow from: Aave's pool, Balancer's vault, an exchange's pool, or our treasury. */
  readonly lender: Address
  readonly token: Address
  readonly available: bigint
  /**
   * The price in the lender's own unit: Aave basis points, Balancer 1e18ths, Uniswap V3 parts per million;
   * unused for V2 and own capital.
   */
  readonly rate: bigint
  /** For an exchange's pool: whether the token is its token0. */
  readonly isToken0: boolean
}

/**
 * Gas that borrowing itself costs, beyond the cheapest lender. Measured with the same route; see
 * docs/benchmarks.md.
 */
export const LOAN_GAS: Readonly<Record<LenderKind, number>> = {
  'own-capital': -45_000,
  'balancer-v2': 0,
  'uniswap-v2': 2_500,
  'uniswap-v3': 14_000,
  'aave-v3': 77_000,
}

const ONE = 10n ** 18n

/**
 * The premium of a loan of `amount`, exactly as the lender computes it. Sources: Aave V3
 * PercentageMath.percentMul (half up); Balancer FixedPoint.mulUp; Uniswap V3 flash (rounded up); Uniswap V2's
 * invariant with the 0.3 % fee on what is returned.
 */
export function premium(offer: Pick<LoanOffer, 'kind' | 'rate'>, amount: bigint): bigint {
  switch (offer.kind) {
    case 'aave-v3':
      return (amount * offer.rate + 5_000n) / 10_000n
    case 'balancer-v2':
      return mulDivRoundingUp(amount, offer.rate, ONE)
    case 'uniswap-v3':
      return mulDivRoundingUp(amount, offer.rate, 1_000_000n)
    case 'uniswap-v2':
      return mulDivRoundingUp(amount, 1_000n, 997n) - amount
    case 'own-capital':
      return 0n
  }
}

/** The premium as a fraction of the loan, for sizing. */
export function premiumFraction(offer: Pick<LoanOffer, 'kind' | 'rate'>): number {
  switch (offer.kind) {
    case 'aave-v3':
      return Number(offer.rate) / 10_000
    case 'balancer-v2':
      return Number(offer.rate) / 1e18
    case 'uniswap-v3':
      return Number(offer.rate) / 1e6
    case 'uniswap-v2':
      return 1_000 / 997 - 1
    case 'own-capital':
      return 0
  }
}

/** The venues of a route, which its lender must not be part of. */
export interface RouteVenues {
  readonly pools: readonly Address[]
  readonly usesBalancer: boolean
}

/** Why this loan cannot be combined with this route; `undefined` if it can. */
export function impossible(offer: LoanOffer, route: RouteVenues, amount: bigint): string | undefined {
  if (amount > offer.available)
    return `${offer.kind} at ${offer.lender} has ${offer.available}, less than the ${amount} wanted`
  if (offer.kind === 'balancer-v2' && route.usesBalancer)
    return 'Balancer locks its vault during a flash loan, so no leg may trade there (BAL#400)'
  if ((offer.kind === 'uniswap-v2' || offer.kind === 'uniswap-v3') && route.pools.includes(offer.lender)) {
    return `${offer.lender} is locked while it lends, so it cannot also be a leg of the route`
  }
  return undefined
}

/** The offers that can serve the route, cheapest first; ties by gas, then by depth. */
export function rankOffers(offers: readonly LoanOffer[], route: RouteVenues, amount: bigint): LoanOffer[] {
  return offers
    .filter((offer) => impossible(offer, route, amount) === undefined)
    .sort((a, b) => {
      const [costA, costB] = [premium(a, amount), premium(b, amount)]
      if (costA !== costB) return costA < costB ? -1 : 1
      return LOAN_GAS[a.kind] - LOAN_GAS[b.kind] || (a.available > b.available ? -1 : 1)
    })
}
