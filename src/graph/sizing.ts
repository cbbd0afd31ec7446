/**
 * The optimal size of a cycle: closed form if all hops are Moebius maps, else Newton's method; confirmed in
 * exact integers.
 */
import {
  type Address,
  feeFraction,
  type Pool,
  quoteExactIn,
  spotPrice,
  virtualReserves,
} from '../amm/index.ts'
import { bestInputOfCurves, hopCurve } from './curves.ts'
import type { Cycle } from './cycles.ts'
import { bestInput, type PieceReader, pieceReader } from './moebius.ts'

/** A cycle with its best input, confirmed in exact integers. Amounts in the start token's smallest unit. */
export interface SizedCycle {
  readonly hops: Cycle
  /** The input of each hop, then the output of the last: `amounts[0]` is the cycle's input. */
  readonly amounts: readonly bigint[]
  /** `amounts.at(-1) - amounts[0]`, before premium and gas. */
  readonly grossProfit: bigint
}

/** Pools by address. */
export type PoolLookup = Pick<ReadonlyMap<Address, Pool>, 'get'>

/**
 * Sum of the logarithms of the marginal rates after fees; a profitable cycle has a positive sum. Minus
 * infinity for unusable pools.
 */
export function logRate(cycle: Cycle, pools: PoolLookup): number {
  let sum = 0
  for (const hop of cycle) {
    const pool = pools.get(hop.pool)
    const price = pool ? spotPrice(pool, hop.tokenIn, hop.tokenOut) : 0
    if (!(price > 0)) return Number.NEGATIVE_INFINITY
    sum += Math.log1p(-feeFraction(pool as Pool, hop.tokenIn)) + Math.log(price)
  }
  return sum
}

/**
 * The exact amounts along a cycle for `amountIn` in the start token's smallest unit; `undefined` if a pool
 * refuses.
 */
export function walkCycle(cycle: Cycle, pools: PoolLookup, amountIn: bigint): SizedCycle | undefined {
  const amounts = [amountIn]
  let amount = amountIn
  for (const hop of cycle) {
    const pool = pools.get(hop.pool)
    const out = pool && quoteExactIn(pool, hop.tokenIn, hop.tokenOut, amount)
    if (out === undefined) return undefined
    amounts.push(out)
    amount = out
  }
  return { hops: cycle, amounts, grossProfit: amount - amountIn }
}

/**
 * The same cycle with nearly the minimum input for its output: with tokens of few decimals the output is a
 * staircase, and input beyond a step is lost. About twelve walks, or two if nothing can be saved.
 */
export function trimmed(sized: SizedCycle, pools: PoolLookup): SizedCycle {
  const [input, output] = [sized.amounts[0] as bigint, sized.amounts.at(-1) as bigint]
  let best = sized
  const saves = (less: bigint) => {
    const trial = less < input ? walkCycle(sized.hops, pools, input - less) : undefined
    if (trial?.amounts.at(-1) !== output) return false
    best = trial
    return true
  }
  let step = (input >> 36n) + 1n
  while (saves(step)) step *= 2n
  for (let [low, high] = [step / 2n, step], round = 0; round < 4 && best !== sized; round++) {
    const middle = (low + high) / 2n
    if (saves(middle)) low = middle
    else high = middle
  }
  return best
}

/**
 * The optimal input of a cycle in floating point, by the method that its pools allow; `cost` and result as in
 * `bestInput`.
 */
export function bestInputOf(
  cycle: Cycle,
  pools: PoolLookup,
  cost: number,
): { amountIn: number; profit: number } | undefined {
  const readers: PieceReader[] = []
  for (const hop of cycle) {
    const pool = pools.get(hop.pool)
    if (!pool) return undefined
    if (pool.kind !== 'constant-product' && pool.kind !== 'concentrated')
      return bestInputOfMixed(cycle, pools, cost)
    readers.push(pieceReader(pool, hop.tokenIn === pool.tokens[0]))
  }
  return bestInput(readers, cost)
}

function bestInputOfMixed(
  cycle: Cycle,
  pools: PoolLookup,
  cost: number,
): { amountIn: number; profit: number } | undefined {
  // The first guess: the optimum of the constant-product pools that match at the margin.
  let [a, c, d] = [1, 0, 1]
  const curves = cycle.map((hop) => {
    const pool = pools.get(hop.pool) as Pool
    const [reserveIn, reserveOut] = virtualReserves(pool, hop.tokenIn, hop.tokenOut)
    const keep = 1 - feeFraction(pool, hop.tokenIn)
    ;[a, c, d] = [keep * reserveOut * a, keep * a + reserveIn * c, reserveIn * d]
    const scale = 1 / Math.max(a, c, d)
    ;[a, c, d] = [a * scale, c * scale, d * scale]
    return hopCurve(pool, hop.tokenIn, hop.tokenOut)
  })
  return bestInputOfCurves(curves, cost, (Math.sqrt((a * d) / cost) - d) / c)
}

/**
 * The cycle at its optimal size in exact integers; `undefined` if no size is profitable. `costRate`: cost per
 * unit of input in addition to itself, a loan's premium as a fraction. `maxInput`: maximum input, in the
 * start token's smallest unit.
 */
export function sizeCycle(
  cycle: Cycle,
  pools: PoolLookup,
  costRate = 0,
  maxInput?: bigint,
): SizedCycle | undefined {
  const amountIn = bestAmount(cycle, pools, costRate, maxInput)
  const sized = amountIn === undefined ? undefined : walkCycle(cycle, pools, amountIn)
  return sized && sized.grossProfit > 0n ? sized : undefined
}

/** The input of `sizeCycle`, not confirmed in exact integers. */
export function bestAmount(
  cycle: Cycle,
  pools: PoolLookup,
  costRate = 0,
  maxInput?: bigint,
): bigint | undefined {
  if (!(logRate(cycle, pools) > costRate)) return undefined
  const best = bestInputOf(cycle, pools, 1 + costRate)
  if (!best || !Number.isFinite(best.amountIn) || best.amountIn < 1) return undefined
  const optimum = BigInt(Math.floor(best.amountIn))
  return maxInput !== undefined && optimum > maxInput ? maxInput : optimum
}
