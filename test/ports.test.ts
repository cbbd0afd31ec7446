/** The contract of the bus, against each backend: the embedded hub, and Redis if it is installed or runs. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Hub, startHub } from '../src/adapters/bus/hub.ts'
import { HubBus } from '../src/adapters/bus/hub-client.ts'
import { RedisBus } from '../src/adapters/bus/redis.ts'
import type { Bus } from '../src/ports/bus.ts'
import { FaultyProxy } from './support/faulty-proxy.ts'
import { listens } from './support/listens.ts'
import { freePort } from './support/local-chain.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-ports-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A Redis without persistence: one that restarts has lost its memory. */
class OwnRedis {
  readonly #port: number
  #child: ChildProcess | undefined

  constructor(port: number) {
    this.#port = port
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`
  }

  /** Resolves once it listens. Throws if it is not installed. */
  async start(): Promise<this> {
    const args = ['--port', String(this.#port), '--bind', '127.0.0.1', '--save', '', '--dir', folder]
    this.#child = spawn('redis-server', args, { stdio: 'ignore' })
    await once(this.#child, 'spawn')
    const deadline = Date.now() + 5_000
    while (!(await listens(this.url))) {
      if (Date.now() > deadline) throw new Error('Redis does not listen')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return this
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

const ownRedis = await new OwnRedis(await freePort()).start().catch(() => undefined)
afterAll(() => ownRedis?.kill())
const REDIS_URL = ownRedis?.url ?? process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const redisRuns = ownRedis !== undefined || (await listens(REDIS_URL))
if (!redisRuns)
  console.log(
    `skipped: the bus on Redis, since redis-server is not installed and nothing listens at ${REDIS_URL}`,
  )

/** Channels and keys of these tests only. */
interface TestChannels {
  order: { n: bigint }
  kept: string
  again: string
  resumed: string
  later: string
}
interface TestEntries {
  price: { value: bigint }
  watched: bigint
  lost: bigint
  cut: bigint
  short: string
  away: string
  nothing: string
  x: string
}

type TestBus = Bus<TestChannels, TestEntries>
interface Faults<B extends TestBus> {
  /** Ends the bus's server, runs the callback, and starts one with an empty memory. */
  loseMemory(whileAway: () => Promise<void>): Promise<void>
  /** Cuts a client's connection; the server stays. */
  cut(bus: B): unknown
}

function busContract<B extends TestBus>(open: () => B, faults?: Faults<B>) {
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

  test('a watcher gets the present value of an entry and each later one', async () => {
    const [writer, watcher] = [open(), open()]
    await until(() => writer.connected && watcher.connected)
    await writer.set('watched', 1n, 10_000)
    const seen: bigint[] = []
    const stop = watcher.watch('watched', (value) => seen.push(value))
    await until(() => seen.length === 1)
    await writer.set('watched', 2n, 10_000)
    await until(() => seen.length === 2)
    expect(seen).toEqual([1n, 2n])
    stop()
    await writer.set('watched', 3n, 10_000)
    await watcher.get('watched')
    expect(seen).toHaveLength(2)
    writer.close()
    watcher.close()
  })

  test.runIf(faults)('a writer that was cut off does not bring its older value back', async () => {
    const [first, second] = [open(), open()]
    await until(() => first.connected && second.connected)
    await first.set('cut', 1n, 60_000)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await second.set('cut', 2n, 60_000)
    second.close()
    await faults?.cut(first)
    await until(() => !first.connected)
    await until(() => first.connected)
    // What it restores is sent before this.
    await first.get('nothing')
    expect(await first.get('cut')).toBe(2n)
    first.close()
  })

  test.runIf(faults)('entries are restored after the bus lost its memory, the newest of each', async () => {
    const [first, second, watcher] = [open(), open(), open()]
    await until(() => first.connected && second.connected && watcher.connected)
    const seen: bigint[] = []
    watcher.watch('lost', (value) => seen.push(value))
    await first.set('lost', 1n, 60_000)
    await first.set('price', { value: 5n }, 60_000)
    await first.set('short', 'past', 100)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await second.set('lost', 2n, 60_000)
    await until(() => seen.length === 2)
    await faults?.loseMemory(async () => {
      await until(() => !first.connected && !second.connected && !watcher.connected)
      const refusal = expect(first.set('away', 'written while it was away', 60_000)).rejects
      await refusal.toMatchObject({ code: 'bus-unreachable', retry: 'later' })
      await new Promise((resolve) => setTimeout(resolve, 100))
    })
    await until(() => first.connected && second.connected && watcher.connected)
    const late = open()
    await until(() => late.connected)
    const soon = { timeout: 5_000 }
    await expect.poll(() => late.get('price').catch(() => undefined), soon).toEqual({ value: 5n })
    await expect.poll(() => late.get('away'), soon).toBe('written while it was away')
    await expect.poll(() => late.get('lost'), soon).toBe(2n)
    await until(() => seen.at(-1) === 2n)
    expect(await late.get('short')).toBeUndefined()
    for (const bus of [first, second, watcher, late]) bus.close()
  })

  test.runIf(faults)(
    'messages after the bus lost its memory arrive, and the first follows a gap',
    async () => {
      const [sender, receiver] = [open(), open()]
      await until(() => sender.connected && receiver.connected)
      const seen: [string, boolean][] = []
      receiver.subscribe('resumed', (text, { gap }) => seen.push([text, gap]))
      const send = async (text: string) => {
        sender.publish('resumed', text)
        await until(() => seen.at(-1)?.[0] === text)
      }
      for (let n = 0; n < 20; n++) sender.publish('resumed', 'before')
      await until(() => seen.length > 0)
      await send('last before')
      await faults?.loseMemory(() => until(() => !sender.connected && !receiver.connected))
      await until(() => sender.connected && receiver.connected)
      await receiver.get('nothing')
      await expect
        .poll(
          () => {
            sender.publish('resumed', 'after')
            return seen.find(([text]) => text === 'after')
          },
          { timeout: 5_000 },
        )
        .toEqual(['after', true])
      sender.close()
      receiver.close()
    },
  )
}

describe('the bus on the embedded hub', () => {
  const path = join(folder, 'hub.sock')
  let hub: Hub
  beforeAll(async () => {
    hub = await startHub(path, Date.now)
  })
  afterAll(() => hub.close())
  busContract(() => new HubBus<TestChannels, TestEntries>(path), {
    loseMemory: async (whileAway) => {
      await hub.close()
      await whileAway()
      hub = await startHub(path, Date.now)
    },
    cut: (bus) => bus.interrupt(20),
  })

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

  test('the last message of a new hub reaches who connects to it later', async () => {
    const [sender, receiver] = [
      new HubBus<TestChannels, TestEntries>(path),
      new HubBus<TestChannels, TestEntries>(path),
    ]
    await expect.poll(() => sender.connected && receiver.connected).toBe(true)
    const seen: [string, boolean, boolean][] = []
    receiver.subscribe('later', (text, { gap, retained }) => seen.push([text, gap, retained]))
    await receiver.get('nothing')
    sender.publish('later', 'first')
    await expect.poll(() => seen).toEqual([['first', false, false]])
    receiver.interrupt(500)
    await hub.close()
    await expect.poll(() => sender.connected || receiver.connected).toBe(false)
    hub = await startHub(path, Date.now)
    await expect.poll(() => sender.connected, { timeout: 5_000 }).toBe(true)
    expect(receiver.connected).toBe(false)
    sender.publish('later', 'second')
    await expect.poll(() => seen[1], { timeout: 5_000 }).toEqual(['second', true, true])
    sender.close()
    receiver.close()
  })
})

describe.runIf(redisRuns)('the bus on Redis', () => {
  const prefix = `kintsugi-test-${process.pid}-${Date.now()}:`
  busContract(
    () => new RedisBus<TestChannels, TestEntries>(REDIS_URL, prefix),
    ownRedis && {
      loseMemory: async (whileAway) => {
        await ownRedis.kill()
        await whileAway()
        await ownRedis.start()
      },
      cut: async () => {
        const admin = new Redis(ownRedis.url)
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        admin.disconnect()
      },
    },
  )

  /** A bus through a proxy, and one that is always connected. */
  async function pair() {
    const { proxy, url } = await FaultyProxy.before(REDIS_URL)
    const [bus, other] = [REDIS_URL, url].map((each) => new RedisBus<TestChannels, TestEntries>(each, prefix))
    const seen: string[] = []
    const lost = other as RedisBus<TestChannels, TestEntries>
    lost.subscribe('again', (text) => seen.push(text))
    await expect.poll(() => lost.connected).toBe(true)
    const close = async () => {
      bus?.close()
      lost.close()
      await proxy.close()
    }
    return { proxy, bus: bus as RedisBus<TestChannels, TestEntries>, lost, seen, close }
  }
  const arrives = (seen: string[], text: string, bus: Bus<TestChannels, TestEntries>) =>
    expect
      .poll(
        () => {
          if (!seen.includes(text)) bus.publish('again', text)
          return seen.includes(text)
        },
        { timeout: 8_000, interval: 100 },
      )
      .toBe(true)

  test('after an outage the last message is delivered, and a Redis that lost its data is heard', async () => {
    const { proxy, bus, lost, seen, close } = await pair()
    for (const text of ['1', '2', '3', '4', '5']) bus.publish('again', text)
    await expect.poll(() => seen).toContain('5')
    await proxy.set('refuse')
    bus.publish('again', 'missed')
    bus.publish('again', 'last')
    await expect(lost.get('x')).rejects.toMatchObject({
      code: 'bus-unreachable',
      message: 'Redis cannot be reached: no connection',
    })
    await proxy.set('pass')
    await expect.poll(() => seen, { timeout: 5_000 }).toContain('last')
    expect(seen).not.toContain('missed')
    // The numbers start again at 1.
    await proxy.set('refuse')
    const redis = new Redis(REDIS_URL)
    await redis.del(`${prefix}again:sequence`, `${prefix}again:last`)
    redis.disconnect()
    await proxy.set('pass')
    await expect.poll(() => lost.connected, { timeout: 5_000 }).toBe(true)
    await arrives(seen, 'after the loss', bus)
    await close()
  })

  test('a connection that hung is replaced: requests fail within seconds, and renewing brings messages', async () => {
    const { proxy, bus, lost, seen, close } = await pair()
    await arrives(seen, 'before', bus)
    await proxy.set('hang')
    const from = performance.now()
    await expect(lost.get('x')).rejects.toMatchObject({ code: 'bus-unreachable' })
    expect(performance.now() - from).toBeLessThan(8_000)
    await proxy.restart()
    lost.reopen()
    await arrives(seen, 'behind', bus)
    await close()
  }, 30_000)
})

test('a missing socket is an error that can be retried later', async () => {
  const bus = new HubBus<TestChannels, TestEntries>(join(folder, 'nowhere.sock'))
  await expect(bus.get('x')).rejects.toMatchObject({ code: 'bus-unreachable', retry: 'later' })
  bus.close()
  expect(() => unlinkSync(join(folder, 'nowhere.sock'))).toThrow()
})
