/**
 * The dual function of the optimal arbitrage problem: the loss of each pool to a trader at given prices, and
 * the trades. Source: see bound.ts.
 */
import { type Address, feeFraction, type Pool, type WeightedPool } from '../amm/index.ts'
import { bestInputOfCurves, hopCurve } from './curves.ts'
import { type MarketGraph, NOTHING } from './market-graph.ts'
import { bestInput, pieceReader } from './moebius.ts'

/** A trade along an edge of the graph, in smallest units. */
export interface EdgeFlow {
  readonly edge: number
  readonly amountIn: number
  readonly amountOut: number
}

/**
 * The best trade with a weighted pool of several tokens at given prices, all tokens at once. Token i, if it
 * trades, ends at a balance of lambda w_i / p_i (with the fee on inputs). The lambda that keeps the weighted
 * product of balances is the root of an increasing, piecewise linear function of its logarithm.
 */
class WeightedGroup {
  readonly #first: number
  readonly #tokens: Int32Array
  readonly #weights: number[]
  readonly #balances: number[]
  readonly #keep: number
  readonly #moves: Float64Array
  readonly #shifts: Float64Array

  constructor(pool: WeightedPool, firstPair: number, tokens: Int32Array) {
    this.#first = firstPair
    this.#tokens = tokens
    this.#weights = pool.weights.map((weight) => Number(weight) / 1e18)
    this.#balances = pool.balances.map(Number)
    this.#keep = 1 - feeFraction(pool)
    this.#moves = new Float64Array(tokens.length)
    this.#shifts = new Float64Array(tokens.length)
  }

