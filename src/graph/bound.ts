/**
 * Upper bound of the amount of one token that all pools together can pay out: the optimal arbitrage problem,
 * solved by its dual. Source: Diamandis, Resnick, Chitra, Angeris, "An Efficient Algorithm for Optimal
 * Routing Through Constant Function Market Makers" (2023). At any token prices, the sum of each pool's loss
 * to a trader at those prices bounds the joint optimum from above; the minimum over all prices is the
 * optimum. A stable pool of more than two tokens counts each pair by itself, which can only raise the bound.
 */
import type { Address, Pool } from '../amm/index.ts'
import { Dual, type EdgeFlow } from './dual.ts'
import { MarketGraph } from './market-graph.ts'

/** The bound with the prices and trades that attain it. */
export interface UpperBound {
  /** In the numeraire's smallest unit, before gas. */
  readonly value: number
  /**
   * The prices that prove the bound: numeraire units per unit, both smallest. Tokens not connected to the
   * numeraire have none.
   */
  readonly prices: ReadonlyMap<Address, number>
  /** The trade of each edge at these prices. */
  readonly flows: readonly EdgeFlow[]
  readonly iterations: number
  /**
   * Whether the flows balance within 1 % of the value. If not, the value is a valid bound, but not the
   * minimum.
   */
  readonly converged: boolean
}

/** Options of `upperBound`. */
export interface BoundOptions {
  /**
   * Initial prices, numeraire units per unit, such as the last block's. Default: prices along the deepest
   * connections.
   */
  start?: { get(token: Address): number | undefined }
  /** Default: 200. */
  maxIterations?: number
  /** L-BFGS stops when a step promises less than this share of the value. Default: 1e-6. */
  tolerance?: number
}

const QUICK_STEPS = 12
/** Largest sum of unbalanced flows, as a share of the value, that counts as converged. */
const RESIDUAL = 0.01
/** History length of L-BFGS. */
const MEMORY = 10
/** Largest move of a price in one step, as a logarithm. */
const MAX_MOVE = 0.1

/**
 * Bounds the payout of the pools in `numeraire`. Newton's method, and L-BFGS first where Newton's does not
 * converge.
 */
export function upperBound(
  pools: Iterable<Pool> | MarketGraph,
  numeraire: Address,
  options: BoundOptions = {},
): UpperBound {
  const graph = pools instanceof MarketGraph ? pools : new MarketGraph(pools)
  const root = graph.token(numeraire)
  const start = startPrices(graph, root, options.start)
  const problem = new Dual(graph, root, start)
  const maxIterations = options.maxIterations ?? 200
  // Newton's method converges in a few steps unless some pool is almost a kink; then L-BFGS runs first.
  const begin: Minimum = {
    x: start,
    value: Number.POSITIVE_INFINITY,
    iterations: 0,
    residual: Number.POSITIVE_INFINITY,
  }
  let found = refine(problem, begin, Math.min(maxIterations, QUICK_STEPS))
  if (found.residual > RESIDUAL * found.value)
    found = refine(problem, minimise(problem, start, maxIterations, options.tolerance ?? 1e-6), maxIterations)
  const { x, value, iterations, residual } = found
  const converged = residual <= RESIDUAL * value
  const prices = new Map<Address, number>()
  graph.tokens.forEach((token, index) => {
    if (Number.isFinite(x[index] as number)) prices.set(token, Math.exp(x[index] as number))
  })
  return { value, prices, flows: problem.flows(x), iterations, converged }
}

/**
 * Logarithms of prices along the deepest connections from the numeraire outwards; NaN for tokens that are not
 * connected.
 */
