/** When a directory knows enough for lists to be taken for the whole. */
import { expect, test } from 'vitest'
import type { ServiceDefinitions } from '../../ports/definitions.ts'
import type { ServiceStatus } from '../../ports/fleet.ts'
import { Directory } from './directory.ts'

const definitions = (hash: string): ServiceDefinitions => ({
  hash,
  tools: [],
  resources: [],
  resourceTemplates: [],
  prompts: [],
  keywords: {},
  watched: [],
  changing: false,
})
const services = ['alpha', 'beta'].map(
  (id) => ({ id, kind: 'server', pid: 1, status: 'healthy' }) as unknown as ServiceStatus,
)

function directoryOf(answers: (service: string) => Promise<ServiceDefinitions>) {
  const clock = { now: 0 }
  return {
    clock,
    directory: new Directory({ now: () => clock.now, ask: answers, onChange: () => undefined }),
  }
}

test('it has gathered once every service has answered, and says so to who waits', async () => {
  const beta = Promise.withResolvers<ServiceDefinitions>()
  const { directory } = directoryOf(async (service) =>
    service === 'beta' ? beta.promise : definitions(service),
  )
  const followed = directory.follow(services)
  await Promise.resolve()
  expect(directory.gathered).toBe(false)
  expect(directory.missing).toContainEqual({ service: 'beta', reason: 'not asked yet' })
  beta.resolve(definitions('beta'))
  await Promise.all([followed, directory.gathering])
  expect([directory.gathered, directory.missing]).toEqual([true, []])
})

test('one that does not answer is waited for only so long; it is named as missing', async () => {
  const { clock, directory } = directoryOf(async (service) => {
    if (service === 'beta') throw new Error('it is broken')
    return definitions(service)
  })
  await directory.follow(services)
  expect(directory.gathered).toBe(false)
  clock.now = 10_000
  await directory.follow(services)
  await directory.gathering
  expect([directory.gathered, directory.missing]).toEqual([
    true,
    [{ service: 'beta', reason: 'it is broken' }],
  ])
})

test('what another gateway heard is enough; once it has gathered, a service that goes away changes nothing of that', async () => {
  const { clock, directory } = directoryOf(async () => Promise.reject(new Error('gone')))
  directory.recall({ alpha: { process: '1', definitions: definitions('alpha') } })
  await directory.gathering
  clock.now = 1_000
  await directory.follow([{ ...services[0], pid: 2 } as ServiceStatus])
  expect([directory.gathered, directory.missing]).toEqual([true, [{ service: 'alpha', reason: 'gone' }]])
})
