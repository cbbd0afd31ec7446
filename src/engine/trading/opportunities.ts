/** Opportunities of the present block, searched on demand. */
import type { Address } from '../../amm/index.ts'
import { finance, gasOf, type Opportunity } from '../../arbitrage/index.ts'
import type { LenderKind, LoanOffer } from '../../flash/index.ts'
import { MarketSearch, walkCycle } from '../../graph/index.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { asOpportunity, Detector } from './detector.ts'

/** A search of the present market, its values in units of the numeraire. */
export function searchOf(market: MarketView, maxHops: number): MarketSearch {
  const search = new MarketSearch(market.pools.values(), {
    maxHops,
    startTokens: market.manifest.startTokens,
  })
  search.setValues({ get: (token) => market.prices().get(token)?.rate })
  return search
}

export interface FindOptions {
  readonly maxHops: number
  readonly limit: number
  /** Only with loans of this lender. */
  readonly lender?: LenderKind
}

/**
 * The opportunities of the present block as a detector with the same `maxHops` finds them: joined where one
 * transaction earns more, no pool twice, with the same ids, best first by value net of gas. Builds the index
 * of cycles: milliseconds on hundreds of pools; on 3,788 pools 30 ms for 3 hops and 440 ms for 4.
 */
export function findOpportunities(
  market: MarketView,
  loans: LoanMarket,
  { maxHops, limit, lender }: FindOptions,
): { searchedCycles: number; found: readonly Opportunity[] } {
  const lending: LoanMarket =
    lender === undefined ? loans : { offers: (token) => offersOf(loans, token, lender) }
  const detector = new Detector({ market, loans: lending, now: () => market.observedAt, maxHops })
  const { searchedCycles, opportunities } = detector.detect({
    head: market.head,
    changed: new Set(market.pools.keys()),
    logs: [],
    receivedAt: market.observedAt,
  })
  return { searchedCycles, found: opportunities.slice(0, limit) }
}

/** Selects opportunities; an absent field matches all. */
export interface OpportunityFilter {
  /** The token that is earned. */
  readonly token?: Address | undefined
  readonly lender?: LenderKind | undefined
  readonly maxHops: number
}

/** The opportunities of the present block that match, best first. */
export function matchingOpportunities(
  market: MarketView,
  loans: LoanMarket,
  { token, lender, maxHops }: OpportunityFilter,
): readonly Opportunity[] {
  const { found } = findOpportunities(market, loans, {
    maxHops,
    limit: Number.MAX_SAFE_INTEGER,
    ...(lender ? { lender } : {}),
  })
  return token === undefined ? found : found.filter((each) => each.token === token)
}

/**
 * The first cycle at another size, with the cheapest loan for it; `undefined` if a pool refuses or no profit
 * remains.
 */
export function atSize(
  found: Opportunity,
  size: bigint,
  market: MarketView,
  loans: LoanMarket,
): Opportunity | undefined {
  const [cycle] = found.cycles
  const sized = cycle && walkCycle(cycle.legs, market.pools, size)
  const financed = sized && finance([sized], market.pools, loans.offers(found.token))
  return financed && asOpportunity(market.head, financed, market.pools)
}

/**
 * Gross profits of the first cycle of an opportunity by size, in smallest units; undefined if a pool refuses
 * the size.
 */
export interface CycleSizes {
  readonly token: Address
  readonly chosen: bigint
  readonly profit: bigint | undefined
  readonly half: bigint | undefined
  readonly double: bigint | undefined
}

/** The first cycle at its size, at half and at double of it, on the pools as they are now. */
export function cycleSizes({ token, cycles }: Opportunity, market: MarketView): CycleSizes {
  const chosen = cycles[0]?.amounts[0] ?? 0n
  const at = (size: bigint) => walkCycle(cycles[0]?.legs ?? [], market.pools, size)?.grossProfit
  return { token, chosen, profit: at(chosen), half: at(chosen / 2n), double: at(chosen * 2n) }
}

const offersOf = (loans: LoanMarket, token: Address, lender: LenderKind): LoanOffer[] =>
  loans.offers(token).filter((offer) => offer.kind === lender)

/** The profit in units of the numeraire, smallest. */
const worthOf = (found: Opportunity, market: MarketView) =>
  Number(found.profit) * (market.prices().get(found.token)?.rate ?? 0)

/**
 * The profit and the gas of a trade at the present base fee, in native wei; `gasUnits` is the guard's
 * estimate.
 */
export function nativeNumbers(
  found: Opportunity,
  market: MarketView,
): { gross: number; gas: number; gasUnits: number } {
  const native = market.prices().get(market.manifest.wrappedNative)?.rate
  const gasUnits = gasOf(found)
  return {
    gross: native ? worthOf(found, market) / native : 0,
    gas: gasUnits * Number(market.head.baseFeePerGas),
    gasUnits,
  }
}
