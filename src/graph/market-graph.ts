/**
 * The pool graph in typed arrays: tokens are vertices; each direction of each pool is an edge with its rate
 * and Moebius map.
 */
import {
  type Address,
  type ConcentratedPool,
  feeFraction,
  knownRange,
  lastTickIndexAtOrBelow,
  type Pool,
  sqrtRatioAtTick,
  virtualReserves,
} from '../amm/index.ts'

/**
 * Values of `beyond`: nothing known beyond the limit, further pieces, or a curve that the map matches only at
 * x = 0.
 */
export const NOTHING = 0
const PIECES = 1
const CURVE = 2

/** The array if it holds `length` entries, else a copy of at least twice its size. */
export function grown<T extends Int32Array | Float64Array | Uint8Array>(array: T, length: number): T {
  if (array.length >= length) return array
  const next = new (array.constructor as new (length: number) => T)(Math.max(length, array.length * 2, 16))
  next.set(array)
  return next
}

/** A growable list of 32-bit integers. */
export class Int32List {
  #items = new Int32Array(4)
  length = 0

  push(value: number): void {
    this.#items = grown(this.#items, this.length + 1)
    this.#items[this.length++] = value
  }

  at(index: number): number {
    return this.#items[index] as number
  }
}

/**
 * The pool graph. An edge swaps x of token `from` into a x / (c x + d) of token `to` for x up to `limit`,
 * amounts in smallest units; `beyond` says what follows. The map of a weighted or stable pool is exact at x =
 * 0 only.
 */
export class MarketGraph {
  readonly tokens: Address[] = []
  readonly tokenIndex = new Map<Address, number>()
  readonly pools: (Pool | undefined)[] = []
  readonly poolIndex = new Map<Address, number>()
  /** Per pool: its first edge, and its number of edges. */
  firstEdge = new Int32Array(0)
  edgesOfPool = new Int32Array(0)
  edges = 0
  from = new Int32Array(0)
  to = new Int32Array(0)
  poolOf = new Int32Array(0)
  /** Logarithm of the marginal rate after fee; minus infinity for an unusable edge. */
  logRate = new Float64Array(0)
  a = new Float64Array(0)
  c = new Float64Array(0)
  d = new Float64Array(0)
  limit = new Float64Array(0)
  /** Kind of the swap beyond `limit`: NOTHING, PIECES or CURVE. */
  beyond = new Uint8Array(0)
  /** Outgoing edges of each token. */
  readonly leaving: Int32List[] = []

  constructor(pools: Iterable<Pool> = []) {
    for (const pool of pools) this.set(pool)
  }

  /** The index of a token; a new token is added. */
  token(address: Address): number {
    let index = this.tokenIndex.get(address)
    if (index === undefined) {
      index = this.tokens.push(address) - 1
      this.tokenIndex.set(address, index)
      this.leaving.push(new Int32List())
    }
    return index
  }

  /** Adds a pool or replaces its state. Returns whether the pool is new. */
  set(pool: Pool): boolean {
    const known = this.poolIndex.get(pool.address)
    const index = known ?? this.#add(pool)
    this.pools[index] = pool
    this.#refresh(index, pool)
    return known === undefined
  }

  /** Disables a pool: its edges stay, with a log rate of minus infinity. */
  remove(address: Address): void {
    const index = this.poolIndex.get(address)
    if (index === undefined) return
    this.pools[index] = undefined
    const first = this.firstEdge[index] as number
    this.logRate.fill(Number.NEGATIVE_INFINITY, first, first + (this.edgesOfPool[index] as number))
  }

  #add(pool: Pool): number {
    const index = this.pools.push(pool) - 1
    this.poolIndex.set(pool.address, index)
    this.firstEdge = grown(this.firstEdge, index + 1)
    this.edgesOfPool = grown(this.edgesOfPool, index + 1)
    const n = pool.tokens.length
    this.firstEdge[index] = this.edges
    this.edgesOfPool[index] = n * (n - 1)
    const total = this.edges + n * (n - 1)
    this.from = grown(this.from, total)
    this.to = grown(this.to, total)
    this.poolOf = grown(this.poolOf, total)
    this.logRate = grown(this.logRate, total)
    this.a = grown(this.a, total)
    this.c = grown(this.c, total)
    this.d = grown(this.d, total)
    this.limit = grown(this.limit, total)
    this.beyond = grown(this.beyond, total)
    for (const tokenIn of pool.tokens) {
      for (const tokenOut of pool.tokens) {
        if (tokenIn === tokenOut) continue
        const edge = this.edges++
        this.from[edge] = this.token(tokenIn)
        this.to[edge] = this.token(tokenOut)
        this.poolOf[edge] = index
        this.leaving[this.from[edge] as number]?.push(edge)
      }
    }
    return index
  }

  #refresh(index: number, pool: Pool): void {
    const first = this.firstEdge[index] as number
    for (let edge = first; edge < first + (this.edgesOfPool[index] as number); edge++) {
      const [tokenIn, tokenOut] = [
        this.tokens[this.from[edge] as number] as Address,
        this.tokens[this.to[edge] as number] as Address,
      ]
      const [reserveIn, reserveOut] = virtualReserves(pool, tokenIn, tokenOut)
      const keep = 1 - feeFraction(pool, tokenIn)
      this.a[edge] = keep * reserveOut
      this.c[edge] = keep
      this.d[edge] = reserveIn
      if (pool.kind === 'concentrated') {
        this.limit[edge] = firstLimit(pool, tokenIn === pool.tokens[0], keep)
        this.beyond[edge] = pool.ticks ? PIECES : NOTHING
      } else {
        this.limit[edge] = pool.kind === 'constant-product' ? Number.POSITIVE_INFINITY : 0
        this.beyond[edge] = pool.kind === 'constant-product' ? NOTHING : CURVE
      }
      this.logRate[edge] =
        reserveIn > 0 && reserveOut > 0 ? Math.log((keep * reserveOut) / reserveIn) : Number.NEGATIVE_INFINITY
    }
  }
}

/** The input that moves a concentrated pool to the end of its current range; 0 if that end is not known. */
function firstLimit(pool: ConcentratedPool, zeroForOne: boolean, keep: number): number {
  const root = Number(pool.sqrtPriceX96) / 2 ** 96
  let tick: number | undefined
  if (pool.ticks) tick = pool.ticks[lastTickIndexAtOrBelow(pool.ticks, pool.tick) + (zeroForOne ? 0 : 1)]?.[0]
  else tick = knownRange(pool)[zeroForOne ? 0 : 1]
  if (tick === undefined) return 0
  const boundary = Number(sqrtRatioAtTick(tick)) / 2 ** 96
  const liquidity = Number(pool.liquidity)
  return Math.max(
    0,
    (zeroForOne ? liquidity * (1 / boundary - 1 / root) : liquidity * (boundary - root)) / keep,
  )
}
