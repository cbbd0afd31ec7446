/**
 * Execution of the healer's decisions: restarts at a quiet moment, heaps, instances, and the record of them.
 */

import { expect, test, vi } from 'vitest'
import { idle, MB, vitals } from '../../../test/support/vitals.ts'
import type { CellVitals, FleetControl } from '../../ports/fleet.ts'
import { HealingLoop } from './healing-loop.ts'

/** A loop whose clock, vitals and settings the test sets; `actions` are the requests to the fleet. */
function loopOf({ scalable = ['a'] }: { scalable?: readonly string[] } = {}) {
  const state = { now: 0, cells: {} as Record<string, CellVitals>, scaling: undefined as unknown }
  const actions: string[] = []
  const act =
    (name: string) =>
    async (...args: unknown[]) =>
      void actions.push(
        [name, ...args.map((arg) => (typeof arg === 'object' ? JSON.stringify(arg) : arg))].join(' '),
      )
  const fleet = {
    vitals: async () => state.cells,
    collect: act('collect'),
    restart: act('restart'),
    isolate: act('isolate'),
    resize: act('resize'),
    scale: act('scale'),
    note: act('note'),
  } as unknown as FleetControl
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  const loop = new HealingLoop({
    fleet,
    ledger: { setting: async <T>() => state.scaling as T },
    scalable,
    defaultHeapBytes: 1_024 * MB,
    now: () => state.now,
    log,
  })
  const play = async (seconds: number, at: (second: number) => Record<string, CellVitals>) => {
    for (let second = 0; second < seconds; second++) {
      state.cells = at(second)
      await loop.observe()
      state.now += 1_000
    }
  }
  return { loop, play, actions, state, fleet, log }
}

/** A heap that grows by 10 MB a second towards its limit: an urgent leak. */
const leaking = (second: number, running = 0) => ({
  cell: vitals({
    heapUsed: (600 + 10 * second) * MB,
    services: { a: { ...idle, running } },
  }),
})

test('an urgent leak restarts its cell at once, although calls run', async () => {
  const { play, actions, loop } = loopOf()
  await play(40, (second) => leaking(second, 3))
  const restarts = actions.filter((action) => action.startsWith('restart'))
  expect(restarts[0]).toMatch(
    /^restart cell memory grows by 10\d\d\d KB\/s; the limit of 1295 MB is reached in \d+ s leak$/,
  )
  expect(loop.decisions(100).at(-1)).toMatchObject({ id: 'healing-1', summary: 'cell: restarted' })
})

/** Vitals of a leak of 400 KB/s, far from its limit, with what forced collections leave. */
const slowLeak = (running: number, second: number) => {
  const bytes = 100 * MB + 400_000 * second
  return {
    cell: vitals({
      heapUsed: bytes,
      collected: { at: second * 1_000, bytes },
      services: { a: { ...idle, running } },
    }),
  }
}

/**
 * Plays a slow leak until the restart; `runningAfter(seconds it has waited)`: calls that run. Returns how
 * long it waited.
 */
async function waitedSeconds(runningAfter: (waited: number) => number): Promise<number> {
  const { play, actions, loop } = loopOf({ scalable: [] })
  let [since, restarted] = [0, 0]
  await play(300, (second) => {
    if (restarted === 0 && actions.some((action) => action.startsWith('restart'))) {
      restarted = second
      expect(loop.outlook().restartsWaiting).toEqual([])
    }
    if (since === 0 && loop.outlook().restartsWaiting.includes('cell')) since = second
    return slowLeak(runningAfter(since === 0 ? 0 : second - since), second)
  })
  expect(since).toBeGreaterThan(0)
  expect(restarted).toBeGreaterThan(0)
  return restarted - since
}

test('a planned restart waits 15 s for a moment without a running call', async () => {
  expect(await waitedSeconds(() => 2)).toBe(15)
})

test('a planned restart happens in the first moment without a running call', async () => {
  expect(await waitedSeconds((waited) => (waited >= 4 ? 0 : 2))).toBe(5)
})

