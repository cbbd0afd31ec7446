/** The contract of the bus, against each backend: the embedded hub, and Redis if it runs. */

import { mkdtempSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Hub, startHub } from '../src/adapters/bus/hub.ts'
import { HubBus } from '../src/adapters/bus/hub-client.ts'
import { RedisBus } from '../src/adapters/bus/redis.ts'
import type { Bus } from '../src/ports/bus.ts'
import { listens } from './support/listens.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-ports-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const REDIS_URL = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const redisRuns = await listens(REDIS_URL)
if (!redisRuns) console.log(`skipped: the bus on Redis, since nothing listens at ${REDIS_URL}`)

/** Channels and keys of these tests only. */
interface TestChannels {
  order: { n: bigint }
  kept: string
  again: string
}
interface TestEntries {
  price: { value: bigint }
  nothing: string
  x: string
}

function busContract(open: () => Bus<TestChannels, TestEntries>) {
  const until = async (check: () => boolean) => expect.poll(check, { timeout: 5_000, interval: 5 }).toBe(true)

  test('messages arrive in order, numbered, at every subscriber', async () => {
    const [sender, first, second] = [open(), open(), open()]
    await until(() => sender.connected && first.connected && second.connected)
    const seen: [string, number, bigint][] = []
    first.subscribe('order', ({ n }, info) => seen.push(['first', info.sequence, n]))
    second.subscribe('order', ({ n }, info) => seen.push(['second', info.sequence, n]))
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (let n = 1n; n <= 200n; n++) sender.publish('order', { n })
    await until(() => seen.length === 400)
    for (const who of ['first', 'second']) {
      const own = seen.filter(([name]) => name === who)
      expect(own.map(([, , n]) => n)).toEqual(Array.from({ length: 200 }, (_, index) => BigInt(index + 1)))
      for (let i = 1; i < own.length; i++) expect(own[i]?.[1]).toBe((own[i - 1]?.[1] ?? 0) + 1)
    }
    for (const bus of [sender, first, second]) bus.close()
  })

  test('a late subscriber gets the last message, marked as retained', async () => {
    const [sender, late] = [open(), open()]
    await until(() => sender.connected && late.connected)
    sender.publish('kept', 'old')
    sender.publish('kept', 'new')
    await new Promise((resolve) => setTimeout(resolve, 100))
    const seen: [string, boolean][] = []
    const stop = late.subscribe('kept', (text, { retained }) => seen.push([text, retained]))
    await until(() => seen.length === 1)
    expect(seen).toEqual([['new', true]])
    stop()
    sender.publish('kept', 'newer')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(seen).toHaveLength(1)
    sender.close()
    late.close()
  })

  test('cache entries expire after their time to live', async () => {
    const bus = open()
    await until(() => bus.connected)
    await bus.set('price', { value: 12n }, 150)
    expect(await bus.get('price')).toEqual({ value: 12n })
    expect(await bus.get('nothing')).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await bus.get('price')).toBeUndefined()
    bus.close()
  })
}

describe('the bus on the embedded hub', () => {
  const path = join(folder, 'hub.sock')
  let hub: Hub
  beforeAll(async () => {
    hub = await startHub(path, Date.now)
  })
  afterAll(() => hub.close())
  busContract(() => new HubBus<TestChannels, TestEntries>(path))

  test('it reconnects by itself and restores its subscriptions', async () => {
    const bus = new HubBus<TestChannels, TestEntries>(path)
    const seen: string[] = []
    bus.subscribe('again', (text) => seen.push(text))
    await expect.poll(() => bus.connected).toBe(true)
    await hub.close()
    await expect.poll(() => bus.connected).toBe(false)
    await expect(bus.get('x')).rejects.toMatchObject({ code: 'bus-unreachable', retry: 'later' })
    hub = await startHub(path, Date.now)
    const other = new HubBus<TestChannels, TestEntries>(path)
    await expect.poll(() => bus.connected && other.connected, { timeout: 5_000 }).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 50))
    other.publish('again', 'hello')
    await expect.poll(() => seen, { timeout: 5_000 }).toEqual(['hello'])
    bus.close()
    other.close()
  })
})

describe.runIf(redisRuns)('the bus on Redis', () => {
  const prefix = `kintsugi-test-${process.pid}-${Date.now()}:`
  busContract(() => new RedisBus<TestChannels, TestEntries>(REDIS_URL, prefix))
})

test('a missing socket is an error that can be retried later', async () => {
  const bus = new HubBus<TestChannels, TestEntries>(join(folder, 'nowhere.sock'))
  await expect(bus.get('x')).rejects.toMatchObject({ code: 'bus-unreachable', retry: 'later' })
  bus.close()
  expect(() => unlinkSync(join(folder, 'nowhere.sock'))).toThrow()
})