  /**
   * Logarithm of the factor by which the balance of token i changes at log lambda = `at`; negative: the token
   * leaves the pool.
   */
  #move(i: number, at: number): number {
    const shift = at + (this.#shifts[i] as number)
    if (shift < 0) return shift
    return Math.max(0, shift + Math.log(this.#keep))
  }

  evaluate(
    logs: Float64Array,
    gradient: Float64Array,
    bends: Float64Array,
    onTrade?: (at: number, amountIn: number, amountOut: number) => void,
  ): number {
    const n = this.#tokens.length
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let i = 0; i < n; i++) {
      const shift =
        Math.log(this.#weights[i] as number) -
        (logs[this.#tokens[i] as number] as number) -
        Math.log(this.#balances[i] as number)
      this.#shifts[i] = shift
      low = Math.min(low, -shift)
      high = Math.max(high, -shift)
    }
    high -= Math.log(this.#keep)
    for (let round = 0; round < 80 && high - low > 1e-15 * Math.abs(high); round++) {
      const middle = (low + high) / 2
      let sum = 0
      for (let i = 0; i < n; i++) sum += (this.#weights[i] as number) * this.#move(i, middle)
      if (sum < 0) low = middle
      else high = middle
    }
    const lambda = (low + high) / 2
    let active = 0
    let value = 0
    for (let i = 0; i < n; i++) {
      const move = this.#move(i, lambda)
      this.#moves[i] = move
      if (move !== 0) active += this.#weights[i] as number
      const token = this.#tokens[i] as number
      const held = (this.#balances[i] as number) * Math.exp(logs[token] as number)
      // An output is worth its price; an input costs its price plus the fee.
      const earned = move < 0 ? -held * Math.expm1(move) : (-held * Math.expm1(move)) / this.#keep
      value += earned
      gradient[token] = (gradient[token] as number) + earned
    }
    this.#report(logs, bends, Math.exp(lambda), active, onTrade)
    return value
  }

  /**
   * Writes the bends of the pairs, and reports the trade as flows from each input token to each output token.
   */
  #report(
    logs: Float64Array,
    bends: Float64Array,
    lambda: number,
    active: number,
    onTrade?: (at: number, amountIn: number, amountOut: number) => void,
  ): void {
    const n = this.#tokens.length
    const amount = (i: number) =>
      (this.#balances[i] as number) *
      Math.abs(Math.expm1(this.#moves[i] as number)) *
      ((this.#moves[i] as number) > 0 ? 1 / this.#keep : 1)
    const price = (i: number) => Math.exp(logs[this.#tokens[i] as number] as number)
    let [paid, taken] = [0, 0]
    for (let i = 0; onTrade && i < n; i++) {
      if ((this.#moves[i] as number) > 0) paid += amount(i) * price(i)
      else taken += amount(i) * price(i)
    }
    for (let i = 0, pair = this.#first; i < n; i++) {
      for (let j = i + 1; j < n; j++, pair++) {
        const [a, b] = [this.#moves[i] as number, this.#moves[j] as number]
        bends[pair] =
          a !== 0 && b !== 0
            ? (lambda * (this.#weights[i] as number) * (this.#weights[j] as number)) / active
            : 0
        if (!onTrade || a * b >= 0) continue
        const [from, to] = a > 0 ? [i, j] : [j, i]
        onTrade(
          2 * pair + (a > 0 ? 0 : 1),
          (amount(from) * amount(to) * price(to)) / taken,
          (amount(to) * amount(from) * price(from)) / paid,
        )
      }
    }
  }
}

/**
 * The dual function of log prices, with gradient and curvature. The two directions of a pair of tokens are
 * adjacent: at most one of them trades at given prices.
 */
export class Dual {
  readonly size: number
  readonly #root: number
  readonly #pairs: number
  readonly #from: Int32Array
  readonly #to: Int32Array
  /**
   * Of the two directions of pair i, at 2 i and 2 i + 1: edge, log rate, a / c, d / c, limit, and kind beyond
   * the limit.
   */
  readonly #edge: Int32Array
  readonly #rates: Float64Array
  readonly #a: Float64Array
  readonly #d: Float64Array
  readonly #limit: Float64Array
  readonly #beyond: Uint8Array
  readonly #slow = new Map<number, (cost: number) => { amountIn: number; profit: number } | undefined>()
  readonly #prices: Float64Array
  /** Weighted pools of more than two tokens; per pair, whether it belongs to one. */
  readonly #groups: WeightedGroup[] = []
  readonly #grouped: Uint8Array
  /** Per pair: derivative of the traded value by the logarithm of its price ratio. Written by `evaluate`. */
  readonly bends: Float64Array

  constructor(graph: MarketGraph, root: number, start: Float64Array) {
    this.size = graph.tokens.length
    this.#root = root
    this.#prices = new Float64Array(this.size)
    const maxPairs = graph.edges >> 1
    this.#edge = new Int32Array(2 * maxPairs)
    this.#from = new Int32Array(maxPairs)
    this.#to = new Int32Array(maxPairs)
    this.#rates = new Float64Array(2 * maxPairs)
    this.#a = new Float64Array(2 * maxPairs)
    this.#d = new Float64Array(2 * maxPairs)
    this.#limit = new Float64Array(2 * maxPairs)
    this.#beyond = new Uint8Array(2 * maxPairs)
    this.#grouped = new Uint8Array(maxPairs)
    let pairs = 0
    for (let pool = 0; pool < graph.pools.length; pool++) {
      const n = graph.pools[pool]?.tokens.length ?? 0
      const first = graph.firstEdge[pool] as number
      const begin = pairs
      for (let i = 0; i < n; i++) {
        for (let j = i + 1; j < n; j++) {
          // Edges of a pool are listed by token in, then by token out without it.
          const there = first + i * (n - 1) + j - 1
          const back = first + j * (n - 1) + i
          const from = graph.from[there] as number
          if (graph.logRate[there] === Number.NEGATIVE_INFINITY || Number.isNaN(start[from] as number))
            continue
          this.#from[pairs] = from
          this.#to[pairs] = graph.to[there] as number
          this.#place(graph, 2 * pairs, there)
          this.#place(graph, 2 * pairs + 1, back)
          pairs++
        }
      }
      const weighted = graph.pools[pool]
      if (weighted?.kind !== 'weighted' || n < 3 || pairs - begin !== (n * (n - 1)) / 2) continue
      this.#groups.push(
        new WeightedGroup(
          weighted,
          begin,
          Int32Array.from(weighted.tokens, (token) => graph.tokenIndex.get(token) as number),
        ),
      )
      this.#grouped.fill(1, begin, pairs)
    }
    this.#pairs = pairs
    this.bends = new Float64Array(pairs)
  }

  #place(graph: MarketGraph, at: number, edge: number): void {
    this.#edge[at] = edge
    this.#rates[at] = graph.logRate[edge] as number
    this.#a[at] = (graph.a[edge] as number) / (graph.c[edge] as number)
    this.#d[at] = (graph.d[edge] as number) / (graph.c[edge] as number)
    this.#limit[at] = graph.limit[edge] as number
    this.#beyond[at] = graph.beyond[edge] as number
    if (graph.beyond[edge] === NOTHING) return
    const pool = graph.pools[graph.poolOf[edge] as number] as Pool
    const [tokenIn, tokenOut] = [
      graph.tokens[graph.from[edge] as number] as Address,
      graph.tokens[graph.to[edge] as number] as Address,
    ]
    if (pool.kind === 'constant-product' || pool.kind === 'concentrated') {
      const readers = [pieceReader(pool, tokenIn === pool.tokens[0])]
      this.#slow.set(at, (cost) => bestInput(readers, cost))
    } else {
      const curves = [hopCurve(pool, tokenIn, tokenOut)]
      const guess = (graph.d[edge] as number) / 100
      this.#slow.set(at, (cost) => bestInputOfCurves(curves, cost, guess))
    }
  }

  /**
   * An approximation of the inverse of the second derivative: the value of the depth around each token,
   * inverted.
   */
  scale(logs: Float64Array): Float64Array {
    const scale = new Float64Array(this.size)
    const add = (token: number, depth: number) => {
      scale[token] = (scale[token] as number) + depth * Math.exp(logs[token] as number) * 0.5
    }
    for (let pair = 0; pair < this.#pairs; pair++) {
      add(this.#from[pair] as number, this.#d[2 * pair] as number)
      add(this.#to[pair] as number, this.#d[2 * pair + 1] as number)
    }
    for (let i = 0; i < this.size; i++)
      scale[i] = (scale[i] as number) > 0 && i !== this.#root ? 1 / (scale[i] as number) : 0
    return scale
  }

  /** The trades at given prices. */
  flows(logs: Float64Array): EdgeFlow[] {
    const flows: EdgeFlow[] = []
    this.evaluate(logs, new Float64Array(this.size), (at, amountIn, amountOut) =>
      flows.push({ edge: this.#edge[at] as number, amountIn, amountOut }),
    )
    return flows
  }

  evaluate(
    logs: Float64Array,
    gradient: Float64Array,
    onTrade?: (at: number, amountIn: number, amountOut: number) => void,
  ): number {
    const prices = this.#prices
    for (let i = 0; i < this.size; i++) prices[i] = Math.exp(logs[i] as number)
    gradient.fill(0)
    const [from, to, rates, bends] = [this.#from, this.#to, this.#rates, this.bends]
    let value = 0
    for (const group of this.#groups) value += group.evaluate(logs, gradient, bends, onTrade)
    for (let pair = 0; pair < this.#pairs; pair++) {
      if (this.#grouped[pair] === 1) continue
      let tokenIn = from[pair] as number
      let tokenOut = to[pair] as number
      const lead = (logs[tokenOut] as number) - (logs[tokenIn] as number)
      let at = 2 * pair
      let gap = (rates[at] as number) + lead
      if (!(gap > 0)) {
        at++
        gap = (rates[at] as number) - lead
        if (!(gap > 0)) {
          bends[pair] = 0
          continue
        }
        ;[tokenIn, tokenOut] = [tokenOut, tokenIn]
      }
      const [priceIn, priceOut] = [prices[tokenIn] as number, prices[tokenOut] as number]
      // The pool trades until its marginal rate equals the price ratio; the rate falls with the square of (1
      // + root).
      const root =
        gap > 1e-3
          ? Math.sqrt(((this.#a[at] as number) * priceOut) / ((this.#d[at] as number) * priceIn)) - 1
          : Math.expm1(gap / 2)
      const depth = (this.#d[at] as number) * priceIn
      let paid = depth * root
      let earned = ((this.#a[at] as number) * priceOut * root) / (1 + root)
      bends[pair] = (depth * (1 + root)) / 2
      const maxPaid = (this.#limit[at] as number) * priceIn
      if (paid > maxPaid) {
        if (this.#beyond[at] !== NOTHING) {
          const slow = this.#slow.get(at)?.(priceIn / priceOut)
          if (!slow) continue
          paid = slow.amountIn * priceIn
          earned = slow.profit * priceOut + paid
        } else {
          bends[pair] = 0
          paid = maxPaid
          earned = ((this.#a[at] as number) * maxPaid * priceOut) / (maxPaid + depth)
        }
      }
      value += earned - paid
      onTrade?.(at, paid / priceIn, earned / priceOut)
      gradient[tokenIn] = (gradient[tokenIn] as number) - paid
      gradient[tokenOut] = (gradient[tokenOut] as number) + earned
    }
    gradient[this.#root] = 0
    return value
  }

  /** Writes the product of the bends' Laplacian (plus `ridge` on the diagonal) and `vector` to `out`. */
  multiply(bends: Float64Array, ridge: Float64Array, vector: Float64Array, out: Float64Array): void {
    const [from, to] = [this.#from, this.#to]
    for (let i = 0; i < this.size; i++) out[i] = (ridge[i] as number) * (vector[i] as number)
    for (let i = 0; i < bends.length; i++) {
      const bend = bends[i] as number
      if (bend === 0) continue
      const [u, v] = [from[i] as number, to[i] as number]
      const flow = bend * ((vector[u] as number) - (vector[v] as number))
      out[u] = (out[u] as number) + flow
      out[v] = (out[v] as number) - flow
    }
    out[this.#root] = 0
  }

  /** Adds the diagonal of the bends' Laplacian to `diagonal`. */
  addDiagonal(bends: Float64Array, diagonal: Float64Array): void {
    const add = (token: number, bend: number) => {
      diagonal[token] = (diagonal[token] as number) + bend
    }
    for (let i = 0; i < bends.length; i++) {
      add(this.#from[i] as number, bends[i] as number)
      add(this.#to[i] as number, bends[i] as number)
    }
  }
}
