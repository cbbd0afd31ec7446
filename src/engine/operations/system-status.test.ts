/** The health of the fleet at a glance. */
import { expect, test } from 'vitest'
import type { FleetStatus, ServiceState } from '../../ports/fleet.ts'
import { systemStatus } from './system-status.ts'

const fleetOf = (...states: ServiceState[]) => ({
  status: async () =>
    ({ services: states.map((status, index) => ({ id: `s${index}`, status })) }) as unknown as FleetStatus,
})
const NOW = 10_000_000
const quiet = { incidents: async () => [] }

test.each([
  [['healthy', 'healthy'], 'healthy', 2],
  [['healthy', 'stopped'], 'degraded', 1],
  [['healthy', 'stopped', 'quarantined'], 'critical', 1],
] as const)('%j is %s', async (states, overall, healthy) => {
  expect(await systemStatus(fleetOf(...states), quiet, NOW)).toMatchObject({
    overall,
    services: { total: states.length, healthy },
  })
})

test('the incidents of the last hour are counted by kind', async () => {
  let query: unknown
  const ledger = {
    incidents: async (received: unknown) => {
      query = received
      return [{ kind: 'exited' }, { kind: 'recovered' }, { kind: 'exited' }] as never
    },
  }
  expect((await systemStatus(fleetOf('healthy'), ledger, NOW)).lastHour).toEqual({ exited: 2, recovered: 1 })
  expect(query).toMatchObject({ since: NOW - 3_600_000 })
})

test('without a ledger the status is still reported', async () => {
  const ledger = { incidents: () => Promise.reject(new Error('the ledger is unavailable')) }
  expect(await systemStatus(fleetOf('healthy'), ledger, NOW)).toMatchObject({
    overall: 'healthy',
    lastHour: {},
  })
})
