/** All directed cycles of the pool graph, indexed by pool and updated as pools are added. */
import type { Address, Pool } from '../amm/index.ts'
import { grown, Int32List, MarketGraph } from './market-graph.ts'

/** One swap of a cycle or path. */
export interface Hop {
  readonly pool: Address
  readonly tokenIn: Address
  readonly tokenOut: Address
}

/**
 * A directed cycle of two or more different pools; it starts at the first hop's `tokenIn`, the token of the
 * profit.
 */
export type Cycle = readonly Hop[]

/** Selects the cycles that an index holds. */
export interface CycleIndexOptions {
  /** Maximum length of a cycle, in pools. */
  maxHops: number
  /**
   * Tokens in which profit is taken, in order of preference. A cycle through none of them starts at its
   * best-connected token.
   */
  startTokens?: readonly Address[]
  /** Whether to omit cycles through none of the start tokens. */
  onlyStartTokens?: boolean
  /** Maximum number of cycles; beyond it `complete` is false. Default: 6,000,000. */
  maxCycles?: number
}

const DEFAULT_MAX_CYCLES = 6_000_000

/**
 * Every directed cycle of at most `maxHops` different pools that visits no token twice, each once, rotated to
 * its start token. A route that visits a token twice consists of two cycles, which the index holds
 * separately.
 */
export class CycleIndex {
  readonly #graph: MarketGraph
  readonly #options: CycleIndexOptions
  readonly maxHops: number
  /** Number of cycles held. Cycles of removed pools count too; their log rate is minus infinity. */
  count = 0
  /** Whether `maxCycles` was enough. */
  complete = true
  /** Edges of cycle i, from i * maxHops on; shorter cycles end with -1. */
  edges = new Int32Array(0)
  readonly #ofPool: Int32List[] = []
  readonly #rank: number[] = []
  #stamps = new Int32Array(0)
  #stamp = 0

