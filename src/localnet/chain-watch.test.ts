import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watchChain } from './chain-watch.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function watched() {
  const chain = { stopped: false, silent: false }
  const reasons: string[] = []
  const stop = watchChain({
    isStopped: () => chain.stopped,
    answers: () => (chain.silent ? new Promise(() => undefined) : Promise.resolve(true)),
    now: Date.now,
    onHung: (reason) => reasons.push(reason),
  })
  return { chain, reasons, stop }
}

test('a stopped chain is reported once, within a second and a half', async () => {
  const { chain, reasons } = watched()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(reasons).toEqual([])
  chain.stopped = true
  await vi.advanceTimersByTimeAsync(1_500)
  expect(reasons).toEqual(['the chain was stopped by a signal'])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(reasons).toHaveLength(1)
})

test('a silent chain is reported after 15 s, one that was only stopped for a moment is not', async () => {
  const { chain, reasons, stop } = watched()
  chain.stopped = true
  await vi.advanceTimersByTimeAsync(500)
  chain.stopped = false
  chain.silent = true
  await vi.advanceTimersByTimeAsync(14_000)
  expect(reasons).toEqual([])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(reasons).toEqual(['the chain did not answer for 15 s'])
  stop()
})
