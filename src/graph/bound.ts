/**
 * The most that all pools together can pay out in one token: the optimal arbitrage problem, by its dual.
 * Source: Diamandis, Resnick, Chitra, Angeris, "An Efficient Algorithm for Optimal Routing Through Constant Function
 * Market Makers" (2023). For any token prices, the sum of what each pool would lose to a trader at those prices bounds
 * the joint optimum from above; the least such sum is the optimum.
 */
import type { Address, Pool } from '../amm/index.ts'
import { bestInput, type PieceReader, pieceReader } from './moebius.ts'

export interface UpperBound {
  /** In the numeraire's smallest unit, before gas. */
  readonly value: number
  /** The prices that prove it: numeraire per unit, both smallest. */
  readonly prices: ReadonlyMap<Address, number>
  readonly iterations: number
}

interface Edge {
  readonly token0: number
  readonly token1: number
  readonly sell0: PieceReader
  readonly sell1: PieceReader
}

/** Steps that L-BFGS remembers. */
const MEMORY = 8
const TOLERANCE = 1e-9

/** Minimises the dual from `start` prices; only tokens with a start price take part, and only pools between two of them. */
export function upperBound(pools: Iterable<Pool>, numeraire: Address, start: ReadonlyMap<Address, number>, maxIterations: number): UpperBound {
  const tokens = [...start.keys()].filter((token) => token !== numeraire)
  const index = new Map<Address, number>([[numeraire, -1], ...tokens.map((token, i) => [token, i] as const)])
  const edges: Edge[] = []
  for (const pool of pools) {
    const [token0, token1] = [index.get(pool.tokens[0]), index.get(pool.tokens[1])]
    if (token0 === undefined || token1 === undefined) continue
    edges.push({ token0, token1, sell0: pieceReader(pool, true), sell1: pieceReader(pool, false) })
  }
  const n = tokens.length
  const evaluate = (logs: Float64Array, gradient: Float64Array): number => {
    gradient.fill(0)
    let value = 0
    const price = (token: number) => (token < 0 ? 1 : Math.exp(logs[token] as number))
    const flow = (token: number, amount: number) => {
      if (token >= 0) gradient[token] = (gradient[token] as number) + amount
    }
    for (const edge of edges) {
      const [price0, price1] = [price(edge.token0), price(edge.token1)]
      const sell0 = bestInput([edge.sell0], price0 / price1 - 1)
      if (sell0) {
        value += sell0.profit * price1
        flow(edge.token0, -sell0.amountIn * price0)
        flow(edge.token1, sell0.profit * price1 + sell0.amountIn * price0)
        continue
      }
      const sell1 = bestInput([edge.sell1], price1 / price0 - 1)
      if (!sell1) continue
      value += sell1.profit * price0
      flow(edge.token1, -sell1.amountIn * price1)
      flow(edge.token0, sell1.profit * price0 + sell1.amountIn * price1)
    }
    return value
  }

  let x = Float64Array.from(tokens, (token) => Math.log(start.get(token) as number))
  let gradient = new Float64Array(n)
  let value = evaluate(x, gradient)
  const history: { s: Float64Array; y: Float64Array; rho: number }[] = []
  let iterations = 0
  for (; iterations < maxIterations; iterations++) {
    const direction = descentDirection(gradient, history)
    let slope = dot(direction, gradient)
    if (!(slope < 0)) {
      history.length = 0
      for (let i = 0; i < n; i++) direction[i] = -(gradient[i] as number)
      slope = -dot(gradient, gradient)
    }
    if (-slope < TOLERANCE * Math.max(1, value)) break
    // Prices move by at most a few percent per step: far from the start the dual is steep.
    let step = Math.min(1, 0.05 / Math.max(...direction.map(Math.abs)))
    let next = x
    let nextGradient = gradient
    let nextValue = value
    let accepted = false
    for (let halving = 0; halving < 30; halving++, step /= 2) {
      next = x.map((at, i) => at + step * (direction[i] as number))
      nextGradient = new Float64Array(n)
      nextValue = evaluate(next, nextGradient)
      if (nextValue <= value + 1e-4 * step * slope) {
        accepted = true
        break
      }
    }
    if (!accepted) break
    const s = next.map((at, i) => at - (x[i] as number))
    const y = nextGradient.map((at, i) => at - (gradient[i] as number))
    const curvature = dot(s, y)
    if (curvature > 1e-18) history.push({ s, y, rho: 1 / curvature })
    if (history.length > MEMORY) history.shift()
    const gain = value - nextValue
    x = next
    gradient = nextGradient
    value = nextValue
    if (gain < TOLERANCE * Math.max(1, value) && iterations > 5) break
  }
  const prices = new Map<Address, number>([[numeraire, 1]])
  tokens.forEach((token, i) => {
    prices.set(token, Math.exp(x[i] as number))
  })
  return { value, prices, iterations }
}

/** The two-loop recursion of L-BFGS (Nocedal and Wright, algorithm 7.4). */
function descentDirection(gradient: Float64Array, history: readonly { s: Float64Array; y: Float64Array; rho: number }[]): Float64Array {
  const q = Float64Array.from(gradient)
  const alphas: number[] = []
  for (let k = history.length - 1; k >= 0; k--) {
    const { s, y, rho } = history[k] as (typeof history)[number]
    const alpha = rho * dot(s, q)
    alphas[k] = alpha
    for (let i = 0; i < q.length; i++) q[i] = (q[i] as number) - alpha * (y[i] as number)
  }
  const last = history.at(-1)
  const scale = last ? dot(last.s, last.y) / dot(last.y, last.y) : 1 / Math.max(1e-12, Math.sqrt(dot(q, q)))
  for (let i = 0; i < q.length; i++) q[i] = (q[i] as number) * scale
  history.forEach(({ s, y, rho }, k) => {
    const beta = rho * dot(y, q)
    for (let i = 0; i < q.length; i++) q[i] = (q[i] as number) + (s[i] as number) * ((alphas[k] as number) - beta)
  })
  return q.map((value) => -value)
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
