import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import type { IncidentKind } from '../../fleet/incidents.ts'
import server from './mcp-health-check.ts'

const FEED = 'mcp_price_feed_server'
const SECOND = 1_000

/** A harness with a way to record incidents some time ago. */
async function start() {
  const { call, refusal, world } = await harness(server)
  const record = (agoMs: number, kind: IncidentKind, durationMs: number | null = null, service = FEED) =>
    world.ledger.recordIncident({
      unit: 'trading',
      services: [service],
      kind,
      detail: `${kind} ${agoMs}`,
      action: 'none',
      at: world.now() - agoMs,
      durationMs,
    })
  return { call, refusal, world, record }
}

test('health: all healthy, then one that is not, with its reason', async () => {
  const { call, world } = await start()
  const all = await call('health')
  expect(all).toMatchObject({ healthy: true, unhealthy: 0, total: world.fleet.services.length })
  expect(all.services[0]).toEqual({ id: FEED, status: 'healthy', restarts: 0, upMs: 60_000 })
  world.pass(SECOND)
  world.fleet.set(FEED, { status: 'degraded', detail: 'the market is not read', restarts: 2 })
  world.fleet.set('hub', { status: 'stopped', since: null })
  expect(await call('health', { unhealthyOnly: true })).toEqual({
    healthy: false,
    unhealthy: 2,
    observedAt: world.now(),
    observedAtIso: '2026-11-24T08:00:01.000Z',
    total: 2,
    nextOffset: null,
    services: [
      { id: FEED, status: 'degraded', restarts: 2, upMs: 61_000, detail: 'the market is not read' },
      { id: 'hub', status: 'stopped', restarts: 0, upMs: null },
    ],
  })
  expect(await call('health', { service: 'database' })).toMatchObject({ healthy: true, total: 1 })
})

test('health_history: the newest first, of one service, a page at a time', async () => {
  const { call, refusal, record } = await start()
  await record(7_200 * SECOND, 'exited')
  await record(50 * SECOND, 'exited')
  await record(48 * SECOND, 'recovered', 2_264.343_9)
  await record(10 * SECOND, 'isolated', null, 'hub')
  const times = ({ incidents }: { incidents: { detail: string }[] }) => incidents.map(({ detail }) => detail)
  const day = await call('health_history')
  expect(day.byKind).toEqual({ exited: 2, recovered: 1, isolated: 1 })
  expect(times(day)).toEqual(['isolated 10000', 'recovered 48000', 'exited 50000', 'exited 7200000'])
  const hour = await call('health_history', { hours: 1, service: FEED, limit: 1 })
  expect(hour).toMatchObject({ byKind: { exited: 1, recovered: 1 }, total: 2, nextOffset: 1 })
  expect(hour.sinceIso).toBe('2026-11-24T07:00:00.000Z')
  expect(hour.incidents[0]).toMatchObject({ durationMs: 2_264, atIso: '2026-11-24T07:59:12.000Z' })
  expect(times(await call('health_history', { hours: 1, service: FEED, limit: 1, offset: 1 }))).toEqual([
    'exited 50000',
  ])
  // An instance that was removed keeps its history; a service that never existed has none.
  await record(5 * SECOND, 'exited', null, 'mcp_liquidity_server#2')
  expect(await call('health_history', { service: 'mcp_liquidity_server#2' })).toMatchObject({ total: 1 })
  expect(await call('health_history', { service: 'database' })).toMatchObject({ total: 0 })
  expect(await refusal('health_history', { service: 'databse' })).toMatchObject({
    code: 'unknown-service',
    hint: 'did you mean database?',
  })
})

test('uptime: 6 s of 60 s down are 90 % availability; the span begins with the fleet', async () => {
  const { call, refusal, world, record } = await start()
  const services = world.fleet.services.length
  expect(await call('uptime')).toMatchObject({ neverDown: services, total: services })
  await record(90 * SECOND, 'exited')
  await record(40 * SECOND, 'exited')
  await record(36 * SECOND, 'recovered', 4_000)
  await record(2 * SECOND, 'exited')
  const { services: rows, ...rest } = await call('uptime', { limit: 2 })
  expect(rest).toEqual({
    since: world.now() - 60_000,
    sinceIso: '2026-11-24T07:59:00.000Z',
    neverDown: services - 1,
    total: services,
    nextOffset: 2,
  })
  const down = { availability: 0.9, downMs: 6_000, failures: 2, meanTimeToRecoveryMs: 4_000 }
  expect(rows[0]).toEqual({ service: FEED, ...down })
  expect(rows[1]).toMatchObject({ availability: 1, downMs: 0, meanTimeToRecoveryMs: null })
  expect((await call('uptime', { service: FEED })).services).toEqual([rows[0]])
  expect((await refusal('uptime', { service: 'nobody' })).code).toBe('unknown-service')
})
