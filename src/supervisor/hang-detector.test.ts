import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { infrastructureSpec } from '../../test/support/driven-fleet.ts'
import { Heartbeats } from '../fleet/healing/heartbeat.ts'
import { initialFleet, newUnit } from '../fleet/healing/state.ts'
import { HangDetector } from './hang-detector.ts'

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
