/** Heartbeats: counts of calls, and when a beat is sent. */
import { expect, test } from 'vitest'
import type { FromChild } from '../../supervisor/links/protocol.ts'
import { CallCounts, Heartbeat } from './vitals.ts'

test('calls are counted while they run and after they ended, errors and time included', () => {
  const counts = new CallCounts()
  counts.begin()
  counts.begin()
  counts.begin()
  counts.end(true, 12)
  counts.end(false, 30)
  expect(counts.snapshot()).toEqual({ calls: 2, errors: 1, durationMs: 42, running: 1, shed: 0 })
})

test('a change of health is sent once; a full beat is always sent and starts a new delay interval', async () => {
  const sent: FromChild[] = []
  let [ready, resets] = [false, 0]
  const heartbeat = new Heartbeat({
    health: async () => [{ id: 'a', ready }],
    calls: () => ({ a: { calls: 1, errors: 0, durationMs: 5, running: 0, shed: 0 } }),
    progress: () => [],
    loopDelay: {
      maxMs: 7,
      reset: () => {
        resets++
      },
    },
    send: (message) => sent.push(message),
  })
  await heartbeat.beatIfChanged()
  expect(await heartbeat.beatIfChanged()).toBe(false)
  expect(sent).toHaveLength(1)
  ready = true
  expect(await heartbeat.beatIfChanged()).toBe(true)
  expect([sent.length, resets]).toEqual([2, 0])
  await heartbeat.beat()
  await heartbeat.beat()
  expect([sent.length, resets]).toEqual([4, 2])
  expect(sent.at(-1)).toMatchObject({
    type: 'heartbeat',
    services: [{ id: 'a', ready: true }],
    vitals: { loopDelayMs: 7, services: { a: { calls: 1, durationMs: 5 } } },
  })
})
