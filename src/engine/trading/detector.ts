/**
 * Finds opportunities: after each block, the cycles that its changes touch, sized for the best loan, joined
 * if one transaction earns more.
 */
import { createHash } from 'node:crypto'
import type { Address, Pool } from '../../amm/index.ts'
import {
  type Financed,
  type Followed,
  finance,
  gasOfHops,
  gasOfPlan,
  type Opportunity,
  planned,
  TRANSACTION_GAS,
  withBestLoan,
} from '../../arbitrage/index.ts'
import type { LoanOffer } from '../../flash/index.ts'
import { MarketSearch, type PoolLookup, planCycles, type SizedCycle, upperBound } from '../../graph/index.ts'
import type { Head, Hex } from '../../ports/chain.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import type { Detection } from '../../ports/messages.ts'
import type { LoanMarket } from '../../ports/ports.ts'

/** The upper bound of one block's market, and the share of it that a plan of cycles takes; values in native wei, before premiums. */
export interface Optimum {
  readonly block: number
  /** No trade over these pools earns more. */
  readonly upperBound: number
  /** Profit of the plan before gas, and after the gas of its legs. */
  readonly planned: number
  readonly plannedNet: number
  readonly cycles: number
  readonly best: number
}

/** The index holds cycles of four hops up to this number of cycles, beyond it of three. */
const MAX_CYCLES = 3_000_000
const MAX_PUBLISHED = 12
/** Maximum candidates to finance: most share pools with a better one. */
const MAX_LOOKED_AT = 200
const MAX_CYCLES_JOINED = 6
/** Trades that follow one pending transaction. */
const MAX_FOLLOWING = 3

export interface DetectorOptions {
  market: MarketView
  loans: LoanMarket
  now(): number
  /** Longest cycle, in pools; without it, the longest for which the index stays within `MAX_CYCLES`. */
  maxHops?: number
}

export class Detector {
  readonly #options: DetectorOptions
  readonly search: MarketSearch
  #startPrices: ReadonlyMap<Address, number> | undefined

  constructor(options: DetectorOptions) {
    this.#options = options
    const { pools, manifest } = options.market
    const searchOf = (maxHops: number) =>
      new MarketSearch(pools.values(), { maxHops, startTokens: manifest.startTokens, maxCycles: MAX_CYCLES })
    const deep = searchOf(options.maxHops ?? 4)
    this.search = deep.index.complete || options.maxHops !== undefined ? deep : searchOf(3)
  }

  get cycles(): number {
    return this.search.index.count
  }

  detect(change: MarketChange): Detection {
    const { market, now } = this.#options
    this.#takeOver(change)
    const { searchedCycles, paying } = this.search.search(change.changed)
    const found = this.#finance(change)
    return {
      genesis: market.manifest.genesis,
      block: change.head.number,
      blockHash: change.head.hash,
      blockTime: change.head.timestamp,
      receivedAt: change.receivedAt,
      foundAt: now(),
      changedPools: change.changed.size,
      searchedCycles,
      totalCycles: this.cycles,
      opportunities: found
        .slice(0, MAX_PUBLISHED)
        .map(({ financed }) => asOpportunity(change.head, financed, this.search.pools)),
      more: Math.max(0, paying - MAX_PUBLISHED),
    }
  }

  /**
   * The opportunities in the state `after`, which are pools as a pending transaction leaves them. The search
   * is moved to that state and restored: results after the next block are not affected.
   */
  detectAhead(after: ReadonlyMap<Address, Pool>, follows: Followed, seenAt: number): Detection {
    const { market, now } = this.#options
    const { head } = market
    const { search } = this
    for (const pool of after.values()) search.update(pool)
    const { searchedCycles } = search.search(after.keys())
    const touching = (financed: Financed) =>
      financed.cycles.some(({ hops }) => hops.some((hop) => after.has(hop.pool)))
    const change: MarketChange = { head, changed: new Set(after.keys()), logs: [], receivedAt: seenAt }
    const opportunities = this.#finance(change)
      .filter(({ financed }) => touching(financed))
      .slice(0, MAX_FOLLOWING)
      .map(({ financed }) => asOpportunity(head, financed, search.pools, follows))
    for (const address of after.keys()) {
      const pool = market.pools.get(address)
      if (pool) search.update(pool)
      else search.remove(address)
    }
    search.search(after.keys())
    return {
      genesis: market.manifest.genesis,
      block: head.number,
      blockHash: head.hash,
      blockTime: head.timestamp,
      receivedAt: seenAt,
      foundAt: now(),
      changedPools: after.size,
      searchedCycles,
      totalCycles: this.cycles,
      opportunities,
      more: 0,
      follows: follows.hash,
    }
  }

  /**
   * The optimum of the present state. Slower than a search: do not call it between a block and its trades.
   */
  optimum(change: MarketChange): Optimum {
    const { market } = this.#options
    const { wrappedNative } = market.manifest
    const bound = upperBound(
      this.search.graph,
      wrappedNative,
      this.#startPrices ? { start: this.#startPrices } : {},
    )
    this.#startPrices = bound.prices
    const gasPrice = Number(change.head.baseFeePerGas)
    // Each cycle must be worth a transaction: those that share pools are counted together afterwards.
    const worth = (hops: SizedCycle['hops']) => gasOfHops(hops, this.search.pools) * gasPrice
    const plan = planCycles(this.search, {
      maxCycles: 64,
      worth: (hops) => worth(hops) + TRANSACTION_GAS * gasPrice,
    })
    const values = plan.map(
      (sized) =>
        Number(sized.grossProfit) *
        this.search.valueOf((sized.hops[0] as SizedCycle['hops'][number]).tokenIn),
    )
    const total = values.reduce((sum, value) => sum + value, 0)
    return {
      block: change.head.number,
      upperBound: bound.value,
      planned: total,
      plannedNet:
        total -
        plan.reduce((sum, sized) => sum + worth(sized.hops), 0) -
        transactionsFor(plan) * TRANSACTION_GAS * gasPrice,
      cycles: plan.length,
      best: Math.max(0, ...values),
    }
  }

