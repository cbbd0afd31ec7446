/** `kintsugi logs` on the files of a fleet that does not run. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ProcessLogs } from '../processes/logs/process-logs.ts'
import { since } from './commands/options.ts'
import { plain } from './format.ts'
import { type LogsOptions, logs } from './logs.ts'

const NOW = Date.UTC(2026, 10, 24, 9, 5, 12)
const SERVICE = 'mcp_price_feed_server'
let data: string
let now: number
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'kintsugi-logs-'))
  const folder = join(data, 'logs')
  mkdirSync(folder)
  now = NOW
  const at = (ms: number) => {
    now = NOW + ms
  }
  for (const [index, process] of ['p1', 'p2'].entries()) {
    const processLogs = new ProcessLogs({ folder, level: 'info', process, pid: index + 1, now: () => now })
    processLogs.join('trading')
    at(index * 60_000)
    processLogs.of(SERVICE).info({}, `started in ${process}`)
    at(index * 60_000 + 1)
    processLogs.of('mcp_liquidity_server').info({}, 'another service')
    at(index * 60_000 + 2)
    processLogs.of(SERVICE).warn({ pools: 3 }, `slow in ${process}`)
    processLogs.own.error({}, 'uncaught exception')
  }
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(data, { recursive: true, force: true })
})

function run(name: string | undefined, options: Partial<LogsOptions> = {}) {
  const [out, err] = [vi.spyOn(console, 'log'), vi.spyOn(console, 'error')]
  for (const spy of [out, err]) spy.mockReset().mockImplementation(() => undefined)
  logs(name, { data, lines: 50, ...options })
  const lines = (spy: typeof out) => spy.mock.calls.map(([line]) => plain(String(line)))
  return { out: lines(out), err: lines(err) }
}

test("exactly the service's lines, of every process it ran in, each with its date", () => {
  expect(run('price_feed').out).toEqual([
    '2026-11-24T09:05:12.000Z info  mcp_price_feed_server  started in p1',
    '2026-11-24T09:05:12.002Z warn  mcp_price_feed_server  slow in p1 {"pools":3}',
    '2026-11-24T09:06:12.000Z info  mcp_price_feed_server  started in p2',
    '2026-11-24T09:06:12.002Z warn  mcp_price_feed_server  slow in p2 {"pools":3}',
  ])
  expect(run(SERVICE, { lines: 1 }).out).toHaveLength(1)
})

test('a cell: the lines of its process and of all its services, in order; without a name: everything', () => {
  expect(run('trading').out.map((line) => line.slice(25))).toEqual([
    'info  mcp_price_feed_server  started in p1',
    'info  mcp_liquidity_server   another service',
    expect.stringMatching(/^(error|warn)/),
    expect.stringMatching(/^(error|warn)/),
    'info  mcp_price_feed_server  started in p2',
    'info  mcp_liquidity_server   another service',
    expect.stringMatching(/^(error|warn)/),
    expect.stringMatching(/^(error|warn)/),
  ])
  expect(run(undefined).out).toHaveLength(8)
})

test('--level and --since', () => {
  expect(run('trading', { level: 'error' }).out).toHaveLength(2)
  expect(run(SERVICE, { level: 'warn', since: NOW + 60_000 }).out).toEqual([
    expect.stringContaining('slow in p2'),
  ])
  expect(run(SERVICE, { json: true, level: 'warn' }).out.map((line) => JSON.parse(line).pid)).toEqual([1, 2])
})

test('where there is no line, a sentence says so and names the log of the process', () => {
  expect(run('mcp_arbitrage_server')).toEqual({
    out: [],
    err: [
      expect.stringMatching(
        /^no line of mcp_arbitrage_server in .*\/logs\n.*its process has a log of its own: kintsugi logs trading$/,
      ),
    ],
  })
  expect(run('mcp_liquidity_server', { level: 'warn', since: NOW }).err[0]).toMatch(
    /^no line of mcp_liquidity_server at level warn or above since 2026-11-24T09:05:12.000Z in /,
  )
  expect(() => run('nobody')).toThrow(/unknown service "nobody"/)
})

test('a time in the past is given as a span or as a date', () => {
  const parse = since(() => NOW)
  expect(['90s', '10m', '2h', '3d'].map(parse)).toEqual([
    NOW - 90_000,
    NOW - 600_000,
    NOW - 7_200_000,
    NOW - 259_200_000,
  ])
  expect(parse('2026-11-24T09:05:12Z')).toBe(NOW)
  for (const wrong of ['yesterday', '10', '10y', '2026-99-99']) expect(() => parse(wrong)).toThrow(/expected/)
})
