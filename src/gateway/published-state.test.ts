/** What a gateway publishes: at once when it has gathered, after changes, and before it expires. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MemoryBus } from '../../test/support/memory-bus.ts'
import type { FleetDefinitions } from '../ports/definitions.ts'
import { PublishedState } from './published-state.ts'

const HOUR_MS = 3_600_000
let directory: { gathered: boolean; gathering: Promise<void>; remember(): FleetDefinitions }
let gather: () => Promise<void>
let bus: MemoryBus
let published: string[]
let state: PublishedState
const dispatch = { state: () => ({ breakers: [] }) as never }

beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
  const { promise, resolve } = Promise.withResolvers<void>()
  directory = { gathered: false, gathering: promise, remember: () => ({}) }
  gather = async () => {
    directory.gathered = true
    resolve()
    await promise
  }
  bus = new MemoryBus()
  published = []
  bus.watch('gateway:definitions', () => published.push('definitions'))
  state = new PublishedState({ bus, dispatch, directory, now: Date.now })
})
afterEach(() => {
  state.stop()
  vi.useRealTimers()
})

test('definitions are published the moment they are gathered, and not before', async () => {
  await vi.advanceTimersByTimeAsync(5_000)
  expect(published).toEqual([])
  await gather()
  await vi.advanceTimersByTimeAsync(0)
  expect(published).toHaveLength(1)
})

test('unchanged definitions are published again only before they expire, changed ones within a second', async () => {
  await gather()
  await vi.advanceTimersByTimeAsync(HOUR_MS)
  expect(published).toHaveLength(1)
  state.definitionsChanged()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(published).toHaveLength(2)
  // An entry lives for a day: a day later it has been written again.
  await vi.advanceTimersByTimeAsync(23 * HOUR_MS)
  expect(published).toHaveLength(3)
})

test('definitions that could not be stored are published again a second later', async () => {
  const set = vi.spyOn(bus, 'set')
  set.mockImplementation(() => Promise.reject(new Error('away')))
  await gather()
  await vi.advanceTimersByTimeAsync(0)
  expect(published).toEqual([])
  set.mockRestore()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(published).toHaveLength(1)
})