function startPrices(graph: MarketGraph, root: number, given?: BoundOptions['start']): Float64Array {
  const logs = new Float64Array(graph.tokens.length).fill(Number.NaN)
  logs[root] = 0
  const depth = new Float64Array(graph.tokens.length)
  let frontier = [root]
  while (frontier.length > 0) {
    const next = new Set<number>()
    for (const token of frontier) {
      const edges = graph.leaving[token]
      for (let i = 0; edges && i < edges.length; i++) {
        const edge = edges.at(i)
        const target = graph.to[edge] as number
        if (
          graph.logRate[edge] === Number.NEGATIVE_INFINITY ||
          (!Number.isNaN(logs[target] as number) && !next.has(target))
        )
          continue
        const known = given?.get(graph.tokens[target] as Address)
        const worth = (graph.d[edge] as number) * Math.exp(logs[token] as number)
        if (next.has(target) && worth <= (depth[target] as number)) continue
        next.add(target)
        depth[target] = worth
        // One unit in gives c d / a units out before the fee.
        logs[target] =
          known !== undefined && known > 0
            ? Math.log(known)
            : (logs[token] as number) -
              Math.log((graph.a[edge] as number) / ((graph.c[edge] as number) * (graph.d[edge] as number)))
      }
    }
    frontier = [...next]
  }
  return logs
}

interface Minimum {
  x: Float64Array
  value: number
  iterations: number
  /** Sum of the values of unbalanced flows. */
  residual: number
}

const sumOfMagnitudes = (vector: Float64Array) => vector.reduce((sum, entry) => sum + Math.abs(entry), 0)

/**
 * Newton's method, its system solved by conjugate gradients: deep pools with narrow ranges make the dual
 * almost kinked, where L-BFGS stalls. An edge that became active in a rejected step counts in the next
 * direction as well.
 */
function refine(dual: Dual, from: Minimum, maxIterations: number): Minimum {
  const n = dual.size
  let { x, value } = from
  let gradient = new Float64Array(n)
  value = dual.evaluate(x, gradient)
  let bends = dual.bends.slice()
  const scale = dual.scale(x)
  const softness = Float64Array.from(scale, (entry) => (entry > 0 ? 1e-7 / entry : 0))
  let best = sumOfMagnitudes(gradient)
  let iterations = 0
  let failures = 0
  for (; iterations < maxIterations && best > RESIDUAL * 0.01 * value && failures < 40; iterations++) {
    const direction = solve(dual, bends, softness, gradient)
    let largest = 0
    for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(direction[i] as number))
    const slope = -dot(direction, gradient)
    if (!(slope < 0)) break
    let step = Math.min(1, MAX_MOVE / largest)
    const trial = new Float64Array(n)
    const trialGradient = new Float64Array(n)
    let accepted = false
    for (let halving = 0; halving < 12; halving++, step /= 4) {
      for (let i = 0; i < n; i++) trial[i] = (x[i] as number) - step * (direction[i] as number)
      const trialValue = dual.evaluate(trial, trialGradient)
      if (trialValue <= value + 1e-4 * step * slope) {
        const gain = value - trialValue
        x = trial
        gradient = trialGradient
        bends = dual.bends.slice()
        best = sumOfMagnitudes(gradient)
        accepted = gain > 1e-12 * value
        value = trialValue
        break
      }
      if (halving < 2)
        for (let i = 0; i < bends.length; i++)
          bends[i] = Math.max(bends[i] as number, dual.bends[i] as number)
    }
    failures = accepted ? 0 : failures + 1
    if (!accepted) for (let i = 0; i < n; i++) softness[i] = (softness[i] as number) * 4
    else
      for (let i = 0; i < n; i++)
        softness[i] = Math.max(
          (softness[i] as number) / 4,
          (scale[i] as number) > 0 ? 1e-9 / (scale[i] as number) : 0,
        )
  }
  return { x, value, iterations: from.iterations + iterations, residual: best }
}

/** Conjugate gradients with the diagonal as preconditioner (Nocedal and Wright, algorithm 5.3). */
function solve(dual: Dual, bends: Float64Array, ridge: Float64Array, right: Float64Array): Float64Array {
  const n = dual.size
  const diagonal = ridge.slice()
  dual.addDiagonal(bends, diagonal)
  const x = new Float64Array(n)
  const r = right.slice()
  const z = new Float64Array(n)
  const precondition = () => {
    for (let i = 0; i < n; i++)
      z[i] = (diagonal[i] as number) > 0 ? (r[i] as number) / (diagonal[i] as number) : 0
  }
  precondition()
  const p = z.slice()
  const q = new Float64Array(n)
  let rz = dot(r, z)
  const goal = rz * 1e-3
  for (let round = 0; round < 300 && rz > goal; round++) {
    dual.multiply(bends, ridge, p, q)
    const alpha = rz / dot(p, q)
    if (!Number.isFinite(alpha)) break
    add(x, alpha, p)
    add(r, -alpha, q)
    precondition()
    const next = dot(r, z)
    for (let i = 0; i < n; i++) p[i] = (z[i] as number) + (next / rz) * (p[i] as number)
    rz = next
  }
  return x
}

