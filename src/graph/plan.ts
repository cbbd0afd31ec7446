/**
 * Multi-path plans: several cycles in sequence, each exact on the state after the cycles before it. A plan
 * can split a flow over parallel pools, and use an opportunity that an earlier cycle opens; a single cycle
 * can do neither.
 */
import { type Address, type Pool, swapExactIn } from '../amm/index.ts'
import type { UpperBound } from './bound.ts'
import type { Cycle, Hop } from './cycles.ts'
import type { EdgeFlow } from './dual.ts'
import type { MarketGraph } from './market-graph.ts'
import type { MarketSearch } from './search.ts'
import { bestAmount, type PoolLookup, type SizedCycle, sizeCycle, walkCycle } from './sizing.ts'

/** Limits of a plan. */
export interface PlanOptions {
  /** Maximum number of cycles. */
  maxCycles: number
  /** Minimum value of a further cycle, in the search's unit of value: the gas of its legs. */
  worth(cycle: Cycle): number
  /** Start token of all cycles, so that one loan serves them all. Default: any. */
  startToken?: Address
  /** Maximum input of each cycle, such as the limit of a loan, in the start token's smallest unit. */
  maxInput?: bigint
}

/** A copy-on-write view of pools: reads fall through to `base`, changes stay in `changed`. */
export class PoolOverlay implements PoolLookup {
  readonly #base: PoolLookup
  readonly changed = new Map<Address, Pool>()

  constructor(base: PoolLookup) {
    this.#base = base
  }

  get(address: Address): Pool | undefined {
    return this.changed.get(address) ?? this.#base.get(address)
  }

  /**
   * Runs a cycle and keeps the new pool states. Without profit, or if a pool refuses: `undefined`, and no
   * change.
   */
  take(cycle: Cycle, amountIn: bigint): SizedCycle | undefined {
    const amounts = [amountIn]
    const after: Pool[] = []
    let amount = amountIn
    for (const hop of cycle) {
      const pool = this.get(hop.pool)
      const result = pool && swapExactIn(pool, hop.tokenIn, hop.tokenOut, amount)
      if (!result?.ok) return undefined
      amount = result.swap.amountOut
      amounts.push(amount)
      after.push(result.swap.after)
    }
    if (amount <= amountIn) return undefined
    for (const pool of after) this.changed.set(pool.address, pool)
    return { hops: cycle, amounts, grossProfit: amount - amountIn }
  }

  /**
   * Runs a sized cycle and keeps the new pool states. Throws RangeError if a pool refuses: the cycle was
   * sized on another state.
   */
  run(sized: SizedCycle): void {
    sized.hops.forEach((hop, index) => {
      const result = swapExactIn(
        this.get(hop.pool) as Pool,
        hop.tokenIn,
        hop.tokenOut,
        sized.amounts[index] as bigint,
      )
      if (!result.ok) throw new RangeError(`${hop.pool} refuses ${sized.amounts[index]}: ${result.refusal}`)
      this.changed.set(hop.pool, result.swap.after)
    })
  }
}

const ROUNDS = 4
/** Plans of more cycles keep the amounts as found. */
const MAX_POLISHED = 12
/** Polishing ends with a round that gains less than one part in `MIN_GAIN`. */
const MIN_GAIN = 1_000_000n

/**
 * The better of two plans; the search is restored afterwards. Greedy: repeatedly the best cycle on the
 * remaining state, until none is worth its gas. By flows, if `bound` is given: the cycles of the joint
 * optimum. Finally each cycle's amount is optimised given all the others. `first`: a sized cycle to start
 * with.
 */
