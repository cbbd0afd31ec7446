import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Ticker } from './ticker.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('ticks once, at the earliest of the requested times, and says how late it is', () => {
  const ticks: [at: number, lateMs: number][] = []
  const begun = Date.now()
  let lag = 0
  const now = () => Date.now() - begun + lag
  const ticker = new Ticker({ now, onTick: (lateMs) => ticks.push([now(), lateMs]) })
  ticker.at(1_000)
  ticker.at(400)
  ticker.at(700)
  vi.advanceTimersByTime(399)
  expect(ticks).toEqual([])
  vi.advanceTimersByTime(5_000)
  expect(ticks).toEqual([[400, 0]])
  ticker.at(now() + 100)
  lag = 3_000
  vi.advanceTimersByTime(100)
  expect(ticks.at(-1)?.[1]).toBe(3_000)
  ticker.at(0)
  ticker.stop()
  vi.advanceTimersByTime(1_000)
  expect(ticks).toHaveLength(2)
})
