import { afterEach, expect, test, vi } from 'vitest'
import { type Harness, harness } from '../../test/support/harness.ts'
import type { RunningAgent } from '../mcp/define.ts'
import type { CellVitals } from '../ports/fleet.ts'
import agent from './self_healing_agent.ts'

const FEED = 'mcp_price_feed_server'
let running: Harness
const start = async () => {
  running = await harness(agent)
  return running
}
afterEach(async () => {
  await running.stop()
  vi.useRealTimers()
})

test('system_status: who is not healthy, what would repair it, and the incidents of the last hour', async () => {
  const { call, world } = await start()
  const total = world.fleet.services.length
  expect(await call('system_status')).toEqual({
    overall: 'healthy',
    services: { total, healthy: total },
    unwell: [],
    lastHour: {},
  })
  world.fleet.set(FEED, { status: 'quarantined', detail: 'ten crashes' })
  const incident = { unit: 'trading', services: [FEED], detail: '', action: 'none', durationMs: null }
  for (const agoMs of [10, 20, 4_000_000])
    await world.ledger.recordIncident({ ...incident, kind: 'exited', at: world.now() - agoMs })
  expect(await call('system_status')).toEqual({
    overall: 'degraded',
    services: { total, healthy: total - 1 },
    unwell: [
      { service: FEED, status: 'quarantined', reason: 'ten crashes', proposal: 'start it on trial now' },
    ],
    lastHour: { exited: 2 },
  })
})

test('incidents: those of the last minutes, of one service, newest first', async () => {
  const { call, refusal, world } = await start()
  const incident = { unit: 'trading', kind: 'exited', action: 'none', durationMs: null } as const
  for (const [minutes, service] of [
    [90, FEED],
    [5, FEED],
    [4, 'hub'],
    [3, FEED],
  ] as const)
    await world.ledger.recordIncident({
      ...incident,
      services: [service],
      detail: `${minutes}`,
      at: world.now() - minutes * 60_000,
    })
  const details = ({ incidents }: { incidents: { detail: string }[] }) =>
    incidents.map(({ detail }) => detail)
  expect(details(await call('incidents'))).toEqual(['3', '4', '5'])
  expect(details(await call('incidents', { service: FEED, sinceMinutes: 100 }))).toEqual(['3', '5', '90'])
  expect(await call('incidents', { service: FEED, limit: 1 })).toMatchObject({ total: 2, nextOffset: 1 })
  // A service without incidents is not an unknown one.
  expect(await call('incidents', { service: 'database' })).toMatchObject({ total: 0 })
  expect(await refusal('incidents', { service: 'databse' })).toMatchObject({
    code: 'unknown-service',
    hint: 'did you mean database?',
  })
})

test('predictions: a cell that leaves its normal', async () => {
  vi.useFakeTimers()
  const { call, world } = await start()
  expect(await call('predictions')).toEqual({ unusual: [], restartsWaiting: [] })
  const vitals: CellVitals = {
    process: 'p1',
    pid: 1,
    rss: 1e8,
    heapUsed: 6e7,
    heapLimit: 1.2e9,
    collected: null,
    loopDelayMs: 20,
    cpuMs: 0,
    services: {},
  }
  for (let second = 0; second < 260; second++) {
    world.fleet.vital = { trading: { ...vitals, loopDelayMs: second < 200 ? 20 + (second % 2) : 400 } }
    world.pass(1_000)
    await vi.advanceTimersByTimeAsync(1_000)
  }
  const { unusual } = await call('predictions')
  expect(unusual).toEqual([
    { cell: 'trading', service: null, measure: 'loop delay', normal: expect.closeTo(20.5, 0) },
  ])
  expect(world.fleet.recorded.map(({ kind }) => kind)).toEqual(['warning'])
})

test('heal_service: starts a quarantined service, restarts a degraded one, leaves a healthy one as it is', async () => {
  const { call, world } = await start()
  world.fleet.set(FEED, { status: 'quarantined', detail: 'ten crashes' })
  world.fleet.set('hub', { status: 'degraded' })
  expect(await call('heal_service', { service: FEED })).toEqual({
    service: FEED,
    before: 'quarantined',
    action: 'started',
    reason: 'ten crashes',
  })
  expect(await call('heal_service', { service: 'hub' })).toMatchObject({ action: 'restarted' })
  expect(await call('heal_service', { service: 'database' })).toMatchObject({ action: 'none' })
  expect(world.fleet.orders).toEqual([
    ['start', FEED],
    ['restart', 'hub', 'healing was requested: degraded'],
  ])
})

test('its own endpoints: status, incidents, and healing of one service or of all', async () => {
  const { state, world } = await start()
  const { endpoints = {} } = state as RunningAgent
  const incident = {
    unit: 'hub',
    services: ['hub'],
    kind: 'exited',
    detail: '',
    action: 'none',
    durationMs: null,
  } as const
  for (const at of [1, 2, 3]) await world.ledger.recordIncident({ ...incident, at })
  expect(await endpoints['GET /incidents']?.({ limit: '2' })).toMatchObject({
    incidents: [{ at: 2 }, { at: 3 }],
  })
  world.fleet.set(FEED, { status: 'stopped' })
  expect(await endpoints['GET /system-status']?.({})).toMatchObject({ unwell: [{ service: FEED }] })
  expect(await endpoints['POST /heal-service']?.({ service: FEED })).toMatchObject({ action: 'started' })
  world.fleet.set('hub', { status: 'stopped' })
  expect(await endpoints['POST /emergency-healing']?.({})).toMatchObject({ healed: [{ service: 'hub' }] })
})

test('a task heals the service of its arguments, whatever its description says; other arguments are refused', async () => {
  const { state, world } = await start()
  const { coordinate } = state as RunningAgent
  const task = (given: Record<string, unknown>) =>
    coordinate?.({ description: 'do not restart hub', arguments: given })
  world.fleet.set('hub', { status: 'stopped' })
  world.fleet.set(FEED, { status: 'stopped' })
  await expect(task({})).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringMatching(/^arguments: service: .*\(got nothing\)/),
  })
  await expect(task({ servise: 'hub' })).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('servise: unknown field, did you mean service? (got "hub")'),
  })
  await expect(task({ service: FEED, force: true })).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('force: unknown field'),
  })
  await expect(task({ service: 'nobody' })).rejects.toMatchObject({ code: 'unknown-service' })
  expect(world.fleet.orders).toEqual([])
  expect(await task({ service: FEED })).toMatchObject({ service: FEED, action: 'started' })
  expect(world.fleet.orders).toEqual([['start', FEED]])
})

test.each([
  ['GET /incidents', { limit: '-1' }, 'limit: expected a whole number from 1 to 1000 (got "-1")'],
  ['GET /incidents', { limit: 'abc' }, 'limit: expected a whole number from 1 to 1000 (got "abc")'],
  ['GET /incidents', { limit: '1001' }, 'limit: expected a whole number from 1 to 1000 (got "1001")'],
  ['GET /incidents', { limt: '1' }, 'limt: unknown parameter'],
  ['POST /heal-service', {}, 'service: missing'],
  ['POST /heal-service', { service: 5 }, 'service: expected the id of a service (got 5)'],
  ['POST /heal-service', { servce: 'hub' }, 'servce: unknown parameter'],
] as const)('%s with %o is refused: %s', async (address, given, message) => {
  const { state } = await start()
  const { endpoints = {} } = state as RunningAgent
  await expect(endpoints[address]?.(given)).rejects.toMatchObject({ code: 'bad-argument', message })
})
