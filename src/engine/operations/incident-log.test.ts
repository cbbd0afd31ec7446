/** The incidents that are read from the ledger, and the span that they cover. */
import { expect, test } from 'vitest'
import { InMemoryLedger } from '../../../test/support/in-memory-ledger.ts'
import type { IncidentKind } from '../../fleet/incidents.ts'
import { countByKind, incidentsSince } from './incident-log.ts'

async function ledgerOf(
  ...recorded: readonly (readonly [at: number, kind: IncidentKind, service: string])[]
) {
  const ledger = new InMemoryLedger()
  for (const [at, kind, service] of recorded)
    await ledger.recordIncident({
      unit: 'cell',
      services: [service],
      kind,
      detail: '',
      action: 'none',
      at,
      durationMs: null,
    })
  return ledger
}

test('the span starts at the requested time and holds the incidents of the service and the kind', async () => {
  const ledger = await ledgerOf(
    [5, 'exited', 'a'],
    [10, 'exited', 'b'],
    [20, 'recovered', 'a'],
    [30, 'exited', 'a'],
  )
  const times = async (filter: Parameters<typeof incidentsSince>[1]) => {
    const { since, incidents } = await incidentsSince(ledger, filter)
    return [since, ...incidents.map(({ at }) => at)]
  }
  expect(await times({ since: 8 })).toEqual([8, 10, 20, 30])
  expect(await times({ since: 8, service: 'a' })).toEqual([8, 20, 30])
  expect(await times({ since: 0, service: 'a', kind: 'exited' })).toEqual([0, 5, 30])
})

test('more incidents than are read: the span starts with the oldest one that was read', async () => {
  const ledger = await ledgerOf([10, 'exited', 'a'], [20, 'leak', 'a'], [30, 'leak', 'a'])
  const { since, incidents } = await incidentsSince(ledger, { since: 0, kind: 'leak' }, 2)
  expect([since, incidents.map(({ at }) => at)]).toEqual([20, [20, 30]])
  expect((await incidentsSince(ledger, { since: 0 }, 4)).since).toBe(0)
})

test('counts by kind', () => {
  expect(countByKind([{ kind: 'exited' }, { kind: 'leak' }, { kind: 'exited' }])).toEqual({
    exited: 2,
    leak: 1,
  })
  expect(countByKind([])).toEqual({})
})
