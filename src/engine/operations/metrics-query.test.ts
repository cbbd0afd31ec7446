/** Metrics of the fleet: selection, sums and ranking. */
import { expect, test } from 'vitest'
import type { ServiceStatus } from '../../ports/fleet.ts'
import type { Sample } from '../../ports/metrics.ts'
import { callSummary, processesBy, scrapeAll, selectSamples, sumByService } from './metrics-query.ts'

const service = (id: string, change: Partial<ServiceStatus> = {}): ServiceStatus => ({
  id,
  kind: 'server',
  title: id,
  category: 'development',
  status: 'healthy',
  port: 8_000,
  pid: 1,
  cell: 'cell',
  restarts: 0,
  since: 0,
  ...change,
})
const sample = (name: string, value: number, labels: Record<string, string> = {}): Sample => ({
  name,
  labels,
  value,
})

test('running services with a port are scraped; one that does not answer is named', async () => {
  const services = [
    service('a'),
    service('b', { status: 'degraded' }),
    service('c', { status: 'stopped' }),
    service('d', { port: null }),
    service('e', { kind: 'infrastructure' }),
  ]
  const scraped = await scrapeAll(
    { status: async () => ({ services }) as never },
    {
      scrape: async (id) => {
        if (id === 'b') throw new Error('no answer')
        return [sample('up', 1)]
      },
    },
  )
  expect(scraped).toEqual({
    samples: [{ service: 'a', ...sample('up', 1) }],
    failed: [{ service: 'b', reason: 'no answer' }],
  })
})

test('samples are selected by name and all labels, and summed by service', () => {
  const samples = [
    { service: 'a', ...sample('calls', 2, { tool: 'x', outcome: 'ok' }) },
    { service: 'a', ...sample('calls', 3, { tool: 'y', outcome: 'ok' }) },
    { service: 'a', ...sample('calls', 5, { tool: 'y', outcome: 'internal' }) },
    { service: 'b', ...sample('calls', 7, { tool: 'x', outcome: 'ok' }) },
    { service: 'b', ...sample('other', 11, { outcome: 'ok' }) },
  ]
  const values = (labels: Record<string, string>) =>
    selectSamples(samples, { metric: 'calls', labels }).map(({ value }) => value)
  expect(values({})).toEqual([2, 3, 5, 7])
  expect(values({ outcome: 'ok', tool: 'y' })).toEqual([3])
  const labels = { outcome: 'ok' }
  expect(sumByService(samples, { metric: 'calls', labels })).toEqual([
    { service: 'a', name: 'calls', labels, value: 5 },
    { service: 'b', name: 'calls', labels, value: 7 },
  ])
})

test('calls of a service: all outcomes, those that failed, and the mean duration in ms', () => {
  const calls = (value: number, outcome: string) => sample('kintsugi_tool_calls_total', value, { outcome })
  expect(
    callSummary([
      calls(6, 'ok'),
      calls(1, 'input-needed'),
      calls(2, 'not-found'),
      sample('kintsugi_tool_duration_seconds_sum', 0.2, { tool: 'x' }),
      sample('kintsugi_tool_duration_seconds_sum', 0.1, { tool: 'y' }),
      sample('kintsugi_tool_duration_seconds_count', 10, { tool: 'x' }),
    ]),
  ).toEqual({ calls: 9, errors: 2, meanMs: expect.closeTo(30, 9) })
  expect(callSummary([])).toEqual({ calls: 0, errors: 0, meanMs: null })
})

test('processes are ranked by memory or processor time, with the services that each hosts', () => {
  const services = [
    service('a', { pid: 1 }),
    service('b', { pid: 2, cell: 'other' }),
    service('c', { pid: 1 }),
    service('d', { pid: null }),
    service('gone', { pid: 9 }),
  ]
  const usage = new Map([
    [1, { residentBytes: 100, cpuSeconds: 9 }],
    [2, { residentBytes: 300, cpuSeconds: 4 }],
  ])
  const ranked = (by: 'memory' | 'cpu') => processesBy(by, services, { process: (pid) => usage.get(pid) })
  expect(ranked('memory')).toEqual([
    { pid: 2, cell: 'other', services: ['b'], residentBytes: 300, cpuSeconds: 4 },
    { pid: 1, cell: 'cell', services: ['a', 'c'], residentBytes: 100, cpuSeconds: 9 },
  ])
  expect(ranked('cpu').map(({ pid }) => pid)).toEqual([1, 2])
})
