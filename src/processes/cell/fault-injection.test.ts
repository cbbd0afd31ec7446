/** Injected faults: slow calls for a while, a lost connection, a leak of the requested size. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FaultInjector } from './fault-injection.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())
const connections = { disconnect: vi.fn() }

test('a call runs at once without a fault, late during one, and at once after it', async () => {
  const faults = new FaultInjector()
  let ran = 0
  const work = () => ++ran
  await faults.delay(work)
  expect(ran).toBe(1)
  faults.inject({ kind: 'slow', ms: 60, seconds: 2 }, connections)
  const late = faults.delay(work)
  await vi.advanceTimersByTimeAsync(1)
  expect(ran).toBe(1)
  expect(await late).toBe(2)
  await vi.advanceTimersByTimeAsync(2_000)
  await faults.delay(work)
  expect(ran).toBe(3)
})

test('a lost connection lasts as many milliseconds as the fault has seconds', () => {
  new FaultInjector().inject({ kind: 'disconnect', seconds: 3 }, connections)
  expect(connections.disconnect).toHaveBeenCalledExactlyOnceWith(3_000)
})

test('a leak of N bytes a second allocates N/80 numbers of 8 bytes every 100 ms, and ends', async () => {
  const allocate = vi.spyOn(Array, 'from')
  new FaultInjector().inject({ kind: 'leak', bytesPerSecond: 80_000, seconds: 1 }, connections)
  await vi.advanceTimersByTimeAsync(950)
  const numbers = () => allocate.mock.calls.map(([source]) => (source as ArrayLike<unknown>).length)
  expect(numbers()).toEqual(Array(9).fill(1_000))
  await vi.advanceTimersByTimeAsync(5_000)
  expect(numbers().length).toBeLessThanOrEqual(10)
  allocate.mockRestore()
})
