/**
 * The bus over the embedded hub; reconnects, renews its subscriptions, and restores the entries that it
 * wrote.
 */

import { connect, type Socket } from 'node:net'
import type { Bus, CacheEntries, Channels, MessageInfo } from '../../ports/bus.ts'
import { backoffDelay } from '../../std/backoff.ts'
import { KintsugiError } from '../../std/errors.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import { PendingRequests } from '../../std/line-rpc.ts'
import { onLines } from '../../std/lines.ts'
import type { HubMessage, HubRequest } from './hub.ts'
import { KeptEntries } from './kept-entries.ts'

type Handler = (message: never, info: MessageInfo) => void
const RECONNECT = { firstMs: 20, maxMs: 1_000 }
const CALL_TIMEOUT_MS = 5_000

export class HubBus<C extends object = Channels, E extends object = CacheEntries> implements Bus<C, E> {
  readonly #path: string
  readonly #handlers = new Map<string, Set<Handler>>()
  readonly #lastSequence = new Map<string, number>()
  readonly #watchers = new Map<string, Set<(value: never) => void>>()
  readonly #kept = new KeptEntries()
  readonly #requests = new PendingRequests<string | null>({ timeoutMs: CALL_TIMEOUT_MS, unreachable })
  #socket: Socket | undefined
  #attempt = 0
  #closed = false
  #timer: NodeJS.Timeout | undefined
  #awayUntil = 0
  connected = false

  constructor(path: string) {
    this.#path = path
    this.#connect()
  }

  publish<K extends keyof C & string>(channel: K, message: C[K]): void {
    this.#send({ op: 'publish', channel, data: encodeJson(message) })
  }

  subscribe<K extends keyof C & string>(
    channel: K,
    handler: (message: C[K], info: MessageInfo) => void,
  ): () => void {
    const handlers = this.#handlers.get(channel) ?? new Set()
    this.#handlers.set(channel, handlers)
    handlers.add(handler as Handler)
    if (handlers.size === 1) this.#send({ op: 'subscribe', channel })
    return () => {
      handlers.delete(handler as Handler)
      if (handlers.size === 0) {
        this.#handlers.delete(channel)
        this.#send({ op: 'unsubscribe', channel })
      }
    }
  }

  async get<K extends keyof E & string>(key: K): Promise<E[K] | undefined> {
    const value = await this.#call((id) => ({ op: 'get', id, key }))
    return value === null ? undefined : decodeJson<E[K]>(value)
  }

  async set<K extends keyof E & string>(key: K, value: E[K], ttlMs: number): Promise<void> {
    const at = Date.now()
    const text = encodeJson(value)
    this.#kept.keep({ key, value: text, at, expiresAt: at + ttlMs })
    await this.#call((id) => ({ op: 'set', id, key, value: text, ttlMs, at }))
  }

  watch<K extends keyof E & string>(key: K, handler: (value: E[K]) => void): () => void {
    const watchers = this.#watchers.get(key) ?? new Set()
    this.#watchers.set(key, watchers.add(handler))
    this.#send({ op: 'watch', key })
    return () => {
      watchers.delete(handler)
      if (watchers.size > 0) return
      this.#watchers.delete(key)
      this.#send({ op: 'unwatch', key })
    }
  }

  /** The hub is available again: connects now instead of at the next attempt. */
  reconnect(): void {
    if (this.connected || this.#closed || this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#attempt = 0
    this.#connect()
  }

  /** Disconnects from the hub for `ms`, as a broken network would. */
  interrupt(ms: number): void {
    this.#attempt = 0
    this.#awayUntil = Date.now() + ms
    this.#socket?.destroy()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket?.destroy()
  }

  #connect(): void {
    this.#timer = undefined
    const socket = connect(this.#path)
    this.#socket = socket
    socket.on('connect', () => {
      this.connected = true
      this.#attempt = 0
      for (const channel of this.#handlers.keys()) this.#send({ op: 'subscribe', channel })
      for (const key of this.#watchers.keys()) this.#send({ op: 'watch', key })
      const now = Date.now()
      for (const { key, value, at, expiresAt } of this.#kept.valid(now))
        this.#send({ op: 'restore', key, value, ttlMs: expiresAt - now, at })
    })
    socket.on('error', () => undefined)
    onLines(socket, (line) => this.#receive(JSON.parse(line) as HubMessage))
    socket.on('close', () => {
      this.connected = false
      this.#requests.rejectAll('the connection was lost')
      if (!this.#closed)
        this.#timer = setTimeout(
          () => this.#connect(),
          Math.max(this.#awayUntil - Date.now(), backoffDelay(++this.#attempt, RECONNECT, Math.random)),
        )
    })
  }

  #receive(message: HubMessage): void {
    if (message.op === 'answer') {
      this.#requests.resolve(message.id, message.value)
      return
    }
    if (message.op === 'entry') {
      const value = decodeJson<never>(message.value)
      for (const handler of this.#watchers.get(message.key) ?? []) handler(value)
      return
    }
    const last = this.#lastSequence.get(message.channel)
    this.#lastSequence.set(message.channel, message.sequence)
    // After a reconnection without a loss the retained message was delivered before.
    if (message.retained && last === message.sequence) return
    const gap = last !== undefined && message.sequence !== last + 1
    const data = decodeJson<never>(message.data)
    for (const handler of this.#handlers.get(message.channel) ?? [])
      handler(data, {
        channel: message.channel,
        sequence: message.sequence,
        gap,
        retained: message.retained === true,
      })
  }

  #send(request: HubRequest): void {
    if (this.connected) this.#socket?.write(`${JSON.stringify(request)}\n`)
  }

  #call(build: (id: number) => HubRequest): Promise<string | null> {
    if (!this.connected) return Promise.reject(unreachable('not connected'))
    return this.#requests.request((id) => this.#send(build(id)))
  }
}

function unreachable(message: string): KintsugiError {
  return new KintsugiError('bus-unreachable', `the message hub cannot be reached: ${message}`, {
    retry: 'later',
  })
}
