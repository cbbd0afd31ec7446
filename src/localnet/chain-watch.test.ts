import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ThreadFacts } from '../fleet/healing/waiting.ts'
import { watchChain } from './chain-watch.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function watched() {
  const chain: { silent: boolean; facts: () => ThreadFacts | undefined; lateMs: number } = {
    silent: false,
    facts: () => ({ state: 'asleep', ranMs: 1, waitedMs: 0 }),
    lateMs: 0,
  }
  const reasons: string[] = []
  const stop = watchChain({
    facts: () => chain.facts(),
    answers: () => (chain.silent ? new Promise(() => undefined) : Promise.resolve(true)),
    now: () => Date.now() + chain.lateMs,
    onHung: (reason) => reasons.push(reason),
  })
  return { chain, reasons, stop }
}
const asleep = () => ({ state: 'asleep', ranMs: 1, waitedMs: 0 }) as const
const stopped = () => ({ state: 'stopped', ranMs: 1, waitedMs: 0 }) as const

test('a stopped chain is reported once, within a second and a half', async () => {
  const { chain, reasons } = watched()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(reasons).toEqual([])
  chain.facts = stopped
  await vi.advanceTimersByTimeAsync(1_500)
  expect(reasons).toEqual(['the chain was stopped by a signal'])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(reasons).toHaveLength(1)
})

test('a silent chain is reported after 15 s, one that was only stopped for a moment is not', async () => {
  const { chain, reasons, stop } = watched()
  chain.facts = stopped
  await vi.advanceTimersByTimeAsync(500)
  chain.facts = asleep
  chain.silent = true
  await vi.advanceTimersByTimeAsync(14_000)
  expect(reasons).toEqual([])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(reasons).toEqual(['the chain did not answer for 15 s'])
  stop()
})

test('a watcher that is late itself, while the chain answers, reports nothing', async () => {
  const { chain, reasons, stop } = watched()
  await vi.advanceTimersByTimeAsync(5_000)
  chain.lateMs = 20_000
  await vi.advanceTimersByTimeAsync(5_000)
  expect(reasons).toEqual([])
  stop()
})

test('a silent chain that waits for a CPU is starved; once it has one, it hangs after 15 s', async () => {
  const { chain, reasons, stop } = watched()
  chain.silent = true
  let ranMs = 1
  chain.facts = () => ({ state: 'runnable', ranMs, waitedMs: 0 })
  await vi.advanceTimersByTimeAsync(120_000)
  expect(reasons).toEqual([])
  chain.facts = () => {
    ranMs += 500
    return { state: 'runnable', ranMs, waitedMs: 120_000 }
  }
  await vi.advanceTimersByTimeAsync(14_000)
  expect(reasons).toEqual([])
  await vi.advanceTimersByTimeAsync(3_000)
  expect(reasons).toEqual(['the chain did not answer for 15 s'])
  stop()
})

test('where the platform tells nothing about the process, silence is real time', async () => {
  const { chain, reasons, stop } = watched()
  chain.facts = () => undefined
  chain.silent = true
  await vi.advanceTimersByTimeAsync(16_000)
  expect(reasons).toEqual(['the chain did not answer for 15 s'])
  stop()
})
