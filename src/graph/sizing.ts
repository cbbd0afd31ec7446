/** The best size of a cycle: closed form where all hops are Moebius maps, Newton where one is not, always confirmed in exact integers. */
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
  /** The amount into each hop, and last the amount out: `amounts[0]` is the input. */
  readonly amounts: readonly bigint[]
  /** `amounts.at(-1) - amounts[0]`, before premium and gas. */
  readonly grossProfit: bigint
}

export type PoolLookup = Pick<ReadonlyMap<Address, Pool>, 'get'>

/** Sum of the logarithms of the marginal rates after fees; only above zero can a cycle earn. */
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

/** The exact amounts along a cycle for `amountIn`, or `undefined` where a pool refuses. */
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
 * The same cycle with nearly the least input that still gives its output: tokens of few decimals make the output a
 * staircase, and what lies beyond a step is given away. About a dozen walks, two where there is nothing to save.
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

/** The best input of a route in floating point, by whichever method its pools allow; `cost` as in `bestInput`. */
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
  // The constant-product pools that fit at the margin give the first guess.
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
 * The cycle at its best size; `undefined` where nothing pays. `costRate` is what each unit of input costs beyond itself
 * (a loan's premium as a fraction), `most` the largest input to be had.
 */
export function sizeCycle(
  cycle: Cycle,
  pools: PoolLookup,
  costRate = 0,
  most?: bigint,
): SizedCycle | undefined {
  const amountIn = bestAmount(cycle, pools, costRate, most)
  const sized = amountIn === undefined ? undefined : walkCycle(cycle, pools, amountIn)
  return sized && sized.grossProfit > 0n ? sized : undefined
}

/** The input of `sizeCycle`, not confirmed yet. */
export function bestAmount(cycle: Cycle, pools: PoolLookup, costRate = 0, most?: bigint): bigint | undefined {
  if (!(logRate(cycle, pools) > costRate)) return undefined
  const best = bestInputOf(cycle, pools, 1 + costRate)
  if (!best || !Number.isFinite(best.amountIn) || best.amountIn < 1) return undefined
  const optimum = BigInt(Math.floor(best.amountIn))
  return most !== undefined && optimum > most ? most : optimum
}
