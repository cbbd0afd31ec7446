import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import type { IncidentKind } from '../../fleet/incidents.ts'
import server from './mcp-stability-report.ts'

const EXECUTOR = 'transaction_executor'

async function start() {
  const { call, world } = await harness(server)
  const record = (
    agoMs: number,
    kind: IncidentKind,
    durationMs: number | null = null,
    services = [EXECUTOR],
  ) =>
    world.ledger.recordIncident({
      unit: EXECUTOR,
      services,
      kind,
      detail: `<${kind}>`,
      action: 'restarted',
      at: world.now() - agoMs,
      durationMs,
    })
  return { call, world, record }
}

test('stability_report: the service that failed most first, with its mean times and its error budget', async () => {
  const { call, world, record } = await start()
  const quiet = await call('stability_report')
  expect(quiet.summary).toContain(`0 failures over ${world.fleet.services.length} services`)
  await record(50_000, 'exited')
  await record(48_000, 'recovered', 2_000)
  await record(30_000, 'quarantined')
  await record(26_000, 'recovered', 4_000)
  await record(20_000, 'leak', null, ['hub'])
  const answer = await call('stability_report', { hours: 1, objective: 0.9, limit: 1 })
  expect(answer).toMatchObject({
    since: world.now() - 60_000,
    untilIso: '2026-11-24T08:00:00.000Z',
    nextOffset: 1,
  })
  expect(answer.report).toBeUndefined()
  // 6 s of 60 s down: 90 % availability, all of the budget of 10 %; 54 s of uptime over two failures.
  expect(answer.services).toEqual([
    {
      service: EXECUTOR,
      availability: 0.9,
      downMs: 6_000,
      failures: 2,
      meanTimeToRecoveryMs: 3_000,
      meanTimeBetweenFailuresMs: 27_000,
      flapping: false,
      errorBudgetUsed: 1,
      leaks: 0,
      isolations: 0,
    },
  ])
  expect(answer.summary).toContain(`lowest availability 90.000 % (${EXECUTOR})`)
})

test('stability_report: the whole report on request, as Markdown or as a page with a plot', async () => {
  const { call, record } = await start()
  await record(50_000, 'exited')
  await record(48_000, 'recovered', 2_000)
  const { report: markdown } = await call('stability_report', { format: 'markdown' })
  expect(markdown).toMatch(/^# Stability\n/)
  expect(markdown).toContain(`| ${EXECUTOR} | 1 | 2.0 s | 58.0 s | 96.667 % | 3333.333 % |  |`)
  const { report: page } = await call('stability_report', { format: 'html' })
  expect(page.match(/<circle /g)).toHaveLength(2)
  expect(page).toContain('<title>exited: &#60;exited&#62;</title>')
})

test('incident_timeline: the newest first, of one kind on request', async () => {
  const { call, world, record } = await start()
  expect(await call('incident_timeline')).toMatchObject({ total: 0, byKind: {}, incidents: [] })
  await record(5_000_000, 'exited')
  await record(50_000, 'exited')
  await record(48_000, 'recovered', 2_000)
  const kinds = ({ incidents }: { incidents: { kind: string }[] }) => incidents.map(({ kind }) => kind)
  expect(kinds(await call('incident_timeline', { hours: 1 }))).toEqual(['recovered', 'exited'])
  const exits = await call('incident_timeline', { kind: 'exited', limit: 1 })
  expect(exits).toMatchObject({ byKind: { exited: 2 }, total: 2, nextOffset: 1 })
  expect(exits.incidents).toEqual([
    {
      at: world.now() - 50_000,
      atIso: '2026-11-24T07:59:10.000Z',
      unit: EXECUTOR,
      services: [EXECUTOR],
      kind: 'exited',
      detail: '<exited>',
      action: 'restarted',
      durationMs: null,
    },
  ])
})
