/** An opportunity: a cycle at its best size with the loan that makes it earn most, at the state of one block. */
import type { Address, Pool } from '../amm/index.ts'
import { type LoanOffer, premium, premiumFraction, rankOffers } from '../flash/index.ts'
import { type Cycle, type SizedCycle, sizeCycle } from '../graph/index.ts'

export interface Leg {
  readonly pool: Address
  readonly kind: Pool['kind']
  readonly dex: string
  readonly zeroForOne: boolean
  readonly tokenIn: Address
  readonly tokenOut: Address
  /** Constant product: the fee the contract computes with, in basis points; 0 for concentrated pools. */
  readonly feeBps: number
}

export interface Opportunity {
  readonly id: string
  /** The block whose state it was computed at. */
  readonly block: number
  readonly blockHash: `0x${string}`
  readonly token: Address
  readonly legs: readonly Leg[]
  /** The amount into each leg, and last what comes out; `amounts[0]` is the loan. */
  readonly amounts: readonly bigint[]
  readonly loan: LoanOffer
  readonly premium: bigint
  /** What the treasury gets if nothing moves: amount out less loan and premium. */
  readonly profit: bigint
}

/** A loan as cheap as the cheapest that fits, with the cycle sized for it; `undefined` where no loan makes it pay. */
export function withBestLoan(
  cycle: Cycle,
  pools: ReadonlyMap<Address, Pool>,
  offers: readonly LoanOffer[],
): { sized: SizedCycle; loan: LoanOffer; premium: bigint; profit: bigint } | undefined {
  const free = sizeCycle(cycle, pools)
  if (!free) return undefined
  const route = { pools: cycle.map((hop) => hop.pool), usesBalancer: false }
  // Rank at amount 1, so that a lender too small for the free optimum still competes at its own size.
  const ranked = rankOffers(offers, route, 1n)
  let best: { sized: SizedCycle; loan: LoanOffer; premium: bigint; profit: bigint } | undefined
  for (const loan of ranked) {
    const sized = sizeCycle(cycle, pools, premiumFraction(loan), loan.available)
    if (!sized) continue
    const cost = premium(loan, sized.amounts[0] as bigint)
    const profit = sized.grossProfit - cost
    if (profit > 0n && (!best || profit > best.profit)) best = { sized, loan, premium: cost, profit }
    // Offers are in order of price: a lender with enough for the whole optimum cannot be beaten by a dearer one.
    if (best && (best.sized.amounts[0] as bigint) < loan.available) break
  }
  return best
}

/** The legs of a cycle as the contract needs them. */
export function legsOf(cycle: Cycle, pools: ReadonlyMap<Address, Pool>): Leg[] {
  return cycle.map((hop) => {
    const pool = pools.get(hop.pool) as Pool
    return { ...hop, kind: pool.kind, dex: pool.dex, feeBps: pool.kind === 'constant-product' ? pool.feeBps : 0 }
  })
}
