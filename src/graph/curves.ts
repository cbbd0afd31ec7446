/**
 * Swap curves in floating point: amount out and derivative, for routes with hops that are not Moebius maps.
 */
import {
  type Address,
  feeFraction,
  type Pool,
  type StablePool,
  stableFloats,
  type WeightedPool,
} from '../amm/index.ts'
import { pieceReader } from './moebius.ts'

/**
 * One hop: amount out and marginal rate at `amountIn`, in smallest units; both NaN where the pool would
 * refuse.
 */
export type HopCurve = (amountIn: number) => { out: number; slope: number }

const REFUSED = { out: Number.NaN, slope: Number.NaN }

/**
 * The curve of a pool from `tokenIn` to `tokenOut`. Sources: the exact mathematics in src/amm of each kind.
 */
export function hopCurve(pool: Pool, tokenIn: Address, tokenOut: Address): HopCurve {
  if (pool.kind === 'weighted') return weightedCurve(pool, tokenIn, tokenOut)
  if (pool.kind === 'stable') return stableCurve(pool, tokenIn, tokenOut)
  const reader = pieceReader(pool, tokenIn === pool.tokens[0])
  return (amountIn) => {
    for (let index = 0; ; index++) {
      const piece = reader.piece(index)
      if (!piece) return REFUSED
      if (amountIn > piece.to) continue
      const { a, b, c, d } = piece
      const denominator = c * amountIn + d
      return { out: (a * amountIn + b) / denominator, slope: (a * d - b * c) / (denominator * denominator) }
    }
  }
}

function weightedCurve(pool: WeightedPool, tokenIn: Address, tokenOut: Address): HopCurve {
  const [i, o] = [pool.tokens.indexOf(tokenIn), pool.tokens.indexOf(tokenOut)]
  const [balanceIn, balanceOut] = [Number(pool.balances[i]), Number(pool.balances[o])]
  const exponent = Number(pool.weights[i]) / Number(pool.weights[o])
  const keep = 1 - feeFraction(pool)
  return (amountIn) => {
    const net = keep * amountIn
    if (net > 0.3 * balanceIn) return REFUSED
    const log = -Math.log1p(net / balanceIn)
    return {
      out: -balanceOut * Math.expm1(exponent * log),
      slope: ((balanceOut * exponent * keep) / balanceIn) * Math.exp((exponent + 1) * log),
    }
  }
}

function stableCurve(pool: StablePool, tokenIn: Address, tokenOut: Address): HopCurve {
  const { balances, scales, amp, invariant } = stableFloats(pool)
  const [i, o] = [pool.tokens.indexOf(tokenIn), pool.tokens.indexOf(tokenOut)]
  const [scaleIn, scaleOut] = [scales[i] as number, scales[o] as number]
  const [x0, y0] = [balances[i] as number, balances[o] as number]
  const n = balances.length
  const keep = 1 - feeFraction(pool)
  const rest = balances.reduce((sum, balance, index) => (index === i || index === o ? sum : sum + balance), 0)
  // D^(n+1) / (n^n * the other balances): divided by x and y it is the last term of the invariant.
  const carried = balances.reduce(
    (product, balance, index) => (product * invariant) / (n * (index === i || index === o ? 1 : balance)),
    invariant,
  )
  return (amountIn) => {
    const x = x0 + keep * amountIn * scaleIn
    const b = rest + x + invariant / amp - invariant
    const c = carried / (amp * x)
    let y = y0
    for (let round = 0; round < 64; round++) {
      const next = (y * y + c) / (2 * y + b)
      const done = Math.abs(next - y) <= 1e-15 * y
      y = next
      if (done) break
    }
    const last = carried / (x * y)
    return {
      out: (y0 - y) / scaleOut,
      slope: (keep * scaleIn * (amp + last / x)) / ((amp + last / y) * scaleOut),
    }
  }
}

const MAX_ROUNDS = 60

/**
 * The input of a route that maximises f(x) - cost * x, and that profit; `undefined` if no input is
 * profitable. Amounts in smallest units; `guess`: initial input. Solves f'(x) = cost by a safeguarded
 * Newton's method on log f' inside a bracket that bisection halves.
 */
export function bestInputOfCurves(
  hops: readonly HopCurve[],
  cost: number,
  guess: number,
): { amountIn: number; profit: number } | undefined {
  const goal = Math.log(cost)
  const at = (amountIn: number) => {
    let amount = amountIn
    let slope = 0
    for (const hop of hops) {
      const point = hop(amount)
      amount = point.out
      slope += Math.log(point.slope)
    }
    return { out: amount, gap: Number.isNaN(slope) ? Number.NEGATIVE_INFINITY : slope - goal }
  }
  if (!(at(0).gap > 0)) return undefined
  let [low, high] = [0, Number.POSITIVE_INFINITY]
  let x = guess > 0 ? guess : 1
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { gap } = at(x)
    if (gap > 0) low = x
    else high = x
    if (Math.abs(gap) < 1e-13 || (high < Number.POSITIVE_INFINITY && high - low <= 1e-12 * high)) break
    const step = x * 1e-5
    const bend = (at(x + step).gap - gap) / step
    const newton = x - gap / bend
    const middle = high === Number.POSITIVE_INFINITY ? 2 * x : low === 0 ? high / 8 : (low + high) / 2
    x = newton > low && newton < high && Number.isFinite(newton) && newton < 8 * x ? newton : middle
    if (!Number.isFinite(x) || x < 1e-3) break
  }
  const amountIn = at(x).gap >= 0 || Number.isFinite(at(x).out) ? x : low
  const profit = at(amountIn).out - cost * amountIn
  return profit > 0 ? { amountIn, profit } : undefined
}
