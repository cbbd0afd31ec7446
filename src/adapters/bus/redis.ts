/**
 * The bus over Redis, by REDIS_URL: publish and subscribe, sequence numbers by INCR, the last message by key.
 */
import { Redis } from 'ioredis'
import type { Bus, CacheEntries, Channels, MessageInfo } from '../../ports/bus.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'

type Handler = (message: never, info: MessageInfo) => void

/** Numbers, stores and publishes a message in one step, so that order and numbers agree. */
const PUBLISH = `local s = redis.call('INCR', KEYS[1] .. ':sequence')
local m = s .. ' ' .. ARGV[1]
redis.call('SET', KEYS[1] .. ':last', m)
redis.call('PUBLISH', KEYS[1], m)
return s`

export class RedisBus<C extends object = Channels, E extends object = CacheEntries> implements Bus<C, E> {
  readonly #commands: Redis
  readonly #subscriber: Redis
  readonly #prefix: string
  readonly #handlers = new Map<string, Set<Handler>>()
  readonly #lastSequence = new Map<string, number>()

  constructor(url: string, prefix = 'kintsugi:') {
    this.#prefix = prefix
    const options = {
      maxRetriesPerRequest: 1,
      enableOfflineQueue: true,
      retryStrategy: (attempt: number) => Math.min(50 * 2 ** attempt, 1_000),
    }
    this.#commands = new Redis(url, options)
    this.#subscriber = new Redis(url, { ...options, maxRetriesPerRequest: null })
    // Both clients reconnect by themselves.
    this.#commands.on('error', () => undefined)
    this.#subscriber.on('error', () => undefined)
    this.#subscriber.on('message', (name: string, text: string) =>
      this.#deliver(name.slice(this.#prefix.length), text, false),
    )
  }

  get connected(): boolean {
    return this.#commands.status === 'ready'
  }

  publish<K extends keyof C & string>(channel: K, message: C[K]): void {
    this.#commands.eval(PUBLISH, 1, this.#prefix + channel, encodeJson(message)).catch(() => undefined)
  }

  subscribe<K extends keyof C & string>(
    channel: K,
    handler: (message: C[K], info: MessageInfo) => void,
  ): () => void {
    const handlers = this.#handlers.get(channel) ?? new Set()
    this.#handlers.set(channel, handlers)
    handlers.add(handler as Handler)
    if (handlers.size === 1) {
      this.#subscriber
        .subscribe(this.#prefix + channel)
        .then(() => this.#commands.get(`${this.#prefix}${channel}:last`))
        .then((text) => text !== null && this.#deliver(channel, text, true))
        .catch(() => undefined)
    }
    return () => {
      handlers.delete(handler as Handler)
      if (handlers.size > 0) return
      this.#handlers.delete(channel)
      this.#subscriber.unsubscribe(this.#prefix + channel).catch(() => undefined)
    }
  }

  async get<K extends keyof E & string>(key: K): Promise<E[K] | undefined> {
    const text = await this.#commands.get(`${this.#prefix}cache:${key}`).catch(unreachable)
    return text === null ? undefined : decodeJson<E[K]>(text)
  }

  async set<K extends keyof E & string>(key: K, value: E[K], ttlMs: number): Promise<void> {
    await this.#commands.set(`${this.#prefix}cache:${key}`, encodeJson(value), 'PX', ttlMs).catch(unreachable)
  }

  close(): void {
    this.#commands.disconnect()
    this.#subscriber.disconnect()
  }

  #deliver(channel: string, text: string, retained: boolean): void {
    const space = text.indexOf(' ')
    const sequence = Number(text.slice(0, space))
    const last = this.#lastSequence.get(channel)
    if (last !== undefined && sequence <= last) return
    this.#lastSequence.set(channel, sequence)
    const data = decodeJson<never>(text.slice(space + 1))
    for (const handler of this.#handlers.get(channel) ?? [])
      handler(data, { channel, sequence, gap: last !== undefined && sequence !== last + 1, retained })
  }
}

function unreachable(error: unknown): never {
  throw new KintsugiError('bus-unreachable', `Redis cannot be reached: ${messageOf(error)}`, {
    retry: 'later',
    cause: error,
  })
}