  #takeOver(change: MarketChange): void {
    const { market } = this.#options
    for (const address of change.changed) {
      const pool = market.pools.get(address)
      if (pool) this.search.update(pool)
      else this.search.remove(address)
    }
    const prices = market.prices()
    const native = prices.get(market.manifest.wrappedNative)?.rate ?? 1
    this.search.setValues({ get: (token) => (prices.get(token)?.rate ?? 0) / native })
  }

  /**
   * The best candidates with their loans; no pool is used twice. A candidate that shares a pool with a better
   * one is joined to it if that earns more; the guard would refuse it otherwise.
   */
  #finance(change: MarketChange): { financed: Financed; value: number }[] {
    const { loans } = this.#options
    const { pools } = this.search
    const offersOf = new Map<Address, readonly LoanOffer[]>()
    const gasPrice = Number(change.head.baseFeePerGas)
    const found: { financed: Financed; value: number; shared: boolean }[] = []
    const takenBy = new Map<Address, (typeof found)[number]>()
    for (const candidate of this.search.top(MAX_LOOKED_AT)) {
      const cycle = this.search.cycle(candidate.index)
      const token = cycle[0]?.tokenIn
      if (token === undefined) continue
      const better = cycle.map((hop) => takenBy.get(hop.pool)).find((taken) => taken !== undefined)
      if (better) {
        better.shared = true
        continue
      }
      let offers = offersOf.get(token)
      if (!offers) offersOf.set(token, (offers = loans.offers(token)))
      const financed = withBestLoan(cycle, pools, offers)
      if (!financed) continue
      const entry = {
        financed,
        value: Number(financed.profit) * this.search.valueOf(token) - gasOfPlan(financed, pools) * gasPrice,
        shared: false,
      }
      for (const hop of cycle) takenBy.set(hop.pool, entry)
      if (found.push(entry) === MAX_PUBLISHED) break
    }
    found.sort((a, b) => b.value - a.value)
    const [best] = found
    const joined = best?.shared ? this.#join(best.financed, offersOf, gasPrice) : undefined
    if (!best || !joined || joined.value <= best.value) return found
    // The pools of the joined plan are not available to the others.
    return [joined, ...found.slice(1).filter(({ financed }) => !sharesPool(financed, joined.financed))]
  }

  /** One transaction with further cycles on the state that the best one leaves, each worth its gas. */
  #join(
    first: Financed,
    offersOf: ReadonlyMap<Address, readonly LoanOffer[]>,
    gasPrice: number,
  ): { financed: Financed; value: number } | undefined {
    const { search } = this
    const startToken = first.loan.token
    const worth = (hops: SizedCycle['hops']) => gasOfHops(hops, search.pools) * gasPrice
    const plan = planCycles(
      search,
      { maxCycles: MAX_CYCLES_JOINED, worth, startToken, maxInput: first.loan.available },
      first.cycles[0],
    )
    if (plan.length < 2) return undefined
    const financed = finance(plan, search.pools, offersOf.get(startToken) ?? [])
    if (!financed) return undefined
    const gas = gasOfPlan(financed, search.pools) * gasPrice
    return { financed, value: Number(financed.profit) * search.valueOf(startToken) - gas }
  }
}

/** Number of transactions that a plan needs: cycles that share pools must be in the same one. */
function transactionsFor(plan: readonly SizedCycle[]): number {
  const groups: Set<Address>[] = []
  for (const { hops } of plan) {
    const joined = new Set(hops.map((hop) => hop.pool))
    for (const group of groups.filter((candidate) => hops.some((hop) => candidate.has(hop.pool)))) {
      for (const pool of group) joined.add(pool)
      groups.splice(groups.indexOf(group), 1)
    }
    groups.push(joined)
  }
  return groups.length
}

function sharesPool(a: Financed, b: Financed): boolean {
  const pools = new Set(b.cycles.flatMap((sized) => sized.hops.map((hop) => hop.pool)))
  return a.cycles.some((sized) => sized.hops.some((hop) => pools.has(hop.pool)))
}

/** A plan at the state of a block, or of the pending transaction that it follows, as an opportunity. */
export function asOpportunity(
  { number, hash }: Pick<Head, 'number' | 'hash'>,
  { cycles, ...loan }: Financed,
  pools: PoolLookup,
  follows?: Followed,
): Opportunity {
  return {
    id: opportunityId(follows?.hash ?? hash, { cycles, ...loan }),
    block: number,
    blockHash: hash,
    token: loan.loan.token,
    cycles: planned(cycles, pools),
    ...loan,
    ...(follows ? { follows } : {}),
  }
}

/** Short, and the same for the same plan with the same loan at the same state. */
function opportunityId(state: Hex, { cycles, loan, borrowed }: Financed): string {
  const hash = createHash('sha256').update(`${state} ${loan.lender} ${borrowed}`)
  for (const { hops } of cycles) hash.update(hops.map((hop) => hop.pool + hop.tokenIn).join())
  return `opp_${hash.digest('hex').slice(0, 20)}`
}
