/** Finds opportunities: after each block, the cycles that its changes touch, sized for the best loan. */
import { createHash } from 'node:crypto'
import type { Address } from '../amm/index.ts'
import { legsOf, type Opportunity, withBestLoan } from '../arbitrage/index.ts'
import type { LoanOffer } from '../flash/index.ts'
import { type Cycle, CycleIndex, logRate } from '../graph/index.ts'
import type { Hex } from '../ports/chain.ts'
import type { MarketChange, MarketView } from '../ports/market.ts'
import type { LoanMarket } from '../ports/ports.ts'

/** What one block's search found: published on the bus as `opportunities`. */
export interface Detection {
  readonly genesis: Hex
  readonly block: number
  readonly blockHash: Hex
  /** Seconds since 1970, from the block. */
  readonly blockTime: number
  readonly receivedAt: number
  readonly foundAt: number
  readonly changedPools: number
  readonly searchedCycles: number
  readonly totalCycles: number
  /** Best first by value in the native token. */
  readonly opportunities: readonly Opportunity[]
  /** Opportunities found beyond those listed. */
  readonly more: number
}

/** Up to this many pools the index holds cycles of four hops, beyond it of three. */
const POOLS_FOR_FOUR_HOPS = 300
const MOST_PUBLISHED = 12

export interface DetectorOptions {
  market: MarketView
  loans: LoanMarket
  now(): number
  /** Overrides the longest cycle. */
  maxHops?: number
}

export class Detector {
  readonly #options: DetectorOptions
  readonly index: CycleIndex
  /** Cycles that paid when last looked at: they still do until a pool of theirs changes, so they stay candidates. */
  #paying = new Set<Cycle>()

  constructor(options: DetectorOptions) {
    this.#options = options
    const pools = [...options.market.pools.values()]
    const maxHops = options.maxHops ?? (pools.length <= POOLS_FOR_FOUR_HOPS ? 4 : 3)
    this.index = new CycleIndex(pools, { maxHops, startTokens: options.market.manifest.startTokens })
  }

  detect(change: MarketChange): Detection {
    const { market, loans, now } = this.#options
    const { pools } = market
    const candidates = new Set<Cycle>([...this.index.touching(change.changed), ...this.#paying])
    const offersOf = new Map<Address, readonly LoanOffer[]>()
    const paying = new Set<Cycle>()
    const found: { opportunity: Opportunity; value: number }[] = []
    const prices = market.prices()
    const native = prices.get(market.manifest.wrappedNative)?.rate ?? 1
    for (const cycle of candidates) {
      if (!(logRate(cycle, pools) > 0)) continue
      const token = (cycle[0] as Cycle[number]).tokenIn
      let offers = offersOf.get(token)
      if (!offers) offersOf.set(token, (offers = loans.offers(token)))
      const best = withBestLoan(cycle, pools, offers)
      if (!best) continue
      paying.add(cycle)
      const opportunity: Opportunity = {
        id: opportunityId(change.head.hash, cycle),
        block: change.head.number,
        blockHash: change.head.hash,
        token,
        legs: legsOf(cycle, pools),
        amounts: best.sized.amounts,
        loan: best.loan,
        premium: best.premium,
        profit: best.profit,
      }
      found.push({ opportunity, value: (Number(best.profit) * (prices.get(token)?.rate ?? 0)) / native })
    }
    this.#paying = paying
    found.sort((a, b) => b.value - a.value)
    return {
      genesis: market.manifest.genesis,
      block: change.head.number,
      blockHash: change.head.hash,
      blockTime: change.head.timestamp,
      receivedAt: change.receivedAt,
      foundAt: now(),
      changedPools: change.changed.size,
      searchedCycles: candidates.size,
      totalCycles: this.index.cycles.length,
      opportunities: found.slice(0, MOST_PUBLISHED).map((entry) => entry.opportunity),
      more: Math.max(0, found.length - MOST_PUBLISHED),
    }
  }
}

/** Short, and the same for the same cycle at the same block. */
function opportunityId(blockHash: Hex, cycle: Cycle): string {
  return `opp_${createHash('sha256')
    .update(blockHash)
    .update(cycle.map((hop) => hop.pool + (hop.zeroForOne ? '0' : '1')).join())
    .digest('hex')
    .slice(0, 20)}`
}
