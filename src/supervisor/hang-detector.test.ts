import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cellSpec, DrivenFleet, infrastructureSpec } from '../../test/support/driven-fleet.ts'
import { Heartbeats } from '../fleet/healing/heartbeat.ts'
import { initialFleet, newUnit } from '../fleet/healing/state.ts'
import { HangDetector } from './hang-detector.ts'
import { ProcessLinks } from './links/process-links.ts'

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

/** What an unanswered health check or probe waits, in ms. */
const TIMEOUT_MS = 2_000

/**
 * A healthy process with service `s` on `port`, and its unit's probe if there is one. While
 * `machine.starved`, it is runnable and gets no CPU.
 */
function watched({ now, port = 0, probe }: { now(): number; port?: number; probe?: () => Promise<void> }) {
  const machine = { starved: false }
  const heartbeats = new Heartbeats({
    now,
    factsOf: () => ({ state: machine.starved ? 'runnable' : 'asleep', ranMs: 0, waitedMs: 0 }),
  })
  const links = new ProcessLinks({
    heartbeats,
    expects: () => true,
    greeting: () => ({ type: 'stop' }),
    onMet: () => undefined,
    onMessage: () => undefined,
    onHungUp: () => undefined,
  })
  const fleet = new DrivenFleet([cellSpec('a', ['s'])])
  fleet.ready('a')
  const process = fleet.process('a')
  links.of(process)
  const hung: [process: string, detail: string, stopped: boolean][] = []
  const detector = new HangDetector({
    plan: { bindHost: '127.0.0.1', ports: { s: port } },
    plans: new Map(probe ? [['a', { spec: fleet.unit('a').spec, title: 'A', port: null, probe }]] : []),
    links,
    heartbeats,
    driver: { pidOf: () => null },
    fleet: () => fleet.state,
    onHung: (...report) => hung.push(report),
    onAnswer: () => undefined,
  })
  return { detector, machine, process, hung }
}

describe('a service that never answers', () => {
  const silent = createServer(() => undefined)
  afterEach(() => {
    vi.restoreAllMocks()
    silent.closeAllConnections()
    silent.close()
  })

  /** Polls of a port that accepts and never answers. Each takes `TIMEOUT_MS` of the test's clock. */
  async function silentService() {
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    let now = 0
    const { port } = silent.address() as AddressInfo
    const { detector, ...rest } = watched({ now: () => now, port })
    const timeout = AbortSignal.timeout.bind(AbortSignal)
    vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => timeout(10))
    const poll = async () => {
      const polling = detector.poll()
      now += TIMEOUT_MS
      await polling
    }
    return { poll, ...rest }
  }

  test('is reported by the second poll', async () => {
    const { poll, process, hung } = await silentService()
    await poll()
    expect(hung).toEqual([])
    await poll()
    expect(hung).toEqual([[process, 's did not answer /health for 4000 ms', false]])
  })

  test('is not reported while the machine gives the fleet no CPU, and is once it does', async () => {
    const { poll, machine, process, hung } = await silentService()
    machine.starved = true
    for (let polls = 0; polls < 3; polls++) await poll()
    expect(hung).toEqual([])
    machine.starved = false
    await poll()
    expect(hung).toEqual([])
    await poll()
    expect(hung).toEqual([[process, 's did not answer /health for 4000 ms', false]])
  })
})

describe('a probe that never resolves', () => {
  afterEach(() => void vi.useRealTimers())
  /** Starts to watch; the first probe runs at once, the next ones 2 s after the failure of the one before. */
  function silentProbe() {
    vi.useFakeTimers({ now: 0 })
    const probe = vi.fn(() => new Promise<void>(() => undefined))
    const { detector, ...rest } = watched({ now: Date.now, probe })
    const watch = () => detector.watch('a', rest.process)
    return { ...rest, detector, probe, watch }
  }

  test('is reported by the second failure', async () => {
    const { detector, watch, process, hung } = silentProbe()
    watch()
    await vi.advanceTimersByTimeAsync(3 * TIMEOUT_MS - 1)
    expect(hung).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(hung).toEqual([[process, 'its probes failed for 3500 ms: no answer', false]])
    detector.end()
  })

  test('is not reported while the machine gives the fleet no CPU, and is once it does', async () => {
    const { detector, watch, machine, probe, process, hung } = silentProbe()
    machine.starved = true
    watch()
    await vi.advanceTimersByTimeAsync(6 * TIMEOUT_MS)
    expect([probe.mock.calls.length, hung]).toEqual([4, []])
    machine.starved = false
    await vi.advanceTimersByTimeAsync(4 * TIMEOUT_MS)
    expect(hung).toEqual([[process, 'its probes failed for 3500 ms: no answer', false]])
    detector.end()
  })
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
