/**
 * An opportunity: one or more cycles at their best sizes with the loan that makes them earn most, at the
 * state of one block.
 */
import type { Address, Pool } from '../amm/index.ts'
import { inVault } from '../amm/index.ts'
import {
  impossible,
  type LoanOffer,
  premium,
  premiumFraction,
  type RouteVenues,
  rankOffers,
} from '../flash/index.ts'
import { type Cycle, type PoolLookup, type SizedCycle, sizeCycle, trimmed } from '../graph/index.ts'

/** How the contract trades with a pool: see contracts/src/Venues.sol. */
export type Venue = 'pair' | 'concentrated' | 'vault' | 'managed'

export interface Leg {
  readonly pool: Address
  readonly kind: Pool['kind']
  readonly dex: string
  readonly tokenIn: Address
  readonly tokenOut: Address
  /** How the contract makes the swap, and what names the pool there. */
  readonly venue: Venue
  readonly target: Address
  /** Constant product: the fee the contract computes with, in basis points; 0 for other pools. */
  readonly feeBps: number
  /**
   * Algebra: the fee of the computation, in hundredths of a basis point; a plugin may set another before the
   * swap.
   */
  readonly feePips?: number
}

/** One cycle of a plan. `amounts`: into each leg, and last what comes out. */
export interface PlannedCycle {
  readonly legs: readonly Leg[]
  readonly amounts: readonly bigint[]
}

export interface Opportunity {
  readonly id: string
  /** The block whose state it was computed at. */
  readonly block: number
  readonly blockHash: `0x${string}`
  readonly token: Address
  /** Run one after another in one transaction; each starts and ends at `token`. */
  readonly cycles: readonly PlannedCycle[]
  readonly loan: LoanOffer
  /** Amount of the loan: the maximum that any cycle needs in addition to what earlier cycles earned. */
  readonly borrowed: bigint
  readonly premium: bigint
  /** Profit of the treasury if nothing moves: earnings of the cycles less the premium. */
  readonly profit: bigint
  /**
   * The pending transaction that opens this opportunity, which was computed with it on top of the block's
   * state.
   */
  readonly follows?: Followed
}

/** A pending transaction of another account. */
export interface Followed {
  readonly hash: `0x${string}`
  readonly from: Address
  readonly to: Address
  readonly data: `0x${string}`
  /** In wei. */
  readonly value: bigint
  readonly gas: bigint
  /** A later transaction with the same fees is placed right behind it. */
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** All legs, in the order in which they run. */
export const legsIn = (opportunity: Pick<Opportunity, 'cycles'>): Leg[] =>
  opportunity.cycles.flatMap((cycle) => cycle.legs)

/** A plan with the loan for it. */
export type Financed = Pick<Opportunity, 'loan' | 'borrowed' | 'premium' | 'profit'> & {
  readonly cycles: readonly SizedCycle[]
}

/** The cheapest loan that fits, with the cycle sized for it; `undefined` if no loan makes it profitable. */
export function withBestLoan(
  cycle: Cycle,
  pools: PoolLookup,
  offers: readonly LoanOffer[],
): Financed | undefined {
  if (!sizeCycle(cycle, pools)) return undefined
  // Rank at amount 1, so that a lender too small for the free optimum still competes at its own size.
  let best: Financed | undefined
  for (const loan of rankOffers(offers, venuesOf([cycle], pools), 1n)) {
    const sized = sizeCycle(cycle, pools, premiumFraction(loan), loan.available)
    if (!sized) continue
    const borrowed = sized.amounts[0] as bigint
    const cost = premium(loan, borrowed)
    const profit = sized.grossProfit - cost
    if (profit > 0n && (!best || profit > best.profit))
      best = { cycles: [sized], loan, borrowed, premium: cost, profit }
    // Offers are in order of price: a lender with enough for the whole optimum cannot be beaten by a dearer
    // one.
    if (best && best.borrowed < loan.available) break
  }
  return best && finance([trimmed(best.cycles[0] as SizedCycle, pools)], pools, [best.loan])
}

/** The cheapest loan for a plan as it is; `undefined` if none fits or the premium exceeds the profit. */
export function finance(
  cycles: readonly SizedCycle[],
  pools: PoolLookup,
  offers: readonly LoanOffer[],
): Financed | undefined {
  let [earned, borrowed] = [0n, 0n]
  for (const sized of cycles) {
    const needed = (sized.amounts[0] as bigint) - earned
    if (needed > borrowed) borrowed = needed
    earned += sized.grossProfit
  }
  const venues = venuesOf(
    cycles.map((sized) => sized.hops),
    pools,
  )
  const loan = rankOffers(offers, venues, borrowed).find(
    (offer) => impossible(offer, venues, borrowed) === undefined,
  )
  if (!loan) return undefined
  const cost = premium(loan, borrowed)
  return earned > cost ? { cycles, loan, borrowed, premium: cost, profit: earned - cost } : undefined
}

/** The venues of cycles, for the rules on lenders. */
function venuesOf(cycles: readonly Cycle[], pools: PoolLookup): RouteVenues {
  const used = cycles.flatMap((cycle) => cycle.map((hop) => hop.pool))
  return {
    pools: used,
    usesBalancer: used.some((address) => {
      const pool = pools.get(address)
      return pool !== undefined && inVault(pool)
    }),
  }
}

/** The legs of a cycle as the contract needs them. */
export function legsOf(cycle: Cycle, pools: PoolLookup): Leg[] {
  return cycle.map((hop) => {
    const pool = pools.get(hop.pool) as Pool
    const feeBps = pool.kind === 'constant-product' ? pool.feeBps : 0
    const dynamic = pool.kind === 'concentrated' && pool.engine === 'algebra' ? { feePips: pool.feePips } : {}
    return { ...hop, kind: pool.kind, dex: pool.dex, feeBps, ...dynamic, ...placeOf(pool) }
  })
}

/** How the contract reaches a pool. */
export function placeOf(pool: Pool): Pick<Leg, 'venue' | 'target'> {
  if (pool.kind === 'constant-product') return { venue: 'pair', target: pool.address }
  if (pool.kind !== 'concentrated') return { venue: 'vault', target: pool.address }
  if (pool.engine !== 'uniswap-v4') return { venue: 'concentrated', target: pool.address }
  const key =
    (pool.native ? 1n << 48n : 0n) |
    (BigInt(pool.keyFeePips ?? pool.feePips) << 24n) |
    BigInt(pool.tickSpacing)
  return { venue: 'managed', target: `0x${key.toString(16).padStart(40, '0')}` }
}

/** Cycles as an opportunity lists them. */
export const planned = (cycles: readonly SizedCycle[], pools: PoolLookup): PlannedCycle[] =>
  cycles.map((sized) => ({ legs: legsOf(sized.hops, pools), amounts: sized.amounts }))

/** The legs as the signed intent names them. */
export const intentCycles = (opportunity: Pick<Opportunity, 'cycles'>) =>
  opportunity.cycles.map((cycle) => ({
    amountIn: cycle.amounts[0] as bigint,
    legs: cycle.legs.map(({ venue, target, tokenIn, feeBps }) => ({ venue, pool: target, tokenIn, feeBps })),
  }))
