/** The pool graph and its cycles: tokens are vertices, pools are edges, a cycle is a route back to its start. */
import { type Address, feeFraction, type Pool, quoteExactIn, spotPrice } from '../amm/index.ts'
import { bestInput, pieceReader } from './moebius.ts'

export interface Hop {
  readonly pool: Address
  readonly zeroForOne: boolean
  readonly tokenIn: Address
  readonly tokenOut: Address
}

/** A directed cycle of two or more different pools; `hops[0].tokenIn` is the start, and the token of the profit. */
export type Cycle = readonly Hop[]

/** A cycle with its best input, confirmed in exact integers. Amounts in the start token's smallest unit. */
export interface SizedCycle {
  readonly hops: Cycle
  /** The amount into each hop, and last the amount out: `amounts[0]` is the input. */
  readonly amounts: readonly bigint[]
  /** `amounts.at(-1) - amounts[0]`, before premium and gas. */
  readonly grossProfit: bigint
}

export interface CycleIndexOptions {
  /** Longest cycle, in pools. */
  maxHops: number
  /** Tokens in which profit is wanted, best first; cycles through none of them start at their best-connected token. */
  startTokens?: readonly Address[]
}

/** All directed simple cycles of a set of pools, found once, looked up by the pools that changed. */
export class CycleIndex {
  readonly cycles: readonly Cycle[]
  readonly #byPool = new Map<Address, number[]>()

  constructor(pools: readonly Pool[], options: CycleIndexOptions) {
    this.cycles = enumerateCycles(pools, options)
    this.cycles.forEach((cycle, index) => {
      for (const hop of cycle) {
        const list = this.#byPool.get(hop.pool)
        if (list) list.push(index)
        else this.#byPool.set(hop.pool, [index])
      }
    })
  }

  /** The cycles that touch any of `changed`, each once. */
  touching(changed: Iterable<Address>): Cycle[] {
    const found = new Set<number>()
    for (const pool of changed) for (const index of this.#byPool.get(pool) ?? []) found.add(index)
    return [...found].map((index) => this.cycles[index] as Cycle)
  }
}

/** Every directed cycle of at most `maxHops` pools that visits no token twice; each once, rotated to its start token. */
export function enumerateCycles(pools: readonly Pool[], { maxHops, startTokens = [] }: CycleIndexOptions): Cycle[] {
  const edges = new Map<Address, Hop[]>()
  for (const pool of pools) {
    for (const zeroForOne of [true, false]) {
      const [tokenIn, tokenOut] = zeroForOne ? pool.tokens : [pool.tokens[1], pool.tokens[0]]
      const list = edges.get(tokenIn)
      const hop: Hop = { pool: pool.address, zeroForOne, tokenIn, tokenOut }
      if (list) list.push(hop)
      else edges.set(tokenIn, [hop])
    }
  }
  // Tokens in order of preference: a cycle is found from its first token, and never passes one that comes before it.
  const preferred = new Map(startTokens.map((token, index) => [token, index]))
  const order = [...edges.keys()].sort((a, b) => {
    const [rankA, rankB] = [preferred.get(a) ?? Number.POSITIVE_INFINITY, preferred.get(b) ?? Number.POSITIVE_INFINITY]
    if (rankA !== rankB) return rankA - rankB
    return (edges.get(b)?.length ?? 0) - (edges.get(a)?.length ?? 0) || (a < b ? -1 : 1)
  })
  const rank = new Map(order.map((token, index) => [token, index]))
  const cycles: Cycle[] = []
  const path: Hop[] = []
  const visited = new Set<Address>()
  const extend = (start: Address, token: Address) => {
    for (const hop of edges.get(token) ?? []) {
      if (path.some((earlier) => earlier.pool === hop.pool)) continue
      if (hop.tokenOut === start) {
        if (path.length > 0) cycles.push([...path, hop])
        continue
      }
      if (path.length + 1 >= maxHops || visited.has(hop.tokenOut) || (rank.get(hop.tokenOut) as number) < (rank.get(start) as number)) continue
      path.push(hop)
      visited.add(hop.tokenOut)
      extend(start, hop.tokenOut)
      visited.delete(hop.tokenOut)
      path.pop()
    }
  }
  for (const start of order) extend(start, start)
  return cycles
}

/** Sum of the logarithms of the marginal rates after fees; only above zero can a cycle earn. */
export function logRate(cycle: Cycle, pools: ReadonlyMap<Address, Pool>): number {
  let sum = 0
  for (const hop of cycle) {
    const pool = pools.get(hop.pool)
    if (!pool) return Number.NEGATIVE_INFINITY
    const price = spotPrice(pool)
    if (!(price > 0)) return Number.NEGATIVE_INFINITY
    sum += Math.log1p(-feeFraction(pool)) + (hop.zeroForOne ? Math.log(price) : -Math.log(price))
  }
  return sum
}

/** The exact amounts along a cycle for `amountIn`, or `undefined` where a pool refuses. */
export function walkCycle(cycle: Cycle, pools: ReadonlyMap<Address, Pool>, amountIn: bigint): SizedCycle | undefined {
  const amounts = [amountIn]
  let amount = amountIn
  for (const hop of cycle) {
    const pool = pools.get(hop.pool)
    const out = pool && quoteExactIn(pool, hop.zeroForOne, amount)
    if (out === undefined) return undefined
    amounts.push(out)
    amount = out
  }
  return { hops: cycle, amounts, grossProfit: amount - amountIn }
}

/**
 * The cycle at its best size: closed form in floating point, then confirmed in exact integers; `undefined` where nothing pays.
 * `costRate` is the loan's premium as a fraction, `most` the largest loan to be had.
 */
export function sizeCycle(cycle: Cycle, pools: ReadonlyMap<Address, Pool>, costRate = 0, most?: bigint): SizedCycle | undefined {
  if (!(logRate(cycle, pools) > costRate)) return undefined
  const best = bestInput(
    cycle.map((hop) => pieceReader(pools.get(hop.pool) as Pool, hop.zeroForOne)),
    costRate,
  )
  if (!best || !Number.isFinite(best.amountIn) || best.amountIn < 1) return undefined
  const optimum = BigInt(Math.floor(best.amountIn))
  const sized = walkCycle(cycle, pools, most !== undefined && optimum > most ? most : optimum)
  return sized && sized.grossProfit > 0n ? sized : undefined
}
