import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../std/random.ts'
import { heapModel, heapUsed, latency, liveBytes } from '../simulation/failure-models.ts'
import { CusumDetector } from './anomaly.ts'
import { LeakWatch, theilSen } from './leak.ts'

const LIMIT = 1.07e9

/** Simulates a process with one reading per second. Returns the verdict and its time in ms, or undefined. */
function playHeap(
  seed: number,
  hours: number,
  leak?: { perSecond: number; from: number },
): { at: number; verdict: string; bytes: number } | undefined {
  const random = seededRandom(seed)
  const model = heapModel(random, leak)
  const watch = new LeakWatch(0)
  for (let at = 0; at < hours * 3_600_000; at += 1_000) {
    const bytes = heapUsed(model, at, random)
    let verdict = watch.observe({ at, bytes }, LIMIT)
    if (verdict?.verdict === 'collect')
      verdict = watch.collected({ at, bytes: liveBytes(model, at, random) }, LIMIT)
    if (verdict && verdict.verdict !== 'collect') return { at, verdict: verdict.verdict, bytes }
  }
  return undefined
}

test('Theil-Sen: the slope of a line despite outliers', () => {
  const points = Array.from({ length: 11 }, (_, index) => ({
    at: index * 1_000,
    bytes: index * 500 + (index === 5 ? 1e6 : 0),
  }))
  expect(theilSen(points).slope).toBe(500)
  expect(theilSen(points).lower).toBeLessThanOrEqual(500)
  expect(() => theilSen([{ at: 0, bytes: 1 }])).toThrow(RangeError)
})

describe('leaks', () => {
  test('processes without a leak are acquitted, with caches that fill and garbage that is not collected yet', () => {
    for (let seed = 1; seed <= 12; seed++) expect(playHeap(seed, 3)).toBeUndefined()
  })

  test('10 KB/s is detected within 2 minutes (median) in a warm process, 5 MB/s long before the heap limit', () => {
    const after: number[] = []
    for (let seed = 1; seed <= 12; seed++) {
      const slow = playHeap(seed, 4, { perSecond: 10_000, from: 3_000_000 })
      expect(slow?.verdict).toBe('leak')
      after.push((slow?.at ?? Number.POSITIVE_INFINITY) - 3_000_000)
      const fast = playHeap(seed, 1, { perSecond: 5e6, from: 60_000 })
      expect(fast?.bytes).toBeLessThan(LIMIT * 0.8)
    }
    expect(after.sort((a, b) => a - b)[6]).toBeLessThan(120_000)
    expect(after.at(-1)).toBeLessThan(300_000)
  })
})

describe('anomalies', () => {
  const play = (seed: number, hours: number, failsFrom: number, growMs: number) => {
    const random = seededRandom(seed)
    const watch = new CusumDetector()
    for (let at = 0; at < hours * 3_600_000; at += 1_000)
      if (watch.observe(latency(random, 8, at, failsFrom, growMs))) return at
    return undefined
  }
  test('a service that slows down is detected minutes before a threshold; a steady one raises no alarm', () => {
    const from = 600_000
    const growMs = 900_000
    for (let seed = 1; seed <= 10; seed++) {
      const at = play(seed, 1, from, growMs) as number
      expect(at).toBeGreaterThan(from)
      // A threshold of ten times the normal value is reached after this time.
      const threshold = from + growMs * (Math.log(10) / Math.log(20))
      expect(threshold - at).toBeGreaterThan(300_000)
    }
    for (let seed = 1; seed <= 10; seed++) expect(play(seed, 6, Number.POSITIVE_INFINITY, 1)).toBeUndefined()
  })
})
