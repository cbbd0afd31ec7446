import { describe, expect, test } from 'vitest'
import { newUnit, type Unit, type UnitSpec } from '../fleet/healing/state.ts'
import { type StatusFacts, unitStatuses } from './statuses.ts'

const FACTS: StatusFacts = {
  pid: 41,
  managedPid: 42,
  title: 'Trading cell',
  port: null,
  toEpoch: (at) => 1_000_000 + at,
  portOf: (service) => (service === 'mcp_price_feed_server' ? 8_091 : null),
}
const CELL: UnitSpec = {
  id: 'trading',
  kind: 'cell',
  services: ['mcp_price_feed_server', 'mcp_arbitrage_server'],
  after: [],
  fromSpare: true,
}
const cell = (change: Partial<Unit>): Unit => ({ ...newUnit(CELL), ...change })
const running = (change: Partial<Unit> = {}): Unit =>
  cell({
    state: { status: 'healthy', process: 'p1', since: 400 },
    startedAt: 500,
    everReady: true,
    ...change,
  })
const statusesOf = (unit: Unit) =>
  unitStatuses(unit, FACTS).map(({ id, status, detail }) =>
    detail === undefined ? [id, status] : [id, status, detail],
  )

describe('services of a cell', () => {
  test('a healthy service: identity, process and start time', () => {
    const [first] = unitStatuses(
      running({ readiness: { mcp_price_feed_server: null, mcp_arbitrage_server: null }, restarts: 3 }),
      FACTS,
    )
    expect(first).toEqual({
      id: 'mcp_price_feed_server',
      kind: 'server',
      title: 'MCP price feed server',
      category: 'trading',
      status: 'healthy',
      port: 8_091,
      pid: 41,
      cell: 'trading',
      restarts: 3,
      since: 1_000_500,
    })
  })

  test('each by its own readiness: one ready, one not, with the reason', () => {
    const readiness = { mcp_price_feed_server: null, mcp_arbitrage_server: 'the database is unavailable' }
    const state = { status: 'degraded', process: 'p1', since: 500, from: 600, detail: 'x' } as const
    expect(statusesOf(running({ state, readiness }))).toEqual([
      ['mcp_price_feed_server', 'healthy'],
      ['mcp_arbitrage_server', 'degraded', 'the database is unavailable'],
    ])
  })

  test('starting: until the cell was ready once, and until a service has reported', () => {
    const readiness = { mcp_price_feed_server: 'loads' }
    const started = running({
      state: { status: 'starting', process: 'p1', since: 0 },
      readiness,
      everReady: false,
    })
    expect(statusesOf(started)).toEqual([
      ['mcp_price_feed_server', 'starting', 'loads'],
      ['mcp_arbitrage_server', 'starting'],
    ])
    expect(statusesOf({ ...started, everReady: true })[0]).toEqual([
      'mcp_price_feed_server',
      'starting',
      'loads',
    ])
  })

  test.each<[string, Unit['state'], string, string]>([
    [
      'stopped on request',
      { status: 'stopped', wanted: false, detail: 'on request' },
      'stopped',
      'on request',
    ],
    [
      'waiting',
      { status: 'stopped', wanted: true, detail: 'waiting for hub' },
      'starting',
      'waiting for hub',
    ],
    ['backing off', { status: 'backing-off', until: 9, detail: 'exited' }, 'backing-off', 'exited'],
    ['quarantined', { status: 'quarantined', since: 1, until: 9, detail: 'exited' }, 'quarantined', 'exited'],
  ])('%s: status and detail of the unit, no start time', (_name, state, status, detail) => {
    const [first] = unitStatuses(cell({ state }), FACTS)
    expect(first).toMatchObject({ status, detail, since: null })
  })

  test('a further instance carries its number; an isolated service names its cell', () => {
    const id = 'mcp_price_feed_server#2'
    const instance = { ...running(), spec: { ...CELL, id, services: ['mcp_price_feed_server'], instance: 2 } }
    expect(unitStatuses(instance, FACTS)[0]).toMatchObject({
      id,
      cell: id,
      title: 'MCP price feed server, instance 2',
    })
    const isolated = { ...running(), spec: { ...CELL, id: 'mcp_arbitrage_server', home: 'trading' } }
    expect(unitStatuses(isolated, FACTS)[0]?.home).toBe('trading')
  })
})

describe('infrastructure', () => {
  const localnet = (managedPid: number | null) => {
    const spec: UnitSpec = {
      id: 'localnet',
      kind: 'infrastructure',
      services: [],
      after: [],
      fromSpare: false,
    }
    const unit = running({ spec, readiness: { localnet: null } })
    return unitStatuses(unit, { ...FACTS, title: 'Local market', port: 8_545, managedPid })
  }

  test('the local market and its chain, which has a pid of its own', () => {
    expect(localnet(42)).toMatchObject([
      {
        id: 'localnet',
        kind: 'infrastructure',
        title: 'Local market',
        port: 8_545,
        pid: 41,
        status: 'healthy',
      },
      { id: 'chain', kind: 'infrastructure', port: 8_545, pid: 42, status: 'healthy' },
    ])
  })

  test('a chain without a pid is starting', () => {
    expect(localnet(null)[1]).toMatchObject({ id: 'chain', pid: null, status: 'starting' })
  })
})
