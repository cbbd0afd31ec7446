/** Routing from one token to another: paths over the pool graph, and the split of an amount over them. */
import { type Address, swapExactIn } from '../amm/index.ts'
import type { Hop } from './cycles.ts'
import { type MarketGraph, NOTHING } from './market-graph.ts'
import { PoolOverlay } from './plan.ts'
import type { PoolLookup } from './sizing.ts'

/** A path with its amounts in smallest units: the input of each hop, then the output of the last. */
export interface RoutedPath {
  readonly hops: readonly Hop[]
  readonly amounts: readonly bigint[]
}

/** A split route for an exact input. Amounts in smallest units. */
export interface Route {
  /** Run in sequence: each amount is exact on the state after the paths before it. */
  readonly paths: readonly RoutedPath[]
  readonly amountIn: bigint
  readonly amountOut: bigint
  /** Output of the best single path; `undefined` if no path takes the whole amount. */
  readonly single: bigint | undefined
  readonly searchedPaths: number
}

/** Limits of a route. */
export interface RouteOptions {
  /** Maximum length of a path, in pools. */
  maxHops: number
  /** Maximum number of paths. */
  maxPaths: number
}

/** Maximum number of paths that are evaluated exactly. */
const MAX_TRIED = 32
/** Parts of the first, greedy allocation. */
const PARTS = 64

/**
 * The best split route found for an exact input in the smallest unit of `from`; `undefined` if no path takes
 * the amount. Greedy allocation of 64 parts, then local search with decreasing steps; exact integers
 * throughout.
 */
export function bestRoute(
  graph: MarketGraph,
  from: Address,
  to: Address,
  amountIn: bigint,
  { maxHops, maxPaths }: RouteOptions,
): Route | undefined {
  const pools: PoolLookup = { get: (address) => graph.pools[graph.poolIndex.get(address) ?? -1] }
  const { paths, searched } = candidatePaths(graph, from, to, Number(amountIn), maxHops)
  const singles = paths
    .map((hops) => walk([{ hops, amountIn }], pools)?.amountOut)
    .filter((out) => out !== undefined)
  const single = singles.reduce<bigint | undefined>(
    (best, out) => (best === undefined || out > best ? out : best),
    undefined,
  )
  const split = refine(allocate(paths, pools, amountIn, maxPaths), pools)
  const result = split && walk(split, pools)
  if (!result && single === undefined) return undefined
  if (!result || (single !== undefined && single >= result.amountOut)) {
    const hops = paths.find(
      (candidate) => walk([{ hops: candidate, amountIn }], pools)?.amountOut === single,
    ) as Hop[]
    return { ...(walk([{ hops, amountIn }], pools) as Walked), amountIn, single, searchedPaths: searched }
  }
  return { ...result, amountIn, single, searchedPaths: searched }
}

interface Share {
  readonly hops: readonly Hop[]
  readonly amountIn: bigint
}

interface Walked {
  paths: RoutedPath[]
  amountOut: bigint
}

/** Runs paths in sequence in exact integers; `undefined` if a pool refuses. */
function walk(shares: readonly Share[], pools: PoolLookup): Walked | undefined {
  const overlay = new PoolOverlay(pools)
  const paths: RoutedPath[] = []
  let amountOut = 0n
  for (const { hops, amountIn } of shares) {
    const amounts = through(hops, amountIn, overlay)
    if (!amounts) return undefined
    paths.push({ hops, amounts })
    amountOut += amounts.at(-1) as bigint
  }
  return { paths, amountOut }
}

/**
 * Runs an amount through a path and keeps the new pool states. If a pool refuses: `undefined`, and no change.
 */
function through(hops: readonly Hop[], amountIn: bigint, overlay: PoolOverlay): bigint[] | undefined {
  const amounts = [amountIn]
  const after: [Address, NonNullable<ReturnType<PoolLookup['get']>>][] = []
  for (const hop of hops) {
    const pool = overlay.get(hop.pool)
    const result = pool && swapExactIn(pool, hop.tokenIn, hop.tokenOut, amounts.at(-1) as bigint)
    if (!result?.ok) return undefined
    amounts.push(result.swap.amountOut)
    after.push([hop.pool, result.swap.after])
  }
  for (const [address, pool] of after) overlay.changed.set(address, pool)
  return amounts
}

/**
 * Of all paths of at most `maxHops` pools that visit no token twice: those with the highest output at full
 * size and at the margin.
 */
