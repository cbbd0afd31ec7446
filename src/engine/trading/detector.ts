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
import {
  type Candidate,
  MarketSearch,
  type PoolLookup,
  planCycles,
  type SizedCycle,
  upperBound,
} from '../../graph/index.ts'
import type { Head, Hex } from '../../ports/chain.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import type { Detection } from '../../ports/messages.ts'
import type { LoanMarket } from '../../ports/ports.ts'

/**
 * The upper bound of one block's market, and the share of it that a plan of cycles takes; values in native
 * wei, before premiums.
 */
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
/** Maximum candidates to finance: the majority share a pool with a better one. */
const MAX_LOOKED_AT = 200
const MAX_CYCLES_JOINED = 6
/**
 * Maximum start tokens whose cycles are joined: a join takes 0.2 ms on hundreds of cycles, 50 ms on a
 * million.
 */
const MAX_JOINS = 2
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
   * Trades of the present state, best first by value net of gas, no pool in two of them: single cycles,
   * joined per start token where one transaction earns more than they do separately.
   */
  #finance(change: MarketChange): ValuedTrade[] {
    const gasPrice = Number(change.head.baseFeePerGas)
    const candidates = this.search.top(MAX_LOOKED_AT)
    const offersOf = offersByToken(this.#options.loans)
    let found = this.#singles(candidates, offersOf, gasPrice)
    for (const plan of this.#joined(found, candidates, offersOf, gasPrice)) {
      const replaced = separateTrades(plan, found)
      if (plan.value > separateValue(replaced))
        found = [plan, ...found.filter((trade) => !replaced.includes(trade))]
    }
    return found.sort(byValue)
  }

  /** Single cycles with their best loans, best first before gas; of cycles that share a pool, the first. */
  #singles(candidates: readonly Candidate[], offersOf: OffersOf, gasPrice: number): ValuedTrade[] {
    const found: ValuedTrade[] = []
    const taken = new Set<Address>()
    for (const candidate of candidates) {
      const cycle = this.search.cycle(candidate.index)
      const token = cycle[0]?.tokenIn
      if (token === undefined || cycle.some((hop) => taken.has(hop.pool))) continue
      const financed = withBestLoan(cycle, this.search.pools, offersOf(token))
      if (!financed) continue
      for (const hop of cycle) taken.add(hop.pool)
      if (found.push(this.#valued(financed, gasPrice)) === MAX_PUBLISHED) break
    }
    return found
  }

  /**
   * Joined trades, best first. Independent of which single trade is best: alone each pays for a transaction
   * and its lender, joined it pays for its swaps only.
   */
  #joined(
    singles: readonly ValuedTrade[],
    candidates: readonly Candidate[],
    offersOf: OffersOf,
    gasPrice: number,
  ): ValuedTrade[] {
    const { search } = this
    const worth = (hops: SizedCycle['hops']) => gasOfHops(hops, search.pools) * gasPrice
    const cyclesWorthSwaps = new Map<Address, number>()
    for (const { index, value } of candidates) {
      const cycle = search.cycle(index)
      const token = cycle[0]?.tokenIn
      if (token !== undefined && value > worth(cycle))
        cyclesWorthSwaps.set(token, (cyclesWorthSwaps.get(token) ?? 0) + 1)
    }
    const surplus = ({ financed }: ValuedTrade) =>
      Number(financed.profit) * search.valueOf(financed.loan.token) -
      financed.cycles.reduce((sum, { hops }) => sum + worth(hops), 0)
    const groups = Map.groupBy(
      singles.filter((trade) => surplus(trade) > 0),
      ({ financed }) => financed.loan.token,
    )
    return [...groups]
      .filter(([token]) => (cyclesWorthSwaps.get(token) ?? 0) > 1)
      .map(([, trades]) => ({ trades, total: trades.reduce((sum, trade) => sum + surplus(trade), 0) }))
      .sort((a, b) => b.total - a.total)
      .slice(0, MAX_JOINS)
      .flatMap(
        ({ trades: [first] }) =>
          (first && this.#join(first.financed, singles, worth, offersOf, gasPrice)) ?? [],
      )
      .sort(byValue)
  }

  /**
   * One transaction of several cycles that start at the same token: further cycles on what the first leaves,
   * each worth its gas and the lender that it requires. `undefined` where no such trade earns more than its
   * cycles separately.
   */
  #join(
    first: Financed,
    singles: readonly ValuedTrade[],
    worth: (hops: SizedCycle['hops']) => number,
    offersOf: OffersOf,
    gasPrice: number,
  ): ValuedTrade | undefined {
    const { search } = this
    const startToken = first.loan.token
    const plan = planCycles(
      search,
      { maxCycles: MAX_CYCLES_JOINED, worth, startToken, maxInput: first.loan.available },
      first.cycles[0],
    )
    const valued = (cycles: readonly SizedCycle[]) => {
      const financed = finance(cycles, search.pools, offersOf(startToken))
      return financed && this.#valued(financed, gasPrice)
    }
    let cycles: readonly SizedCycle[] = plan
    let joined = valued(cycles)
    while (joined && cycles.length > 1) {
      const separate = separateTrades(joined, singles)
      const splits = cycles
        .filter((sized) => isApart(sized, cycles))
        .map((left) => {
          const rest = cycles.filter((sized) => sized !== left)
          const own = singles.find(({ financed }) => sharesPool(financed, { cycles: [left] }))
          return { rest, trade: valued(rest), own: Math.max(0, own?.value ?? 0) }
        })
      const [best] = splits.sort((a, b) => (b.trade?.value ?? 0) + b.own - (a.trade?.value ?? 0) - a.own)
      const paysItsLender = !best?.trade || best.trade.value <= joined.value
      if (paysItsLender && joined.value > separateValue(separate)) return joined
      if (!best) return undefined
      cycles = best.rest
      joined = best.trade
    }
    return undefined
  }

  #valued(financed: Financed, gasPrice: number): ValuedTrade {
    const gross = Number(financed.profit) * this.search.valueOf(financed.loan.token)
    return { financed, value: gross - gasOfPlan(financed, this.search.pools) * gasPrice }
  }
}

