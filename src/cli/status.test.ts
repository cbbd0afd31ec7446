/** Output of `status` and `incidents`: no empty figures, one column of decimal points, dates. */
import { expect, test } from 'vitest'
import type { StatusView } from '../gateway/api/schema.ts'
import { plain } from './format.ts'
import { incidentTable, statusText } from './status.ts'

const at = new Date(2026, 10, 4, 20, 5, 12).getTime()
const view: StatusView = {
  profile: 'complete',
  mode: 'local',
  version: '1',
  startedAt: at,
  readyMs: 6_080,
  alarms: [],
  healthy: true,
  overload: null,
  servers: {
    mcp_one: {
      status: 'healthy',
      title: '',
      category: '',
      port: 8_091,
      pid: 7,
      cell: 'trading',
      restarts: 2,
      since: at,
    },
  },
  agents: {},
  main: {},
  infrastructure: {},
  chain: {
    id: 137,
    network: 'local',
    genesis: '0x',
    block: 9,
    finalized: 7,
    link: 'connected',
    nativeSymbol: 'MATIC',
    quoteSymbol: 'USDC',
  },
  accounts: null,
  halt: null,
  metrics: {
    tradesBooked: 3,
    profitable: 2,
    profitBooked: {},
    profit: [
      { token: '0x1', symbol: 'USDC', decimals: 6, amount: '1234567890' },
      { token: '0x2', symbol: 'WETH', decimals: 18, amount: '0' },
      { token: '0x3', symbol: 'DAI', decimals: 18, amount: '50000000000000000' },
    ],
    gasBooked: '2264343999999999575300',
    profitValue: 1_234.617889999,
    profitNative: 2743.6,
    outcomes: {},
    outcomeShares: { 'as-predicted': 2 / 3, reverted: 1 / 3 },
    paper: { trades: 0, netNative: 0, outcomes: {} },
    thisChain: { tradesBooked: 3, profitBooked: {}, gasBooked: '0' },
  },
  problems: [],
}

test('the books: zero profits are left out, figures are rounded and aligned', () => {
  const text = plain(statusText(view))
  expect(text).not.toContain('WETH')
  expect(text).toContain('3 trades booked (as predicted 66.7 %, reverted 33.3 %)')
  expect(text.split('\n').slice(-5)).toEqual([
    '  profit  1,234.57 USDC',
    '              0.05 DAI',
    '  worth   1,234.62 USDC',
    '          2,743.60 MATIC',
    '  gas     2,264.34 MATIC',
  ])
  expect(text).toContain('started 2026-11-04 20:05:12, ready after 6.08 s')
})

test('a halt of trading is shown with who, when and why', () => {
  expect(plain(statusText(view))).not.toContain('halted')
  const halted = { ...view, halt: { by: 'ada', at, reason: 'maintenance' } }
  expect(plain(statusText(halted)).split('\n')).toContain(
    'trading is halted by ada at 2026-11-04 20:05:12: maintenance',
  )
})

test('incidents have a header row and the date; an incident without an action has no word for it', () => {
  const incident = { at, unit: 'hub', kind: 'recovered', detail: 'healthy again', action: 'none' }
  expect(
    plain(incidentTable([incident as never, { ...incident, kind: 'exited', action: 'restart' } as never])),
  ).toBe(
    [
      'time                 unit  kind       detail         action',
      '2026-11-04 20:05:12  hub   recovered  healthy again',
      '2026-11-04 20:05:12  hub   exited     healthy again  restart',
    ].join('\n'),
  )
})

test('an overloaded machine is told, with since when and the facts', () => {
  const overload = { since: at, detail: 'processes wait for a CPU 91 % of the time' }
  expect(plain(statusText({ ...view, overload }))).toContain(
    'overloaded since 2026-11-04 20:05:12: processes wait for a CPU 91 % of the time; load is shed, trading pauses',
  )
  expect(plain(statusText(view))).not.toContain('overloaded')
})
