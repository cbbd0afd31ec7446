/**
 * Leak detection. Rising low points of the heap raise a suspicion; the heap that is left after forced
 * collections confirms it, because caches flatten out and a leak does not. Slopes are Theil-Sen, with the
 * lower bound of their confidence interval (Sen 1968).
 */

/** The heap at one time. */
export interface HeapPoint {
  /** ms. */
  readonly at: number
  readonly bytes: number
}

/** Bytes per second. `lower` is the lower end of the interval at about 90 %. */
export interface Slope {
  readonly slope: number
  readonly lower: number
}

/** The slope of points over time. Throws RangeError for fewer than two points. */
export function theilSen(points: readonly HeapPoint[]): Slope {
  const slopes: number[] = []
  for (const [index, a] of points.entries())
    for (const b of points.slice(index + 1))
      if (b.at !== a.at) slopes.push(((b.bytes - a.bytes) / (b.at - a.at)) * 1_000)
  if (slopes.length === 0) throw new RangeError('a slope needs two points in time')
  slopes.sort((a, b) => a - b)
  const n = points.length
  const spread = Z_90 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)
  const index = Math.max(0, Math.min(slopes.length - 1, Math.round((slopes.length - spread) / 2)))
  return { slope: median(slopes), lower: slopes[index] as number }
}
const Z_90 = 1.28

/** The median of values in ascending order; there is at least one. */
export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** The parameters of leak detection. */
export interface LeakPolicy {
  /** The length of a window, of which the low point counts, and the number of windows in view. */
  readonly windowMs: number
  readonly windows: number
  /** Until then a process fills its caches, and only fast growth is suspicious. */
  readonly warmUpMs: number
  readonly suspectBytesPerSecond: number
  readonly leakBytesPerSecond: number
  /** Until this age caches may still fill: only growth above `youngBytesPerSecond` is a leak. */
  readonly matureMs: number
  readonly youngBytesPerSecond: number
  /** The number of forced collections until a verdict, and the time between two. */
  readonly collections: number
  readonly collectEveryMs: number
  /** After an acquittal there is no suspicion for this long. */
  readonly peaceMs: number
  /**
   * Growth that would reach the limit within this time, on a heap above this share of it, needs no
   * confirmation.
   */
  readonly urgentMs: number
  readonly urgentShare: number
}

const LEAKS: LeakPolicy = {
  windowMs: 4_000,
  windows: 8,
  warmUpMs: 120_000,
  suspectBytesPerSecond: 3_000,
  leakBytesPerSecond: 4_000,
  matureMs: 2_700_000,
  youngBytesPerSecond: 200_000,
  collections: 6,
  collectEveryMs: 9_000,
  peaceMs: 15_000,
  urgentMs: 90_000,
  urgentShare: 0.4,
}

/** The outcome of a reading. `collect` requests a forced collection; `urgent` needs no confirmation. */
export type LeakVerdict =
  | { readonly verdict: 'collect' }
  /** `limitInMs`: the time until the heap reaches its limit. */
  | { readonly verdict: 'leak' | 'urgent'; readonly bytesPerSecond: number; readonly limitInMs: number }

/** Detects leaks of one process, from its heap at each heartbeat and after forced collections. */
export class LeakWatch {
  readonly #policy: LeakPolicy
  readonly #startedAt: number
  #lows: HeapPoint[] = []
  #collected: HeapPoint[] | undefined
  #collectRequestedAt = 0
  #peaceUntil = 0

  constructor(startedAt: number, policy: LeakPolicy = LEAKS) {
    this.#startedAt = startedAt
    this.#policy = policy
  }

  /** Adds a reading of the heap. `limit`: the heap limit in bytes. `collect` requests a forced collection. */
  observe(point: HeapPoint, limit: number): LeakVerdict | undefined {
    const policy = this.#policy
    const last = this.#lows.at(-1)
    if (!last || point.at - last.at >= policy.windowMs)
      this.#lows = [...this.#lows, point].slice(-policy.windows)
    else if (point.bytes < last.bytes) this.#lows[this.#lows.length - 1] = { at: last.at, bytes: point.bytes }
    if (this.#lows.length < policy.windows) return undefined
    const { slope, lower } = theilSen(this.#lows)
    const limitInMs = slope > 0 ? ((limit - point.bytes) / slope) * 1_000 : Number.POSITIVE_INFINITY
    if (lower > 0 && limitInMs < policy.urgentMs && point.bytes > limit * policy.urgentShare)
      return { verdict: 'urgent', bytesPerSecond: slope, limitInMs }
    if (this.#collected) {
      if (point.at - this.#collectRequestedAt < policy.collectEveryMs) return undefined
      this.#collectRequestedAt = point.at
      return { verdict: 'collect' }
    }
    const young = point.at - this.#startedAt < policy.warmUpMs
    if (
      point.at < this.#peaceUntil ||
      slope < (young ? policy.youngBytesPerSecond : policy.suspectBytesPerSecond)
    )
      return undefined
    this.#collected = []
    this.#collectRequestedAt = point.at
    return { verdict: 'collect' }
  }

  /** Adds the heap after a forced collection. Returns a verdict after enough collections. */
  collected(point: HeapPoint, limit: number): LeakVerdict | undefined {
    const policy = this.#policy
    if (!this.#collected) return undefined
    this.#collected.push(point)
    const points = this.#collected
    if (points.length < policy.collections) {
      // An early acquittal saves the remaining collections.
      if (points.length >= policy.collections - 2 && theilSen(points).slope < policy.leakBytesPerSecond / 2)
        this.#acquit(point.at)
      return undefined
    }
    this.#collected = undefined
    const { slope, lower } = theilSen(points)
    const steps = points.slice(1).map((each, index) => each.bytes - (points[index] as HeapPoint).bytes)
    // Caches grow ever more slowly; a leak does not.
    const flattening =
      (steps.at(-1) as number) + (steps.at(-2) as number) < ((steps[0] as number) + (steps[1] as number)) / 2
    const minBytesPerSecond =
      point.at - this.#startedAt < policy.matureMs ? policy.youngBytesPerSecond : policy.leakBytesPerSecond
    if (lower < minBytesPerSecond || flattening) {
      this.#acquit(point.at)
      return undefined
    }
    return { verdict: 'leak', bytesPerSecond: slope, limitInMs: ((limit - point.bytes) / slope) * 1_000 }
  }

  #acquit(at: number): void {
    this.#collected = undefined
    this.#peaceUntil = at + this.#policy.peaceMs
  }
}