test('a heap that stays full is resized, and the decision is kept with its reason', async () => {
  const { play, actions, loop } = loopOf()
  await play(30, (second) => ({ cell: vitals({ heapUsed: (960 + (second % 3)) * MB }) }))
  expect(actions).toContain('resize cell 2470 heap use was 78 % of 1235 MB for 20 s')
  expect(loop.decisions(1)).toEqual([
    {
      id: 'healing-1',
      at: 21_000,
      summary: 'cell: heap of 2470 MB',
      reasons: ['heap use was 78 % of 1235 MB for 20 s'],
    },
  ])
})

test('load adds an instance and notes it; the policy comes from the ledger', async () => {
  const { play, actions, state } = loopOf()
  const busy = () => ({ cell: vitals({ services: { a: { ...idle, running: 10 } } }) })
  await play(20, busy)
  expect(actions[0]).toBe('scale a 2')
  expect(actions[1]).toMatch(/^note \{"unit":"a","services":\["a"\],"kind":"scaled".*"action":"2 instances"/)
  const patient = loopOf()
  patient.state.scaling = {
    a: { minInstances: 1, maxInstances: 3, outAt: 100, inAt: 0, outAfterMs: 8_000, inAfterMs: 60_000 },
  }
  await patient.play(20, busy)
  expect(patient.actions).toEqual([])
  expect(state.now).toBe(20_000)
})

test('a service that leaves its normal is noted as a warning and shown in the outlook', async () => {
  const { play, actions, loop } = loopOf()
  const at = (second: number, latencyMs: number, before: number) => ({
    cell: vitals({ services: { a: { ...idle, calls: second, durationMs: before + latencyMs } } }),
  })
  let total = 0
  await play(260, (second) => {
    const latencyMs = second < 200 ? 10 + (second % 2) : 200
    const cells = at(second, latencyMs, total)
    total += latencyMs
    return cells
  })
  expect(actions.filter((action) => action.startsWith('note'))).toEqual([
    expect.stringContaining('"kind":"warning","detail":"latency 200.00 ms, normally 10.'),
  ])
  expect(loop.outlook().unusual).toMatchObject([{ cell: 'cell', service: 'a', measure: 'latency' }])
})

test('a failed observation is logged, and the next one is made', async () => {
  const { loop, fleet, log } = loopOf()
  const { vitals: working } = fleet
  fleet.vitals = () => Promise.reject(new Error('the supervisor is unavailable'))
  await loop.observe()
  expect(log.warn).toHaveBeenCalledWith(
    { error: 'the supervisor is unavailable' },
    'the fleet could not be observed',
  )
  fleet.vitals = vi.fn(working)
  await loop.observe()
  expect(fleet.vitals).toHaveBeenCalled()
})

test('emergency healing heals unhealthy services, and reports those that it cannot heal', async () => {
  const { loop, fleet } = loopOf()
  const services = [
    { id: 'a', status: 'stopped' },
    { id: 'b', status: 'healthy' },
    { id: 'c', status: 'degraded', detail: 'slow' },
  ]
  fleet.status = async () => ({ services }) as never
  fleet.service = async (id) => services.find((each) => each.id === id) as never
  fleet.start = () => Promise.reject(new Error('no process'))
  expect(await loop.healAll()).toEqual([
    { service: 'a', error: 'no process' },
    { service: 'c', before: 'degraded', action: 'restarted', reason: 'slow' },
  ])
  expect(loop.decisions(1)[0]).toMatchObject({
    summary: 'emergency healing',
    reasons: ['2 services are not healthy'],
  })
})

test('the last 200 decisions are kept', async () => {
  const { loop, fleet } = loopOf()
  fleet.status = async () => ({ services: [] }) as never
  for (let round = 0; round < 205; round++) await loop.healAll()
  expect(loop.decisions(1_000)).toHaveLength(200)
  expect([loop.count, loop.decisions(1)[0]?.id]).toEqual([205, 'healing-205'])
})
