/** Remedies: the proposal and the action for each state of a service. */
import { expect, test } from 'vitest'
import { findService } from '../../fleet/find-service.ts'
import type { FleetControl, ServiceState, ServiceStatus } from '../../ports/fleet.ts'
import { diagnose, healService } from './remedies.ts'

const service = (id: string, status: ServiceState, detail?: string): ServiceStatus => ({
  id,
  kind: 'server',
  title: id,
  category: 'development',
  status,
  port: null,
  pid: null,
  cell: 'cell',
  restarts: 0,
  since: null,
  ...(detail === undefined ? {} : { detail }),
})

function fleetOf(...services: ServiceStatus[]) {
  const actions: string[] = []
  const fleet: Pick<FleetControl, 'service' | 'restart' | 'start'> = {
    service: async (id) => findService(services, id),
    restart: async (id, reason) => {
      actions.push(`restart ${id}: ${reason}`)
      return services[0] as ServiceStatus
    },
    start: async (id) => {
      actions.push(`start ${id}`)
      return services[0] as ServiceStatus
    },
  }
  return { fleet, actions }
}

test.each([
  ['healthy', 'none', []],
  ['starting', 'none', []],
  ['stopping', 'none', []],
  ['degraded', 'restarted', ['restart a: healing was requested: slow']],
  ['backing-off', 'started', ['start a']],
  ['quarantined', 'started', ['start a']],
  ['stopped', 'started', ['start a']],
] as const)('a service that is %s: %s', async (status, action, expected) => {
  const { fleet, actions } = fleetOf(service('a', status, 'slow'), service('b', 'healthy'))
  expect(await healService(fleet, 'a')).toEqual({ service: 'a', before: status, action, reason: 'slow' })
  expect(actions).toEqual(expected)
})

test('the reason is the status if the service has no detail', async () => {
  const { fleet } = fleetOf(service('a', 'stopped'))
  expect((await healService(fleet, 'a')).reason).toBe('stopped')
})

test('a failed start is reported, not swallowed', async () => {
  const { fleet } = fleetOf(service('a', 'quarantined'))
  fleet.start = () => Promise.reject(new Error('it cannot start'))
  await expect(healService(fleet, 'a')).rejects.toThrow('it cannot start')
})

test('an unknown service is refused with the closest one as the hint', async () => {
  const { fleet, actions } = fleetOf(service('detector', 'stopped'), service('executor', 'healthy'))
  await expect(healService(fleet, 'detectr')).rejects.toMatchObject({
    code: 'unknown-service',
    message: 'service: unknown service "detectr"',
    hint: 'did you mean detector?',
  })
  expect(actions).toEqual([])
})

test('every service that is not healthy is diagnosed, with its reason', () => {
  expect(
    diagnose([service('a', 'healthy'), service('b', 'quarantined', 'ten crashes'), service('c', 'starting')]),
  ).toEqual([
    { service: 'b', status: 'quarantined', reason: 'ten crashes', proposal: 'start it on trial now' },
    { service: 'c', status: 'starting', reason: 'starting', proposal: 'wait until it has started' },
  ])
})
