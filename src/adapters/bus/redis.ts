/**
 * The bus over Redis, by REDIS_URL: publish and subscribe, sequence numbers by INCR, the last message by key,
 * cache entries by key. A Redis that restarts with an empty or older memory gets the entries again.
 */
import { Redis } from 'ioredis'
import type { Bus, CacheEntries, Channels, MessageInfo } from '../../ports/bus.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import { KeptEntries, type KeptEntry } from './kept-entries.ts'

type Handler = (message: never, info: MessageInfo) => void

/** A connection, or an answer, that takes longer is given up, in ms. */
const CONNECT_MS = 2_000
const COMMAND_MS = 3_000

/**
 * Numbers, stores and publishes a message in one step, so that order and numbers agree. Numbers start at the
 * time in us, so that they rise even if the earlier ones were lost.
 */
const PUBLISH = `local key = KEYS[1] .. ':sequence'
if redis.call('EXISTS', key) == 0 then
  local t = redis.call('TIME')
  redis.call('SET', key, t[1] .. string.format('%06d', t[2]))
end
local m = string.format('%.0f', redis.call('INCR', key)) .. ' ' .. ARGV[1]
redis.call('SET', KEYS[1] .. ':last', m)
return redis.call('PUBLISH', KEYS[1], m)`

/**
 * Stores an entry with the time at which it was written, and publishes it to its watchers. With ARGV[4], only
 * if the stored one is older.
 */
const STORE = `if ARGV[4] == 'restore' then
  local stored = redis.call('GET', KEYS[1])
  if stored and tonumber(string.match(stored, '^%d+')) >= tonumber(ARGV[2]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1], 'PX', ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1`

export class RedisBus<C extends object = Channels, E extends object = CacheEntries> implements Bus<C, E> {
  readonly #commands: Redis
  readonly #subscriber: Redis
  readonly #prefix: string
  readonly #handlers = new Map<string, Set<Handler>>()
  readonly #watchers = new Map<string, Set<(value: never) => void>>()
  readonly #lastSequence = new Map<string, number>()
  readonly #kept = new KeptEntries()

