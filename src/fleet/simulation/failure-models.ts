/**
 * Simulated series of a process's heap and of a service's latency, clean and failing, for the evaluation of
 * early detection. Times in ms.
 */
import { normal, type Random } from '../../std/random.ts'

/** The parameters of a simulated heap. Bytes, ms. */
export interface HeapModel {
  /** Live bytes after everything was loaded, and how much of it caches fill, with which time constant. */
  readonly base: number
  readonly caches: number
  readonly cachesMs: number
  /** Garbage per second; collected when it reaches `collectAt`. */
  readonly garbage: number
  readonly collectAt: number
  readonly leakPerSecond: number
  readonly leakFrom: number
}

/** A random heap, with a leak or without. `leak`: bytes per second, from a time in ms. */
export function heapModel(random: Random, leak: { perSecond: number; from: number } | undefined): HeapModel {
  return {
    base: 40e6 + random() * 60e6,
    caches: random() * 15e6,
    cachesMs: 30_000 + random() * 600_000,
    garbage: 20e3 + random() * 4e6,
    collectAt: 8e6 + random() * 24e6,
    leakPerSecond: leak?.perSecond ?? 0,
    leakFrom: leak?.from ?? Number.POSITIVE_INFINITY,
  }
}

/** Live bytes at a time, with small fluctuations. */
export function liveBytes(model: HeapModel, at: number, random: Random): number {
  const filled = model.caches * (1 - Math.exp(-at / model.cachesMs))
  return (
    model.base +
    filled +
    Math.max(0, (at - model.leakFrom) / 1_000) * model.leakPerSecond +
    Math.abs(normal(random)) * 60e3
  )
}

/** The value of `heapUsed`: live bytes and garbage that was not collected yet. */
export function heapUsed(model: HeapModel, at: number, random: Random): number {
  return liveBytes(model, at, random) + (((at / 1_000) * model.garbage) % model.collectAt)
}

/**
 * Mean latencies, one per second, log-normal, with peaks now and then; from `failsFrom` it grows until, after
 * `growMs`, it is 20 times as slow.
 */
export function latency(
  random: Random,
  typical: number,
  at: number,
  failsFrom: number,
  growMs: number,
): number {
  const peak = random() < 0.002 ? 3 + random() * 8 : 1
  const grown = at < failsFrom ? 1 : 20 ** Math.min(1, (at - failsFrom) / growMs)
  return typical * Math.exp(0.35 * normal(random)) * peak * grown
}
