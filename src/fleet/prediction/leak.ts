/**
 * Finds memory that only grows. The low points of the heap give suspicion; what is left after forced collections gives certainty: caches that
 * fill flatten out, a leak does not. Slopes are Theil-Sen, with the lower bound of their confidence interval (Sen 1968).
 */

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

/** Throws RangeError for fewer than two points. */
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

export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

export interface LeakPolicy {
  /** The heap's low point is taken per window; suspicion looks at this many windows. */
  readonly windowMs: number
  readonly windows: number
  /** A process that was just started fills its caches: before, only fast growth is suspicious. */
  readonly warmUpMs: number
  readonly suspectBytesPerSecond: number
  readonly leakBytesPerSecond: number
  /** Until it is this old its caches may still fill: only growth beyond what they do is a leak. */
  readonly matureMs: number
  readonly youngBytesPerSecond: number
  /** Forced collections until a verdict, and the time between two. */
  readonly collections: number
  readonly collectEveryMs: number
  /** After an acquittal nobody looks again for this long. */
  readonly peaceMs: number
  /** Growth that would reach the limit within this time does not wait for certainty. */
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

export type LeakVerdict =
  | { readonly verdict: 'collect' }
  /** Bytes per second; `limitInMs` when it would reach its limit. */
  | { readonly verdict: 'leak' | 'urgent'; readonly bytesPerSecond: number; readonly limitInMs: number }

/** Watches one process. Feed it the heap with each heartbeat, and what collections left. */
export class LeakWatch {
  readonly #policy: LeakPolicy
  readonly #startedAt: number
  #lows: HeapPoint[] = []
  #collected: HeapPoint[] | undefined
  #askedAt = 0
  #peaceUntil = 0

  constructor(startedAt: number, policy: LeakPolicy = LEAKS) {
    this.#startedAt = startedAt
    this.#policy = policy
  }

  /** `limit` in bytes: where the process would die. */
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
      if (point.at - this.#askedAt < policy.collectEveryMs) return undefined
      this.#askedAt = point.at
      return { verdict: 'collect' }
    }
    const young = point.at - this.#startedAt < policy.warmUpMs
    if (
      point.at < this.#peaceUntil ||
      slope < (young ? policy.youngBytesPerSecond : policy.suspectBytesPerSecond)
    )
      return undefined
    this.#collected = []
    this.#askedAt = point.at
    return { verdict: 'collect' }
  }

  /** What a forced collection left. A verdict after enough of them. */
  collected(point: HeapPoint, limit: number): LeakVerdict | undefined {
    const policy = this.#policy
    if (!this.#collected) return undefined
    this.#collected.push(point)
    const points = this.#collected
    if (points.length < policy.collections) {
      // Half way it may be plain that nothing grows: that saves the rest.
      if (points.length >= policy.collections - 2 && theilSen(points).slope < policy.leakBytesPerSecond / 2)
        this.#acquit(point.at)
      return undefined
    }
    this.#collected = undefined
    const { slope, lower } = theilSen(points)
    const steps = points.slice(1).map((each, index) => each.bytes - (points[index] as HeapPoint).bytes)
    // What fills up grows less and less; a leak grows on.
    const flattening =
      (steps.at(-1) as number) + (steps.at(-2) as number) < ((steps[0] as number) + (steps[1] as number)) / 2
    const least =
      point.at - this.#startedAt < policy.matureMs ? policy.youngBytesPerSecond : policy.leakBytesPerSecond
    if (lower < least || flattening) {
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
