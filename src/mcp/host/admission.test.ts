import { expect, test } from 'vitest'
import { Admission } from './admission.ts'

test('a call that fails leaves its place to the next one', async () => {
  const admission = new Admission({ service: 's', maxConcurrent: 1, loopDelayMs: () => 0, now: () => 0 })
  await expect(admission.run(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect(await admission.run(async () => admission.inFlight)).toBe(1)
  expect(admission.inFlight).toBe(0)
})

test('the limit grows under load only, and an overloaded event loop shrinks it at most once a second', async () => {
  let delayMs = 0
  let now = 0
  const admission = new Admission({
    service: 's',
    maxConcurrent: 4,
    loopDelayMs: () => delayMs,
    now: () => now,
  })
  /** Runs so many calls at once; returns how many were admitted. */
  const burst = async (count: number) => {
    const end = Promise.withResolvers<void>()
    const calls = Array.from({ length: count }, () => admission.run(() => end.promise))
    end.resolve()
    return (await Promise.allSettled(calls)).filter(({ status }) => status === 'fulfilled').length
  }
  for (let round = 0; round < 20; round++) await burst(1)
  expect(await burst(100)).toBe(4)
  for (let round = 0; round < 200; round++) await burst(20)
  expect(await burst(100)).toBe(16)
  delayMs = 151
  now = 1_000
  await burst(1)
  await burst(1)
  expect(await burst(100)).toBe(11)
})