function candidatePaths(
  graph: MarketGraph,
  from: Address,
  to: Address,
  amount: number,
  maxHops: number,
): { paths: Hop[][]; searched: number } {
  const [start, end] = [graph.tokenIndex.get(from), graph.tokenIndex.get(to)]
  if (start === undefined || end === undefined || start === end) return { paths: [], searched: 0 }
  const found: { edges: number[]; full: number; margin: number }[] = []
  const path: number[] = []
  let searched = 0
  const extend = (token: number, full: number, margin: number) => {
    const edges = graph.leaving[token]
    next: for (let i = 0; edges && i < edges.length; i++) {
      const edge = edges.at(i)
      const target = graph.to[edge] as number
      const rate = graph.logRate[edge] as number
      if (
        rate === Number.NEGATIVE_INFINITY ||
        target === start ||
        (target !== end && path.length + 1 >= maxHops)
      )
        continue
      for (const earlier of path)
        if (graph.poolOf[earlier] === graph.poolOf[edge] || graph.to[earlier] === target) continue next
      const inside = graph.beyond[edge] === NOTHING ? Math.min(full, graph.limit[edge] as number) : full
      const out =
        ((graph.a[edge] as number) * inside) /
        ((graph.c[edge] as number) * inside + (graph.d[edge] as number))
      path.push(edge)
      if (target === end) {
        searched++
        found.push({ edges: [...path], full: out, margin: margin + rate })
      } else extend(target, out, margin + rate)
      path.pop()
    }
  }
  extend(start, amount, 0)
  const best = (key: 'full' | 'margin') => [...found].sort((a, b) => b[key] - a[key]).slice(0, MAX_TRIED / 2)
  const chosen = new Set([...best('full'), ...best('margin')])
  const paths = [...chosen].map(({ edges }) =>
    edges.map(
      (edge): Hop => ({
        pool: graph.pools[graph.poolOf[edge] as number]?.address as Address,
        tokenIn: graph.tokens[graph.from[edge] as number] as Address,
        tokenOut: graph.tokens[graph.to[edge] as number] as Address,
      }),
    ),
  )
  return { paths, searched }
}

/** Allocates the amount part by part, each to the path with the highest output for it at that point. */
function allocate(
  paths: readonly Hop[][],
  pools: PoolLookup,
  amountIn: bigint,
  maxPaths: number,
): Share[] | undefined {
  const overlay = new PoolOverlay(pools)
  const allocated = new Map<Hop[], bigint>()
  const parts = amountIn < BigInt(PARTS) ? 1n : BigInt(PARTS)
  for (let part = 0n; part < parts; part++) {
    const size = part + 1n === parts ? amountIn - (amountIn / parts) * part : amountIn / parts
    const open = allocated.size < maxPaths ? paths : [...allocated.keys()]
    let best: { path: Hop[]; out: bigint } | undefined
    for (const path of open) {
      const out = through(path, size, new PoolOverlay(overlay))?.at(-1)
      if (out !== undefined && (!best || out > best.out)) best = { path: path as Hop[], out }
    }
    if (!best) return undefined
    through(best.path, size, overlay)
    allocated.set(best.path, (allocated.get(best.path) ?? 0n) + size)
  }
  return [...allocated]
    .map(([hops, share]) => ({ hops, amountIn: share }))
    .sort((a, b) => (a.amountIn > b.amountIn ? -1 : 1))
}

/** Local search: moves decreasing amounts between paths while the output grows. */
function refine(shares: Share[] | undefined, pools: PoolLookup): Share[] | undefined {
  if (!shares || shares.length < 2) return shares
  let best = shares
  let out = walk(best, pools)?.amountOut
  if (out === undefined) return undefined
  const total = shares.reduce((sum, share) => sum + share.amountIn, 0n)
  for (let step = total / BigInt(PARTS); step > total / 1_000_000n && step > 0n; step /= 2n) {
    for (let i = 0; i < best.length; i++) {
      for (let j = 0; j < best.length; j++) {
        if (i === j || (best[i] as Share).amountIn <= step) continue
        const moved = best.map((share, index) =>
          index === i
            ? { ...share, amountIn: share.amountIn - step }
            : index === j
              ? { ...share, amountIn: share.amountIn + step }
              : share,
        )
        const result = walk(moved, pools)?.amountOut
        if (result !== undefined && result > out) [best, out] = [moved, result]
      }
    }
  }
  return best
}
