/** Completeness of the directory, and notifications of clients. */
import { expect, test } from 'vitest'
import { definitionsOf, toolListing } from '../../../test/support/definitions.ts'
import type { ServiceDefinitions } from '../../ports/definitions.ts'
import type { ServiceStatus } from '../../ports/fleet.ts'
import { Directory } from './directory.ts'

const tool = (name: string, description = name) => toolListing(name, { description })
const definitions = (hash: string, change: Partial<ServiceDefinitions> = {}) =>
  definitionsOf({ hash, ...change })
const statusOf = (id: string, pid = 1) =>
  ({ id, kind: 'server', pid, status: 'healthy' }) as unknown as ServiceStatus
const services = [statusOf('alpha'), statusOf('beta')]

function directoryOf(fetchDefinitions: (service: string) => Promise<ServiceDefinitions>) {
  const clock = { now: 0 }
  const changes: string[] = []
  const directory = new Directory({
    now: () => clock.now,
    fetchDefinitions,
    onChange: (kind) => changes.push(kind),
  })
  return { clock, changes, directory }
}

test('the directory is gathered once every service has answered', async () => {
  const beta = Promise.withResolvers<ServiceDefinitions>()
  const { directory } = directoryOf(async (service) =>
    service === 'beta' ? beta.promise : definitions(service),
  )
  const followed = directory.follow(services)
  await Promise.resolve()
  expect(directory.gathered).toBe(false)
  expect(directory.missing).toContainEqual({ service: 'beta', reason: 'not queried yet' })
  beta.resolve(definitions('beta'))
  await Promise.all([followed, directory.gathering])
  expect([directory.gathered, directory.missing]).toEqual([true, []])
})

test('a service that does not answer delays the directory by 10 s at most and is reported as missing', async () => {
  const { clock, directory } = directoryOf(async (service) => {
    if (service === 'beta') throw new Error('connection refused')
    return definitions(service)
  })
  await directory.follow(services)
  expect(directory.gathered).toBe(false)
  clock.now = 10_000
  await directory.follow(services)
  await directory.gathering
  expect([directory.gathered, directory.missing]).toEqual([
    true,
    [{ service: 'beta', reason: 'connection refused' }],
  ])
})

test('definitions of another gateway complete the directory; a later failure does not undo that', async () => {
  const { clock, directory } = directoryOf(async () => Promise.reject(new Error('gone')))
  directory.recall({ alpha: { process: '1', definitions: definitions('alpha', { tools: [tool('look')] }) } })
  await directory.gathering
  clock.now = 1_000
  await directory.follow([statusOf('alpha', 2)])
  expect([directory.gathered, directory.missing]).toEqual([true, [{ service: 'alpha', reason: 'gone' }]])
  expect([...directory.tools.keys()]).toEqual(['alpha__look'])
})

test('definitions that one directory remembers can be recalled by another', async () => {
  const { directory } = directoryOf(async (service) => definitions(service, { tools: [tool('look')] }))
  await directory.follow(services)
  const other = directoryOf(async () => Promise.reject(new Error('not needed')))
  other.directory.recall(directory.remember())
  expect([...other.directory.tools]).toEqual([...directory.tools])
  expect(other.directory.tools.size).toBe(2)
})

test('definitions are fetched again for a new process, after a failure, and after a minute; not in between', async () => {
  let fetches = 0
  let failing = false
  const { clock, directory } = directoryOf(async (service) => {
    fetches++
    if (failing) throw new Error('down')
    return definitions(service)
  })
  const fetchesAt = async (now: number, pid: number) => {
    const before = fetches
    clock.now = now
    await directory.follow([statusOf('alpha', pid)])
    return fetches - before
  }
  expect(await fetchesAt(0, 1)).toBe(1)
  expect(await fetchesAt(59_999, 1)).toBe(0)
  expect(await fetchesAt(60_000, 1)).toBe(1)
  expect(await fetchesAt(60_050, 2)).toBe(0)
  failing = true
  expect(await fetchesAt(60_100, 2)).toBe(1)
  expect(await fetchesAt(60_199, 2)).toBe(0)
  failing = false
  expect(await fetchesAt(60_200, 2)).toBe(1)
  expect(await fetchesAt(60_400, 2)).toBe(0)
})

test('a changed definition replaces the previous one; only the lists that changed are reported', async () => {
  let current = definitions('1', { tools: [tool('look', 'old')], changing: true })
  const { changes, directory } = directoryOf(async () => current)
  await directory.follow([statusOf('alpha')])
  expect(changes.splice(0)).toEqual(['tools'])
  current = definitions('2', {
    tools: [tool('look', 'new')],
    prompts: [{ name: 'greet', title: 'Greet', description: 'Greets.', arguments: [] }],
    changing: true,
  })
  await directory.refresh('alpha')
  expect(directory.tools.get('alpha__look')?.listing.description).toBe('new')
  expect(changes.splice(0)).toEqual(['tools', 'prompts'])
  current = { ...current, hash: '3', watched: ['alpha://state'] }
  await directory.refresh('alpha')
  expect(changes).toEqual([])
  expect(directory.watched).toEqual(new Map([['alpha', { uris: ['alpha://state'], changing: true }]]))
})

test('a service that is removed takes its items and its reserved name with it', async () => {
  const bridge = definitions('bridge', { tools: [tool('alpha__look', 'foreign')], changing: true })
  const { changes, directory } = directoryOf(async (service) =>
    service === 'bridge' ? bridge : definitions(service, { tools: [tool('look', 'own')] }),
  )
  await directory.follow([statusOf('alpha'), statusOf('bridge')])
  expect(directory.tools.get('alpha__look')).toMatchObject({ service: 'alpha', plain: 'look' })
  changes.splice(0)
  await directory.follow([statusOf('bridge')])
  expect(directory.serves('alpha')).toBe(false)
  expect(directory.tools.get('alpha__look')).toMatchObject({ service: 'bridge', plain: 'alpha__look' })
  expect(changes).toEqual(['tools'])
})

test('the names of a new service are reserved before it answers', async () => {
  const bridge = definitions('bridge', { tools: [tool('alpha__look')], changing: true })
  const { directory } = directoryOf(async (service) => {
    if (service === 'alpha') throw new Error('still starting')
    return bridge
  })
  await directory.follow([statusOf('bridge')])
  expect([...directory.tools.keys()]).toEqual(['alpha__look'])
  await directory.follow([statusOf('bridge'), statusOf('alpha')])
  expect([...directory.tools.keys()]).toEqual([])
})