export function planCycles(
  search: MarketSearch,
  options: PlanOptions,
  first?: SizedCycle,
  bound?: UpperBound,
): SizedCycle[] {
  const greedy = polish(takeBest(search, options, first), search.pools, options)
  if (!bound) return greedy
  const flowing = cyclesOfFlows(search.graph, bound.flows, options.maxCycles).flatMap(
    ({ cycle, amountIn }) => {
      const sized = walkCycle(cycle, search.pools, BigInt(Math.floor(amountIn)))
      return sized ?? []
    },
  )
  const net = (plan: readonly SizedCycle[]) =>
    plan.reduce(
      (sum, { hops, grossProfit }) =>
        sum + Number(grossProfit) * search.valueOf((hops[0] as Hop).tokenIn) - options.worth(hops),
      0,
    )
  let joint = polish(flowing, search.pools, options)
  // Drop cycles that do not pay their gas, one at a time.
  for (;;) {
    const without = joint.map((_, index) =>
      polish(
        joint.filter((__, other) => other !== index),
        search.pools,
        options,
      ),
    )
    const better = without.find((plan) => net(plan) > net(joint))
    if (!better || joint.length > MAX_POLISHED) break
    joint = better
  }
  return net(joint) > net(greedy) ? joint : greedy
}

/** Splits the flows of the joint optimum into cycles of the graph, largest flow first. */
function cyclesOfFlows(
  graph: MarketGraph,
  flows: readonly EdgeFlow[],
  maxCycles: number,
): { cycle: Cycle; amountIn: number }[] {
  const left = new Map(
    flows
      .filter((flow) => flow.amountIn > 0)
      .map((flow) => [
        flow.edge,
        { remaining: flow.amountIn, rate: flow.amountOut / flow.amountIn, all: flow.amountIn },
      ]),
  )
  const leaving = new Map<number, number[]>()
  for (const edge of left.keys()) {
    const token = graph.from[edge] as number
    leaving.set(token, [...(leaving.get(token) ?? []), edge])
  }
  const found: { cycle: Cycle; amountIn: number }[] = []
  for (let guard = 0; guard < 4 * flows.length && found.length < maxCycles; guard++) {
    const start = [...left.entries()].find(([, flow]) => flow.remaining > 1e-6 * flow.all)?.[0]
    if (start === undefined) break
    // Follow the edges with the largest remaining share until a token repeats.
    const path: number[] = []
    const seenAt = new Map<number, number>()
    let token = graph.from[start] as number
    while (!seenAt.has(token)) {
      seenAt.set(token, path.length)
      const next = (leaving.get(token) ?? [])
        .map((edge) => ({ edge, share: (left.get(edge)?.remaining ?? 0) / (left.get(edge)?.all ?? 1) }))
        .filter(({ share }) => share > 1e-6)
        .sort((a, b) => b.share - a.share)[0]
      if (!next) break
      path.push(next.edge)
      token = graph.to[next.edge] as number
    }
    const from = seenAt.get(token)
    const loop =
      from === undefined || path.length === 0 || graph.to[path.at(-1) as number] !== token
        ? []
        : path.slice(from)
    if (loop.length === 0) {
      // A dead end: its flow is rounding of the solution.
      const last = left.get(path.at(-1) ?? start)
      if (last) last.remaining = 0
      continue
    }
    let [carried, amountIn] = [1, Number.POSITIVE_INFINITY]
    for (const edge of loop) {
      const flow = left.get(edge) as { remaining: number; rate: number }
      amountIn = Math.min(amountIn, flow.remaining / carried)
      carried *= flow.rate
    }
    carried = 1
    for (const edge of loop) {
      const flow = left.get(edge) as { remaining: number; rate: number }
      flow.remaining -= amountIn * carried
      carried *= flow.rate
    }
    const pools = loop.map((edge) => graph.pools[graph.poolOf[edge] as number]?.address)
    if (new Set(pools).size < loop.length || loop.length < 2) continue
    found.push({
      cycle: loop.map((edge, index) => ({
        pool: pools[index] as Address,
        tokenIn: graph.tokens[graph.from[edge] as number] as Address,
        tokenOut: graph.tokens[graph.to[edge] as number] as Address,
      })),
      amountIn,
    })
  }
  return found
}