/**
 * L-BFGS (Nocedal and Wright, algorithm 7.5) with a diagonal start and Armijo's rule; tokens without a price
 * keep their value.
 */
function minimise(dual: Dual, start: Float64Array, maxIterations: number, tolerance: number): Minimum {
  const n = dual.size
  let x = start.slice()
  let gradient = new Float64Array(n)
  let value = dual.evaluate(x, gradient)
  const diagonal = dual.scale(x)
  let [nextX, nextGradient] = [new Float64Array(n), new Float64Array(n)]
  const s = Array.from({ length: MEMORY }, () => new Float64Array(n))
  const y = Array.from({ length: MEMORY }, () => new Float64Array(n))
  const rho = new Float64Array(MEMORY)
  const alpha = new Float64Array(MEMORY)
  let stored = 0
  let quiet = 0
  const direction = new Float64Array(n)
  let iterations = 0
  for (; iterations < maxIterations; iterations++) {
    direction.set(gradient)
    const oldest = Math.max(0, stored - MEMORY)
    for (let k = stored - 1; k >= oldest; k--) {
      const at = k % MEMORY
      alpha[at] = (rho[at] as number) * dot(s[at] as Float64Array, direction)
      add(direction, -(alpha[at] as number), y[at] as Float64Array)
    }
    let gamma = 1
    if (stored > 0) {
      const last = (stored - 1) % MEMORY
      gamma = 1 / ((rho[last] as number) * weighted(y[last] as Float64Array, diagonal))
    }
    for (let i = 0; i < n; i++) direction[i] = (direction[i] as number) * (diagonal[i] as number) * gamma
    for (let k = oldest; k < stored; k++) {
      const at = k % MEMORY
      add(
        direction,
        (alpha[at] as number) - (rho[at] as number) * dot(y[at] as Float64Array, direction),
        s[at] as Float64Array,
      )
    }
    let slope = -dot(direction, gradient)
    if (!(slope < 0)) {
      stored = 0
      for (let i = 0; i < n; i++) direction[i] = (gradient[i] as number) * (diagonal[i] as number)
      slope = -dot(direction, gradient)
    }
    if (!(-slope > tolerance * value)) return { x, value, iterations, residual: sumOfMagnitudes(gradient) }
    let largest = 0
    for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(direction[i] as number))
    let step = Math.min(1, MAX_MOVE / largest)
    let nextValue = value
    let accepted = false
    for (let halving = 0; halving < 30; halving++, step /= 2) {
      for (let i = 0; i < n; i++) nextX[i] = (x[i] as number) - step * (direction[i] as number)
      nextValue = dual.evaluate(nextX, nextGradient)
      accepted = nextValue <= value + 1e-4 * step * slope
      if (accepted) break
    }
    if (!accepted) return { x, value, iterations, residual: sumOfMagnitudes(gradient) }
    const at = stored % MEMORY
    const [si, yi] = [s[at] as Float64Array, y[at] as Float64Array]
    for (let i = 0; i < n; i++) {
      si[i] = Number.isNaN(x[i] as number) ? 0 : (nextX[i] as number) - (x[i] as number)
      yi[i] = (nextGradient[i] as number) - (gradient[i] as number)
    }
    const curvature = dot(si, yi)
    if (curvature > 0) {
      rho[at] = 1 / curvature
      stored++
    }
    quiet = value - nextValue < tolerance * nextValue ? quiet + 1 : 0
    ;[x, nextX] = [nextX, x]
    ;[gradient, nextGradient] = [nextGradient, gradient]
    value = nextValue
    if (quiet >= 3) return { x, value, iterations: iterations + 1, residual: sumOfMagnitudes(gradient) }
  }
  return { x, value, iterations, residual: sumOfMagnitudes(gradient) }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

function weighted(a: Float64Array, weights: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) ** 2 * (weights[i] as number)
  return sum
}

function add(target: Float64Array, factor: number, source: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] as number) + factor * (source[i] as number)
}