  constructor(graph: MarketGraph, options: CycleIndexOptions) {
    this.#graph = graph
    this.#options = options
    this.maxHops = options.maxHops
    this.#rankTokens()
    const order = graph.tokens
      .map((_, token) => token)
      .sort((a, b) => (this.#rank[a] as number) - (this.#rank[b] as number))
    const starts = options.onlyStartTokens
      ? order.filter((token) => options.startTokens?.includes(graph.tokens[token] as Address))
      : order
    for (const token of starts) this.#walkFrom(token)
  }

  /** Adds the cycles through a pool that was just added to the graph. */
  add(address: Address): void {
    const pool = this.#graph.poolIndex.get(address)
    if (pool === undefined) return
    const first = this.#graph.firstEdge[pool] as number
    for (let token = this.#rank.length; token < this.#graph.tokens.length; token++)
      this.#rank.push(token + 1_000_000)
    for (let edge = first; edge < first + (this.#graph.edgesOfPool[pool] as number); edge++)
      this.#walkThrough(edge, pool)
  }

  /** Indices of the cycles through any of the `changed` pools, each once. */
  touching(changed: Iterable<Address>): number[] {
    this.#stamps = grown(this.#stamps, this.count)
    const stamp = ++this.#stamp
    const found: number[] = []
    for (const address of changed) {
      const pool = this.#graph.poolIndex.get(address)
      const list = pool === undefined ? undefined : this.#ofPool[pool]
      if (!list) continue
      for (let i = 0; i < list.length; i++) {
        const cycle = list.at(i)
        if (this.#stamps[cycle] === stamp) continue
        this.#stamps[cycle] = stamp
        found.push(cycle)
      }
    }
    return found
  }

  /** A cycle by index, with addresses; empty if one of its pools was removed. */
  cycle(index: number): Cycle {
    const hops: Hop[] = []
    const { from, to, poolOf, tokens, pools } = this.#graph
    for (let i = 0; i < this.maxHops; i++) {
      const edge = this.edges[index * this.maxHops + i] as number
      if (edge < 0) break
      const pool = pools[poolOf[edge] as number]
      if (!pool) return []
      hops.push({
        pool: pool.address,
        tokenIn: tokens[from[edge] as number] as Address,
        tokenOut: tokens[to[edge] as number] as Address,
      })
    }
    return hops
  }

  /**
   * Ranks tokens by preference: a cycle is found from its first-ranked token and passes no token ranked
   * before it.
   */
  #rankTokens(): void {
    const { tokens, leaving } = this.#graph
    const preferred = new Map((this.#options.startTokens ?? []).map((token, index) => [token, index]))
    const order = tokens
      .map((_, token) => token)
      .sort((a, b) => {
        const [rankA, rankB] = [
          preferred.get(tokens[a] as Address) ?? Number.MAX_SAFE_INTEGER,
          preferred.get(tokens[b] as Address) ?? Number.MAX_SAFE_INTEGER,
        ]
        if (rankA !== rankB) return rankA - rankB
        return (
          (leaving[b] as Int32List).length - (leaving[a] as Int32List).length ||
          ((tokens[a] as Address) < (tokens[b] as Address) ? -1 : 1)
        )
      })
    order.forEach((token, rank) => {
      this.#rank[token] = rank
    })
  }

  #walkFrom(start: number): void {
    const { from, to, poolOf, leaving } = this.#graph
    const path: number[] = []
    const extend = (token: number) => {
      const edges = leaving[token] as Int32List
      next: for (let i = 0; i < edges.length; i++) {
        const edge = edges.at(i)
        const target = to[edge] as number
        if ((this.#rank[target] as number) < (this.#rank[start] as number)) continue
        if (target !== start && path.length + 1 >= this.maxHops) continue
        for (const earlier of path)
          if (poolOf[earlier] === poolOf[edge] || (target !== start && from[earlier] === target))
            continue next
        path.push(edge)
        if (target !== start) extend(target)
        else if (path.length > 1) this.#store(path)
        path.pop()
      }
    }
    extend(start)
  }

  /** Stores the cycles through the edge `first`, whose pool is the newest in the graph. */
  #walkThrough(first: number, newest: number): void {
    const { from, to, poolOf, leaving, tokens } = this.#graph
    const origin = from[first] as number
    const path = [first]
    const extend = (token: number) => {
      const edges = leaving[token] as Int32List
      next: for (let i = 0; i < edges.length; i++) {
        const edge = edges.at(i)
        const target = to[edge] as number
        if (poolOf[edge] === newest || (target !== origin && path.length + 1 >= this.maxHops)) continue
        for (const earlier of path)
          if (poolOf[earlier] === poolOf[edge] || (target !== origin && from[earlier] === target))
            continue next
        path.push(edge)
        if (target !== origin) extend(target)
        else this.#storeRotated(path, tokens)
        path.pop()
      }
    }
    extend(to[first] as number)
  }

  #storeRotated(path: readonly number[], tokens: readonly Address[]): void {
    let at = 0
    const rankOf = (index: number) => this.#rank[this.#graph.from[path[index] as number] as number] as number
    for (let i = 1; i < path.length; i++) if (rankOf(i) < rankOf(at)) at = i
    const start = tokens[this.#graph.from[path[at] as number] as number] as Address
    if (this.#options.onlyStartTokens && !this.#options.startTokens?.includes(start)) return
    this.#store([...path.slice(at), ...path.slice(0, at)])
  }

  #store(path: readonly number[]): void {
    if (this.count >= (this.#options.maxCycles ?? DEFAULT_MAX_CYCLES)) {
      this.complete = false
      return
    }
    this.edges = grown(this.edges, (this.count + 1) * this.maxHops)
    for (let i = 0; i < this.maxHops; i++) this.edges[this.count * this.maxHops + i] = path[i] ?? -1
    for (const edge of path) {
      const pool = this.#graph.poolOf[edge] as number
      let list = this.#ofPool[pool]
      if (!list) this.#ofPool[pool] = list = new Int32List()
      list.push(this.count)
    }
    this.count++
  }
}

/** All cycles of `pools`, with addresses, without keeping an index. */
export function cyclesOf(pools: Iterable<Pool>, options: CycleIndexOptions): Cycle[] {
  const index = new CycleIndex(new MarketGraph(pools), options)
  return Array.from({ length: index.count }, (_, cycle) => index.cycle(cycle))
}