function takeBest(search: MarketSearch, options: PlanOptions, first?: SizedCycle): SizedCycle[] {
  const overlay = new PoolOverlay(search.pools)
  const original = new Map<Address, Pool>()
  const found: SizedCycle[] = []
  const take = (sized: SizedCycle) => {
    for (const hop of sized.hops)
      if (!original.has(hop.pool)) original.set(hop.pool, search.pools.get(hop.pool) as Pool)
    overlay.run(sized)
    const touched = sized.hops.map((hop) => hop.pool)
    for (const pool of touched) search.update(overlay.get(pool) as Pool)
    search.search(touched)
    found.push(sized)
  }
  if (first) take(first)
  while (found.length < options.maxCycles) {
    const sized = nextBest(search, options)
    if (!sized) break
    take(sized)
  }
  for (const pool of original.values()) search.update(pool)
  if (original.size > 0) search.search(original.keys())
  return merged(found)
}

function nextBest(
  search: MarketSearch,
  { worth, startToken, maxInput }: PlanOptions,
): SizedCycle | undefined {
  for (const candidate of search.top(24)) {
    const cycle = search.cycle(candidate.index)
    const start = cycle[0]?.tokenIn
    if (start === undefined || (startToken !== undefined && start !== startToken)) continue
    if (!(candidate.value > worth(cycle))) continue
    const sized =
      maxInput === undefined ? search.confirm(candidate) : sizeCycle(cycle, search.pools, 0, maxInput)
    if (sized && search.valueOf(start) * Number(sized.grossProfit) > worth(cycle)) return sized
  }
  return undefined
}

const key = (cycle: Cycle) => cycle.map((hop) => hop.pool + hop.tokenIn).join()

/** Cycles without duplicates; the last of equal ones stays. */
function merged(cycles: readonly SizedCycle[]): SizedCycle[] {
  return [...new Map(cycles.map((sized) => [key(sized.hops), sized])).values()]
}

/**
 * Coordinate ascent: optimises each cycle's amount given the others, for some rounds. On a concave problem it
 * converges to the maximum.
 */
function polish(plan: SizedCycle[], pools: PoolLookup, { maxInput }: PlanOptions): SizedCycle[] {
  let best = rerun(plan, pools, maxInput)
  if (plan.length < 2 || plan.length > MAX_POLISHED) return best
  for (let round = 0; round < ROUNDS; round++) {
    const before = gross(best)
    for (let i = 0; i < best.length; i++) {
      // A cycle that shares no pool with the others is at its optimum already.
      if (!best.some((other, index) => index !== i && sharesPool(other.hops, (best[i] as SizedCycle).hops)))
        continue
      // The current cycle runs last and is sized on the state after the others.
      const others = best.filter((_, index) => index !== i)
      const trial = rerun([...others, best[i] as SizedCycle], pools, maxInput, others.length)
      if (sameStart(trial) ? gross(trial) > gross(best) : trial.length >= best.length) best = trial
    }
    if ((gross(best) - before) * MIN_GAIN <= before) break
  }
  return best
}

const sharesPool = (a: Cycle, b: Cycle) => a.some((hop) => b.some((other) => other.pool === hop.pool))
const gross = (plan: readonly SizedCycle[]) => plan.reduce((sum, sized) => sum + sized.grossProfit, 0n)
const sameStart = (plan: readonly SizedCycle[]) =>
  plan.every((sized) => sized.hops[0]?.tokenIn === plan[0]?.hops[0]?.tokenIn)

/** Runs a plan on `pools`: the first `kept` cycles with their inputs, the others sized again. */
function rerun(
  plan: readonly SizedCycle[],
  pools: PoolLookup,
  maxInput: bigint | undefined,
  kept = 0,
): SizedCycle[] {
  const overlay = new PoolOverlay(pools)
  const result: SizedCycle[] = []
  plan.forEach((planned, index) => {
    const input = index < kept ? planned.amounts[0] : bestAmount(planned.hops, overlay, 0, maxInput)
    const sized = input === undefined ? undefined : overlay.take(planned.hops, input)
    if (sized) result.push(sized)
  })
  return result
}