/** A trade with its value in native wei, net of its gas at the base fee. */
interface ValuedTrade {
  readonly financed: Financed
  readonly value: number
}

/** The trades that a joined one replaces: those that share a pool with it. */
const separateTrades = (joined: ValuedTrade, trades: readonly ValuedTrade[]) =>
  trades.filter(({ financed }) => sharesPool(financed, joined.financed))

const byValue = (a: ValuedTrade, b: ValuedTrade) => b.value - a.value

/** The value of trades sent separately: the sum of those that pay, or the least loss where none does. */
function separateValue(trades: readonly ValuedTrade[]): number {
  const values = trades.map(({ value }) => value)
  const paying = values.filter((value) => value > 0)
  return paying.length > 0 ? paying.reduce((sum, value) => sum + value, 0) : Math.max(...values)
}

/** Whether a cycle of a plan shares no pool with the others: without it, their amounts stay exact. */
const isApart = (sized: SizedCycle, cycles: readonly SizedCycle[]): boolean => {
  const pools = new Set(sized.hops.map((hop) => hop.pool))
  return !cycles.some((other) => other !== sized && other.hops.some((hop) => pools.has(hop.pool)))
}

type OffersOf = (token: Address) => readonly LoanOffer[]

/** The offers of one state, read once per token. */
function offersByToken(loans: LoanMarket): OffersOf {
  const known = new Map<Address, readonly LoanOffer[]>()
  return (token) => {
    const offers = known.get(token) ?? loans.offers(token)
    known.set(token, offers)
    return offers
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

function sharesPool(a: Pick<Financed, 'cycles'>, b: Pick<Financed, 'cycles'>): boolean {
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
