import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { cellSpec, DrivenFleet, infrastructureSpec } from '../../test/support/driven-fleet.ts'
import { Heartbeats } from '../fleet/healing/heartbeat.ts'
import { initialFleet, newUnit } from '../fleet/healing/state.ts'
import { HangDetector } from './hang-detector.ts'
import type { ProcessLinks } from './links/process-links.ts'

function detector() {
  let now = 0
  const heartbeats = new Heartbeats({
    now: () => now,
    factsOf: () => ({ state: 'stopped', ranMs: 1, waitedMs: 0 }),
  })
  const fleet = new DrivenFleet([cellSpec('a', ['s'])])
  const process = fleet.process('a')
  const hung: [process: string, detail: string, stopped: boolean][] = []
  const detector = new HangDetector({
    plan: { bindHost: '127.0.0.1', ports: {} },
    plans: new Map(),
    links: {} as ProcessLinks,
    heartbeats,
    driver: { pidOf: () => null },
    fleet: () => fleet.state,
    onHung: (...report) => hung.push(report),
    onAnswer: () => undefined,
  })
  heartbeats.begin(process)
  heartbeats.heard(process)
  const afterPolling = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  const check = async (at: number, meanwhile: () => void = () => undefined) => {
    now = at
    detector.checkHeartbeats()
    meanwhile()
    await afterPolling()
    return hung.splice(0)
  }
  return { heartbeats, process, check, detector }
}

test('a process without heartbeats is reported, once', async () => {
  const { process, check } = detector()
  expect(await check(2_499)).toEqual([])
  expect(await check(2_500)).toEqual([[process, 'no heartbeat for 2500 ms (stopped by a signal)', true]])
  expect(await check(2_600)).toEqual([])
})

test('a heartbeat that lay unread in the queue of a starved supervisor counts', async () => {
  const { heartbeats, process, check } = detector()
  expect(await check(9_000, () => heartbeats.heard(process))).toEqual([])
  expect(await check(11_499)).toEqual([])
  expect(await check(11_500)).toHaveLength(1)
})

test('while the fleet stops nothing is reported; unknown processes are forgotten', async () => {
  const { heartbeats, process, check, detector: ending } = detector()
  heartbeats.begin('gone')
  expect(await check(9_000, () => ending.end())).toEqual([])
  expect(heartbeats.processes()).toEqual([process])
})

let child: ChildProcess | undefined
afterEach(() => void child?.kill('SIGKILL'))

test.runIf(process.platform === 'linux')(
  'a server that a signal stopped is reported although its probe is still answered',
  { timeout: 20_000 },
  async () => {
    const server = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1_000)'])
    child = server
    await once(server, 'spawn')
    const spec = infrastructureSpec('database')
    const unit = { ...newUnit(spec), state: { status: 'healthy' as const, process: 'database-1', since: 0 } }
    const { promise, resolve } = Promise.withResolvers<[process: string, detail: string, stopped: boolean]>()
    const hangs = new HangDetector({
      plan: { bindHost: '127.0.0.1', ports: {} },
      plans: new Map([['database', { spec, title: 'Database', port: null, probe: async () => undefined }]]),
      links: undefined as never,
      heartbeats: new Heartbeats({ now: () => performance.now(), factsOf: () => undefined }),
      driver: { pidOf: () => server.pid ?? null },
      fleet: () => ({ ...initialFleet([spec], 1), units: { database: unit } }),
      onHung: (...report) => resolve(report),
      onAnswer: () => void server.kill('SIGSTOP'),
    })
    const from = performance.now()
    hangs.watch('database', 'database-1')
    const [reported, detail, stopped] = await promise
    hangs.end()
    expect([reported, stopped]).toEqual(['database-1', true])
    expect(detail).toContain('it was stopped by a signal')
    expect(performance.now() - from).toBeLessThan(10_000)
  },
)
