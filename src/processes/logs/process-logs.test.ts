/** Logs of processes: each service has a file of its own, in whichever process it runs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { INCIDENTS, type IncidentKind, isFailure } from '../../fleet/incidents.ts'
import type { LogLevel } from '../../ports/service.ts'
import { isOf, logTail, parseLog, readLog } from './log-reader.ts'
import { ProcessLogs } from './process-logs.ts'

const NOW = Date.UTC(2026, 10, 24, 9, 5, 12, 7)
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kintsugi-logs-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const processLogs = (process: string, pid: number, level: LogLevel = 'info') =>
  new ProcessLogs({ folder, level, process, pid, now: () => NOW })
const written = (name: string) =>
  readFileSync(join(folder, `${name}.log`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('a spare that becomes a cell: its lines go to the file of the cell, those of a service to its own', () => {
  const logs = processLogs('p7', 42)
  logs.own.info({}, 'warm')
  logs.join('trading')
  logs.own.warn({ error: 'gone' }, 'a connection was lost')
  logs.of('mcp_price_feed_server').info({ port: 8_091 }, 'started')
  expect(readdirSync(folder).sort()).toEqual(['mcp_price_feed_server.log', 'spare.log', 'trading.log'])
  const source = { time: '2026-11-24T09:05:12.007Z', process: 'p7', pid: 42 }
  expect(written('spare')).toEqual([{ ...source, level: 'info', unit: 'spare', msg: 'warm' }])
  expect(written('trading')).toEqual([
    { ...source, level: 'warn', unit: 'trading', error: 'gone', msg: 'a connection was lost' },
  ])
  expect(written('mcp_price_feed_server')).toEqual([
    {
      ...source,
      level: 'info',
      unit: 'trading',
      service: 'mcp_price_feed_server',
      port: 8_091,
      msg: 'started',
    },
  ])
})

test('the tail of a service spans its processes and holds no line of another service', () => {
  for (const [process, pid] of [
    ['p1', 1],
    ['p9', 9],
  ] as const) {
    const logs = processLogs(process, pid)
    logs.join('trading')
    logs.own.error({}, 'uncaught exception')
    for (const service of ['a', 'b']) logs.of(service).info({}, `${service} in ${process}`)
  }
  const messages = (name: string, lines = 10) =>
    logTail(folder, name, lines).map((line) => JSON.parse(line).msg)
  expect(messages('a')).toEqual(['a in p1', 'a in p9'])
  expect(messages('a', 1)).toEqual(['a in p9'])
  expect(messages('trading')).toEqual(['uncaught exception', 'uncaught exception'])
  expect(readLog(folder, 'a').filter((line) => isOf('trading', line))).toHaveLength(2)
  expect(messages('nobody')).toEqual([])
  expect(readLog(folder, 'trading').filter((line) => isOf('p9', line))).toHaveLength(1)
})

test('lines below the level are not written; amounts are decimal strings; a full disk does not throw', () => {
  const logs = processLogs('p1', 1, 'warn')
  logs.own.info({}, 'quiet')
  logs.own.warn({ amount: 10n ** 20n }, 'loud')
  expect(written('spare').map(({ msg, amount }) => [msg, amount])).toEqual([
    ['loud', '100000000000000000000'],
  ])
  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'not a folder')
  expect(() => logs.own.error({}, 'lost')).not.toThrow()
})

test('lines of PostgreSQL have time and level; other output has the time of the line before it', () => {
  const text = [
    '<--- Last few GCs --->',
    '2026-11-24 09:05:12.007 UTC [77] WARNING:  out of shared memory',
    '2026-11-24 09:05:13.000 UTC [78] FATAL:  terminating connection',
    'HINT: none',
    '{"time":"2026-11-24T09:05:14.000Z","level":"error","unit":"hub","process":"p2","pid":3,"msg":"x","a":1}',
    '',
  ].join('\n')
  expect(
    parseLog('database', text).map(({ at, level, msg, unit, fields }) => [at, level, msg, unit, fields]),
  ).toEqual([
    [0, 'info', '<--- Last few GCs --->', undefined, {}],
    [NOW, 'warn', 'out of shared memory', undefined, {}],
    [NOW + 993, 'error', 'terminating connection', undefined, {}],
    [NOW + 993, 'info', 'HINT: none', undefined, {}],
    [NOW + 1_993, 'error', 'x', 'hub', { a: 1 }],
  ])
})

test('an incident that is good news is info, a failure warn or error', () => {
  for (const kind of ['recovered', 'tried-again', 'home', 'disk-recovered'] as const)
    expect(INCIDENTS[kind].level).toBe('info')
  for (const kind of Object.keys(INCIDENTS) as IncidentKind[])
    if (isFailure(kind)) expect(['warn', 'error']).toContain(INCIDENTS[kind].level)
  expect(INCIDENTS.quarantined.level).toBe('error')
})
