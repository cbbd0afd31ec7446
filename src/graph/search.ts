/**
 * The search of a block: screens the touched cycles by log rate, sizes them in closed form, ranks them by
 * value, confirms the best in exact integers.
 */
import type { Address, Pool } from '../amm/index.ts'
import { type Cycle, CycleIndex, type CycleIndexOptions } from './cycles.ts'
import { grown, MarketGraph, NOTHING } from './market-graph.ts'
import { bestInputOf, type PoolLookup, type SizedCycle, walkCycle } from './sizing.ts'

/** A profitable cycle in floating point, not yet confirmed. */
export interface Candidate {
  /** Index of the cycle. */
  readonly index: number
  /** In the start token's smallest unit. */
  readonly amountIn: number
  readonly profit: number
  /** The profit in the unit of `setValues`. */
  readonly value: number
}

/** Counts of one search. */
export interface SearchResult {
  /** Cycles examined, and those of them with a positive log rate. */
  readonly searchedCycles: number
  readonly screenedIn: number
  /** Profitable cycles, untouched ones included. */
  readonly paying: number
}

/** Share of a known range's capacity that an input at or beyond its edge uses. */
const WITHIN = 1 - 1e-9

/**
 * Holds the sizes of all profitable cycles. A cycle's size changes only with its pools, so a search after a
 * block examines only the cycles that changed pools touch.
 */
export class MarketSearch {
  readonly graph: MarketGraph
  readonly index: CycleIndex
  readonly pools: PoolLookup
  #amountIn = new Float64Array(0)
  /** Zero for an unprofitable cycle. */
  #profit = new Float64Array(0)
  #paying = new Int32Array(0)
  #payingCount = 0
  #listed = new Uint8Array(0)
  #value = new Float64Array(0)

  constructor(pools: Iterable<Pool>, options: CycleIndexOptions) {
    this.graph = new MarketGraph(pools)
    this.index = new CycleIndex(this.graph, options)
    this.pools = { get: (address) => this.graph.pools[this.graph.poolIndex.get(address) ?? -1] }
  }

  /** Sets the state of a pool; the cycles of a new pool are added. Takes effect with the next `search`. */
  update(pool: Pool): void {
    if (this.graph.set(pool)) this.index.add(pool.address)
  }

  /** Disables a pool. Takes effect with the next `search` that touches it. */
  remove(pool: Address): void {
    this.graph.remove(pool)
  }

  /** Sets the value of one smallest unit of each token, in any unit; tokens without a value rank last. */
  setValues(values: { get(token: Address): number | undefined }): void {
    this.#value = Float64Array.from(this.graph.tokens, (token) => values.get(token) ?? 0)
  }

  /** The value of one smallest unit of a token, as set; 0 without one. */
  valueOf(token: Address): number {
    return this.#value[this.graph.tokenIndex.get(token) ?? -1] ?? 0
  }

