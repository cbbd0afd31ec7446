import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import server from './mcp_monitoring_server.ts'

const [FEED, HEALTH] = ['mcp_price_feed_server', 'mcp-health-check']
const calls = (value: number, outcome: string) => ({
  name: 'kintsugi_tool_calls_total',
  labels: { tool: 'health', outcome },
  value,
})
const duration = (part: 'sum' | 'count', value: number) => ({
  name: `kintsugi_tool_duration_seconds_${part}`,
  labels: { tool: 'health' },
  value,
})

async function start() {
  const { call, refusal, world } = await harness(server)
  world.metrics.samples.set(FEED, [calls(40, 'ok'), calls(2, 'internal')])
  world.metrics.samples.set(HEALTH, [calls(3, 'ok'), duration('sum', 0.1 + 0.2), duration('count', 3)])
  return { call, refusal, world }
}

test('query_metrics: by name and labels, summed by service on request; the known names if nothing matches', async () => {
  const { call, world } = await start()
  const metric = 'kintsugi_tool_calls_total'
  const all = await call('query_metrics', { metric, limit: 2 })
  expect(all).toMatchObject({ observedAt: world.now(), total: 3, nextOffset: 2, failed: [], known: [] })
  expect(all.samples[0]).toEqual({ service: FEED, ...calls(40, 'ok') })
  const values = async (args: object) =>
    (await call('query_metrics', { metric, ...args })).samples.map(
      ({ service, value }: { service: string; value: number }) => [service, value],
    )
  expect(await values({ labels: { outcome: 'ok' } })).toEqual([
    [FEED, 40],
    [HEALTH, 3],
  ])
  expect(await values({ sum: true })).toEqual([
    [FEED, 42],
    [HEALTH, 3],
  ])
  expect((await call('query_metrics', { metric: 'nothing' })).known).toEqual([
    metric,
    'kintsugi_tool_duration_seconds_count',
    'kintsugi_tool_duration_seconds_sum',
  ])
})

test('service_metrics: calls, errors and mean duration first, then its process and its samples', async () => {
  const { call, world } = await start()
  const { pid } = await world.fleet.service(HEALTH)
  world.metrics.processes.set(pid as number, { cpuSeconds: 1.234_567_89, residentBytes: 5_000_000 })
  expect(await call('service_metrics', { service: HEALTH, limit: 1, offset: 1 })).toEqual({
    service: HEALTH,
    status: 'healthy',
    observedAt: world.now(),
    observedAtIso: '2026-11-24T08:00:00.000Z',
    calls: { calls: 3, errors: 0, meanMs: 100 },
    process: { pid, residentBytes: 5_000_000, cpuSeconds: 1.234_57 },
    total: 3,
    nextOffset: 2,
    samples: [duration('sum', 0.3)],
  })
  world.fleet.set(FEED, { status: 'stopped', pid: null, port: null })
  expect(await call('service_metrics', { service: FEED })).toMatchObject({
    status: 'stopped',
    process: null,
    total: 0,
  })
})

test('top_services: the processes that use most, with the services in them', async () => {
  const { call, world } = await start()
  const [trading, development] = await Promise.all([FEED, HEALTH].map((id) => world.fleet.service(id)))
  world.metrics.processes.set(trading?.pid as number, { cpuSeconds: 9, residentBytes: 1e8 })
  world.metrics.processes.set(development?.pid as number, { cpuSeconds: 4, residentBytes: 3e8 })
  const cells = async (args: Record<string, unknown>) =>
    (await call('top_services', args)).processes.map(({ cell }: { cell: string }) => cell)
  expect(await cells({})).toEqual(['development', 'trading'])
  expect(await cells({ by: 'cpu' })).toEqual(['trading', 'development'])
  expect(await call('top_services', { limit: 1 })).toMatchObject({
    total: 2,
    nextOffset: 1,
    processes: [{ services: [HEALTH, 'mcp-stability-report'], residentBytes: 3e8 }],
  })
})

test('host_resources: the machine now', async () => {
  const { call, world } = await start()
  expect(await call('host_resources')).toEqual({
    observedAt: world.now(),
    observedAtIso: '2026-11-24T08:00:00.000Z',
    cpuCount: 2,
    loadAverage: [0.5, 0.4, 0.3],
    memoryTotal: 8_000_000_000,
    memoryAvailable: 5_000_000_000,
    memoryUsedPercent: 37.5,
    uptimeSeconds: 1_000,
  })
  world.metrics.resources = { ...world.metrics.resources, memoryAvailable: 2_000_000_000 }
  expect((await call('host_resources')).memoryUsedPercent).toBe(75)
})
