import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { START_MS } from '../../../test/support/world/world.ts'
import server from './mcp_server_manager.ts'

const MONITOR = 'mcp_monitoring_server'

test('server_status: the state of the service, and what shares its process', async () => {
  const { call, world } = await harness(server)
  expect((await call('server_status', { service: MONITOR })).service).toEqual({
    id: MONITOR,
    status: 'healthy',
    cell: 'infrastructure',
    pid: 1_001,
    port: 8088,
    restarts: 0,
    since: START_MS - 60_000,
    sinceIso: '2026-11-24T07:59:00.000Z',
    sharesProcessWith: ['mcp_auth_manager_server'],
  })
  world.fleet.set(MONITOR, { status: 'backing-off', pid: null, since: null, detail: 'exit code 1' })
  expect((await call('server_status', { service: MONITOR })).service).toMatchObject({
    status: 'backing-off',
    pid: null,
    sinceIso: null,
    detail: 'exit code 1',
  })
})

test('stop_server: isolates a service that shares its process, and stops it for the given time', async () => {
  const { call, world } = await harness(server)
  const stopped = await call('stop_server', { service: MONITOR, reason: 'maintenance', forSeconds: 90 })
  expect(stopped.service).toMatchObject({ status: 'stopped', cell: MONITOR, home: 'infrastructure' })
  await call('stop_server', { service: 'transaction_executor' })
  expect(world.fleet.orders).toEqual([
    ['isolate', MONITOR, 'maintenance, by spec'],
    ['stop', MONITOR, 'maintenance, by spec', 90_000],
    ['stop', 'transaction_executor', 'stopped by spec', undefined],
  ])
})

test('stop_server: infrastructure, which all services depend on, is stopped with force only', async () => {
  const { call, refusal, world } = await harness(server)
  for (const id of ['hub', 'database', 'localnet'])
    expect(await refusal('stop_server', { service: id })).toMatchObject({ code: 'refused' })
  expect(world.fleet.orders).toEqual([])
  await call('stop_server', { service: 'hub', force: true })
  expect(world.fleet.orders).toEqual([['stop', 'hub', 'stopped by spec', undefined]])
})

test('start_server: starts a stopped service', async () => {
  const { call, world } = await harness(server)
  for (const id of ['mcp-health-check', 'hub']) {
    world.fleet.set(id, { status: 'stopped', pid: null })
    expect((await call('start_server', { service: id })).service).toMatchObject({ id, status: 'healthy' })
    expect((await world.fleet.service(id)).pid).toBe(3_000)
  }
})

test('restart_server: restarts a service, but not the process that would have to answer', async () => {
  const { call, refusal, world } = await harness(server)
  expect((await call('restart_server', { service: MONITOR, reason: 'slow' })).service.restarts).toBe(1)
  expect((await call('restart_server', { service: MONITOR })).service.restarts).toBe(2)
  for (const id of ['mcp_server_manager', 'mcp_coordinator_server'])
    expect(await refusal('restart_server', { service: id })).toMatchObject({ code: 'refused' })
  expect(world.fleet.orders).toEqual([
    ['restart', MONITOR, 'slow, by spec'],
    ['restart', MONITOR, 'restarted by spec'],
  ])
  expect((await refusal('restart_server', { service: 'mcp-monitoring-servr' })).hint).toBe(
    `did you mean ${MONITOR}?`,
  )
})

test('server_logs: the last lines; with a text, the last of all lines that contain it', async () => {
  const { call, world } = await harness(server)
  const lines = Array.from(
    { length: 30 },
    (_, index) => `{"level":"${index % 3 ? 'info' : 'warn'}","n":${index}}`,
  )
  world.fleet.lines.set(MONITOR, lines)
  expect(await call('server_logs', { service: MONITOR, lines: 2 })).toEqual({
    service: MONITOR,
    searched: 2,
    found: 2,
    lines: lines.slice(28),
  })
  expect(await call('server_logs', { service: MONITOR, lines: 2, contains: 'warn' })).toMatchObject({
    searched: 30,
    found: 10,
    lines: [lines[24], lines[27]],
  })
})