  /** Searches all cycles, or those through the `changed` pools. */
  search(changed?: Iterable<Address>): SearchResult {
    const { index } = this
    const touched = changed && index.touching(changed)
    const searchedCycles = touched ? touched.length : index.count
    this.#amountIn = grown(this.#amountIn, index.count)
    this.#profit = grown(this.#profit, index.count)
    this.#paying = grown(this.#paying, index.count)
    this.#listed = grown(this.#listed, index.count)
    let screenedIn = 0
    for (let i = 0; i < searchedCycles; i++) {
      const cycle = touched ? (touched[i] as number) : i
      if (this.rateOf(cycle) > 0) {
        screenedIn++
        this.#size(cycle)
        if (this.#listed[cycle] === 0 && (this.#profit[cycle] as number) > 0) {
          this.#listed[cycle] = 1
          this.#paying[this.#payingCount++] = cycle
        }
      } else this.#profit[cycle] = 0
    }
    this.#compact()
    return { searchedCycles, screenedIn, paying: this.#payingCount }
  }

  #compact(): void {
    let kept = 0
    for (let i = 0; i < this.#payingCount; i++) {
      const cycle = this.#paying[i] as number
      if ((this.#profit[cycle] as number) > 0) this.#paying[kept++] = cycle
      else this.#listed[cycle] = 0
    }
    this.#payingCount = kept
  }

  /** Logarithm of the marginal rate around a cycle. */
  rateOf(cycle: number): number {
    const { edges, maxHops } = this.index
    const { logRate } = this.graph
    let sum = 0
    for (let at = cycle * maxHops, end = at + maxHops; at < end; at++) {
      const edge = edges[at] as number
      if (edge < 0) break
      sum += logRate[edge] as number
    }
    return sum
  }

  /**
   * The best input of a cycle: the optimum of the composed map, or the end of what is known, or by pieces and
   * curves.
   */
  #size(cycle: number): void {
    const { edges, maxHops } = this.index
    const graph = this.graph
    const [ga, gc, gd] = [graph.a, graph.c, graph.d]
    // The route up to here maps x to a x / (c x + d); `maxInput` is the input at which the first pool reaches
    // its limit.
    let a = 1
    let c = 0
    let d = 1
    let maxInput = Number.POSITIVE_INFINITY
    let beyond = NOTHING
    for (let at = cycle * maxHops, end = at + maxHops; at < end; at++) {
      const edge = edges[at] as number
      if (edge < 0) break
      const limit = graph.limit[edge] as number
      if (limit !== Number.POSITIVE_INFINITY) {
        const room = a - limit * c
        const end = room > 0 ? (limit * d) / room : Number.POSITIVE_INFINITY
        if (end < maxInput) {
          maxInput = end
          beyond = graph.beyond[edge] as number
        }
      }
      c = (gc[edge] as number) * a + (gd[edge] as number) * c
      a *= ga[edge] as number
      d *= gd[edge] as number
    }
    let amountIn = (Math.sqrt(a) * Math.sqrt(d) - d) / c
    let profit: number
    if (amountIn > maxInput && beyond !== NOTHING) {
      const best = bestInputOf(this.index.cycle(cycle), this.pools, 1)
      amountIn = best?.amountIn ?? 0
      profit = best?.profit ?? 0
    } else {
      if (amountIn > maxInput) amountIn = maxInput * WITHIN
      profit = (a * amountIn) / (c * amountIn + d) - amountIn
    }
    this.#amountIn[cycle] = amountIn
    this.#profit[cycle] = profit > 0 && amountIn >= 1 ? profit : 0
  }

  /** The `limit` most valuable cycles by the values set, best first. */
  top(limit: number): Candidate[] {
    const values: number[] = []
    const cycles: number[] = []
    const { edges, maxHops } = this.index
    for (let i = 0; i < this.#payingCount; i++) {
      const cycle = this.#paying[i] as number
      const value =
        (this.#profit[cycle] as number) *
        (this.#value[this.graph.from[edges[cycle * maxHops] as number] as number] ?? 0)
      if (values.length === limit && !(value > (values[limit - 1] as number))) continue
      // Insertion into a short sorted list: most cycles fail the comparison above.
      let place = Math.min(values.length, limit - 1)
      for (; place > 0 && value > (values[place - 1] as number); place--) {
        values[place] = values[place - 1] as number
        cycles[place] = cycles[place - 1] as number
      }
      values[place] = value
      cycles[place] = cycle
    }
    return cycles.map((index, place) => ({
      index,
      amountIn: this.#amountIn[index] as number,
      profit: this.#profit[index] as number,
      value: values[place] as number,
    }))
  }

  /** The candidate in exact integers; `undefined` if rounding takes the profit. */
  confirm(candidate: Candidate): SizedCycle | undefined {
    const sized = walkCycle(
      this.index.cycle(candidate.index),
      this.pools,
      BigInt(Math.floor(candidate.amountIn)),
    )
    return sized && sized.grossProfit > 0n ? sized : undefined
  }

  /**
   * The best `limit` cycles in exact integers. Examines 16 more candidates, as rounding may take the profit
   * of some.
   */
  best(limit: number): SizedCycle[] {
    const found: SizedCycle[] = []
    for (const candidate of this.top(limit + 16)) {
      const sized = this.confirm(candidate)
      if (sized && found.push(sized) === limit) break
    }
    return found
  }

  /** A cycle by index. */
  cycle(index: number): Cycle {
    return this.index.cycle(index)
  }
}