  constructor(url: string, prefix = 'kintsugi:') {
    this.#prefix = prefix
    const options = {
      maxRetriesPerRequest: 1,
      enableOfflineQueue: true,
      retryStrategy: (attempt: number) => Math.min(50 * 2 ** attempt, 1_000),
      connectTimeout: CONNECT_MS,
    }
    // A connection on which nothing answers any more is replaced.
    this.#commands = new Redis(url, { ...options, commandTimeout: COMMAND_MS, socketTimeout: COMMAND_MS })
    this.#subscriber = new Redis(url, { ...options, maxRetriesPerRequest: null })
    // Both clients reconnect by themselves.
    this.#commands.on('error', () => undefined)
    this.#subscriber.on('error', () => undefined)
    this.#commands.on('ready', () => {
      this.#restore()
      this.#renew()
    })
    this.#subscriber.on('ready', () => this.#renew())
    this.#subscriber.on('message', (name: string, text: string) => {
      if (name.startsWith(this.#keyOf(''))) this.#deliverEntry(name.slice(this.#keyOf('').length), text)
      else this.#deliver(name.slice(this.#prefix.length), text, false)
    })
  }

  get connected(): boolean {
    return this.#commands.status === 'ready'
  }

  /** Both connections may be dead without having been closed: they are opened again. */
  reopen(): void {
    this.#commands.disconnect(true)
    this.#subscriber.disconnect(true)
  }

  publish<K extends keyof C & string>(channel: K, message: C[K]): void {
    this.#commands.eval(PUBLISH, 1, this.#prefix + channel, encodeJson(message)).catch(() => undefined)
  }

  subscribe<K extends keyof C & string>(
    channel: K,
    handler: (message: C[K], info: MessageInfo) => void,
  ): () => void {
    const handlers = this.#handlers.get(channel) ?? new Set()
    this.#handlers.set(channel, handlers.add(handler as Handler))
    if (handlers.size === 1) this.#follow(channel)
    return () => {
      handlers.delete(handler as Handler)
      if (handlers.size > 0) return
      this.#handlers.delete(channel)
      this.#subscriber.unsubscribe(this.#prefix + channel).catch(() => undefined)
    }
  }

  async get<K extends keyof E & string>(key: K): Promise<E[K] | undefined> {
    const text = await this.#entry(key).catch(unreachable)
    return text === undefined ? undefined : decodeJson<E[K]>(text)
  }

  async set<K extends keyof E & string>(key: K, value: E[K], ttlMs: number): Promise<void> {
    const at = Date.now()
    const entry = { key, value: encodeJson(value), at, expiresAt: at + ttlMs }
    this.#kept.keep(entry)
    await this.#store(entry, at, 'set').catch(unreachable)
  }

  watch<K extends keyof E & string>(key: K, handler: (value: E[K]) => void): () => void {
    const watchers = this.#watchers.get(key) ?? new Set()
    this.#watchers.set(key, watchers.add(handler))
    this.#followEntry(key)
    return () => {
      watchers.delete(handler)
      if (watchers.size > 0) return
      this.#watchers.delete(key)
      this.#subscriber.unsubscribe(this.#keyOf(key)).catch(() => undefined)
    }
  }

  close(): void {
    this.#commands.disconnect()
    this.#subscriber.disconnect()
  }

  #keyOf(key: string): string {
    return `${this.#prefix}entry:${key}`
  }

  /** The text of an entry, without the time at which it was written. */
  async #entry(key: string): Promise<string | undefined> {
    const stored = await this.#commands.get(this.#keyOf(key))
    return stored === null ? undefined : stored.slice(stored.indexOf(' ') + 1)
  }

  #store({ key, value, at, expiresAt }: KeptEntry, now: number, how: 'set' | 'restore'): Promise<unknown> {
    return this.#commands.eval(STORE, 1, this.#keyOf(key), value, at, expiresAt - now, how)
  }

  #restore(): void {
    const now = Date.now()
    for (const entry of this.#kept.valid(now)) this.#store(entry, now, 'restore').catch(() => undefined)
  }

  /** After a reconnection, of whichever client is the last: what was missed meanwhile is read. */
  #renew(): void {
    for (const channel of this.#handlers.keys()) this.#follow(channel)
    for (const key of this.#watchers.keys()) this.#followEntry(key)
  }

  #follow(channel: string): void {
    const before = this.#lastSequence.get(channel)
    this.#subscriber
      .subscribe(this.#prefix + channel)
      .then(() => this.#commands.get(`${this.#prefix}${channel}:last`))
      .then((text) => {
        if (text === null) return
        const sequence = sequenceOf(text)
        // Redis has an older memory: its numbers are behind, and the next message follows a gap.
        if (before !== undefined && sequence < before) this.#lastSequence.set(channel, sequence - 1)
        else this.#deliver(channel, text, true)
      })
      .catch(() => undefined)
  }

  #followEntry(key: string): void {
    this.#subscriber
      .subscribe(this.#keyOf(key))
      .then(() => this.#entry(key))
      .then((text) => text !== undefined && this.#deliverEntry(key, text))
      .catch(() => undefined)
  }

  #deliver(channel: string, text: string, retained: boolean): void {
    const sequence = sequenceOf(text)
    const last = this.#lastSequence.get(channel)
    if (last !== undefined && sequence <= last) return
    this.#lastSequence.set(channel, sequence)
    const data = decodeJson<never>(text.slice(text.indexOf(' ') + 1))
    for (const handler of this.#handlers.get(channel) ?? [])
      handler(data, { channel, sequence, gap: last !== undefined && sequence !== last + 1, retained })
  }

  #deliverEntry(key: string, text: string): void {
    const value = decodeJson<never>(text)
    for (const handler of this.#watchers.get(key) ?? []) handler(value)
  }
}

/** The client's own words for a connection that is away say nothing of the cause. */
const reasonOf = (error: unknown): string =>
  /max retries|connection is closed|timed out/i.test(messageOf(error)) ? 'no connection' : messageOf(error)

const sequenceOf = (text: string): number => Number(text.slice(0, text.indexOf(' ')))

function unreachable(error: unknown): never {
  throw new KintsugiError('bus-unreachable', `Redis cannot be reached: ${reasonOf(error)}`, {
    retry: 'later',
    hint: '`npx kintsugi status` shows what is known about it',
    cause: error,
  })
}
