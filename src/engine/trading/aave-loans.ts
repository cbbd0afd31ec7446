/** The Aave V3 lender: its pool, its reserves, and the opportunities that its loans pay for. */
import type { Address } from '../../amm/index.ts'
import type { Opportunity } from '../../arbitrage/index.ts'
import type { LoanOffer } from '../../flash/index.ts'
import type { Token } from '../../graph/index.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { KintsugiError } from '../../std/errors.ts'
import { matchingOpportunities } from './opportunities.ts'

/** The address of Aave's pool. Throws `not-available` on a chain without one. */
export function aavePool({ manifest }: MarketView): Address {
  if (manifest.aave) return manifest.aave.pool
  throw new KintsugiError('not-available', `${manifest.network}: this chain has no known Aave V3 pool`, {
    hint: 'list_providers of mcp_flash_loan_server lists who lends',
  })
}

/**
 * Aave's loan of a token. Throws `not-available` on a chain without Aave, `no-loan` for a token that it does
 * not lend.
 */
export function aaveOffer(market: MarketView, loans: LoanMarket, { address, symbol }: Token): LoanOffer {
  aavePool(market)
  const offer = loans.offers(address).find(({ kind }) => kind === 'aave-v3')
  if (offer) return offer
  throw new KintsugiError('no-loan', `Aave does not lend ${symbol} here now`, {
    hint: 'get_aave_pool_liquidity lists what it lends',
  })
}

/** Aave's loans, largest value first; only those of `token` if it is given. */
export function aaveReserves(market: MarketView, loans: LoanMarket, token?: Token): LoanOffer[] {
  aavePool(market)
  const value = (offer: LoanOffer) => market.worth(offer.token, offer.available) ?? 0
  return (token ? [token] : market.manifest.tokens)
    .flatMap(({ address }) => loans.offers(address))
    .filter(({ kind }) => kind === 'aave-v3')
    .sort((a, b) => value(b) - value(a))
}

/** Selects opportunities: cycles of at most `maxHops` pools, with a loan of `token` if it is given. */
export interface AaveSearch {
  readonly maxHops: number
  readonly token?: Token | undefined
}

/**
 * The opportunities of the present block with an Aave loan, best first. Throws `not-available` on a chain
 * without Aave.
 */
export function aaveOpportunities(
  market: MarketView,
  loans: LoanMarket,
  { maxHops, token }: AaveSearch,
): readonly Opportunity[] {
  aavePool(market)
  return matchingOpportunities(market, loans, { token: token?.address, lender: 'aave-v3', maxHops })
}
