/** The best way from one token to another: paths over the pool graph, and how to split an amount over them. */
import { type Address, swapExactIn } from '../amm/index.ts'
import type { Hop } from './cycles.ts'
import { type MarketGraph, NOTHING } from './market-graph.ts'
import { PoolOverlay } from './plan.ts'
import type { PoolLookup } from './sizing.ts'

/** A path with what goes through it. Amounts: into each hop, and last what comes out. */
export interface RoutedPath {
  readonly hops: readonly Hop[]
  readonly amounts: readonly bigint[]
}

export interface Route {
  /** Run one after another: each amount is exact on what the paths before it leave. */
  readonly paths: readonly RoutedPath[]
  readonly amountIn: bigint
  readonly amountOut: bigint
  /** What the best single path would give, or `undefined` where none takes the whole amount. */
  readonly single: bigint | undefined
  readonly searchedPaths: number
}

export interface RouteOptions {
  /** Longest path, in pools. */
  maxHops: number
  /** Most paths to split over. */
  maxPaths: number
}

/** Paths that are tried exactly, of all that exist. */
const MAX_TRIED = 32
/** Parts in which the amount is first given out. */
const PARTS = 64

/** The best split route for an exact input; `undefined` where no path takes any of it. */
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
    (most, out) => (most === undefined || out > most ? out : most),
    undefined,
  )
  const split = refine(giveOut(paths, pools, amountIn, maxPaths), pools)
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

/** Runs paths one after another in exact integers; `undefined` where a pool refuses. */
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

/** Sends an amount through a path, leaving the pools changed; `undefined`, and nothing changed, where a pool refuses. */
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

/** Every path of at most `maxHops` pools that visits no token twice; of them those that give most, at full size and at the margin. */
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

/** Gives the amount out part by part, each to the path that gives most for it then. */
function giveOut(
  paths: readonly Hop[][],
  pools: PoolLookup,
  amountIn: bigint,
  maxPaths: number,
): Share[] | undefined {
  const overlay = new PoolOverlay(pools)
  const given = new Map<Hop[], bigint>()
  const parts = amountIn < BigInt(PARTS) ? 1n : BigInt(PARTS)
  for (let part = 0n; part < parts; part++) {
    const size = part + 1n === parts ? amountIn - (amountIn / parts) * part : amountIn / parts
    const open = given.size < maxPaths ? paths : [...given.keys()]
    let best: { path: Hop[]; out: bigint } | undefined
    for (const path of open) {
      const out = through(path, size, new PoolOverlay(overlay))?.at(-1)
      if (out !== undefined && (!best || out > best.out)) best = { path: path as Hop[], out }
    }
    if (!best) return undefined
    through(best.path, size, overlay)
    given.set(best.path, (given.get(best.path) ?? 0n) + size)
  }
  return [...given]
    .map(([hops, share]) => ({ hops, amountIn: share }))
    .sort((a, b) => (a.amountIn > b.amountIn ? -1 : 1))
}

/** Moves ever smaller amounts between paths as long as that gives more. */
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
