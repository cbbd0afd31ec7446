/**
 * The embedded message hub: publish, subscribe, a cache with expiry whose entries can be watched;
 * newline-delimited JSON over a local socket.
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { onLines } from '../../std/lines.ts'

export type HubRequest =
  | { op: 'publish'; channel: string; data: string }
  | { op: 'subscribe'; channel: string }
  | { op: 'unsubscribe'; channel: string }
  | { op: 'get'; id: number; key: string }
  | { op: 'watch'; key: string }
  | { op: 'unwatch'; key: string }
  /** `at`: when it was written, ms since 1970. */
  | { op: 'set'; id: number; key: string; value: string; ttlMs: number; at: number }
  /** An entry of before the hub lost its memory; ignored if the hub has one that is as new. */
  | { op: 'restore'; key: string; value: string; ttlMs: number; at: number }

export type HubMessage =
  | { op: 'message'; channel: string; sequence: number; data: string; retained?: true }
  | { op: 'entry'; key: string; value: string }
  | { op: 'answer'; id: number; value: string | null }

/** A subscriber with more unread bytes than this is disconnected. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024
const MAX_KEYS = 100_000
/** A channel's numbers start at the time in us, so that they rise even if an earlier hub's are forgotten. */
const NUMBERS_PER_MS = 1_000
/** Only this user may open the socket. */
const SOCKET_MODE = 0o600

interface Channel {
  sequence: number
  /** The last message, delivered to each new subscriber. */
  last: string | undefined
  readonly subscribers: Set<Socket>
}

interface Entry {
  readonly value: string
  readonly expiresAt: number
  readonly at: number
}

export interface Hub {
  server: Server
  close(): Promise<void>
}

/** Listens on a socket path that only this user can open. Throws what `listen` throws. */
export async function startHub(path: string, now: () => number): Promise<Hub> {
  const exchange = new Exchange(now)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    onLines(socket, (line) => {
      try {
        exchange.handle(socket, JSON.parse(line) as HubRequest)
      } catch {
        socket.destroy()
      }
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      sockets.delete(socket)
      exchange.forget(socket)
    })
  })
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  chmodSync(path, SOCKET_MODE)
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

/** The channels and the cache of the hub. */
class Exchange {
  readonly #now: () => number
  readonly #channels = new Map<string, Channel>()
  readonly #cache = new Map<string, Entry>()
  readonly #watchers = new Map<string, Set<Socket>>()

  constructor(now: () => number) {
    this.#now = now
  }

  handle(socket: Socket, request: HubRequest): void {
    switch (request.op) {
      case 'publish':
        this.#publish(request.channel, request.data)
        break
      case 'subscribe':
        this.#subscribe(socket, request.channel)
        break
      case 'unsubscribe':
        this.#channel(request.channel).subscribers.delete(socket)
        break
      case 'get':
        send(socket, { op: 'answer', id: request.id, value: this.#get(request.key) })
        break
      case 'watch':
        this.#watch(socket, request.key)
        break
      case 'unwatch':
        this.#unwatch(socket, request.key)
        break
      case 'set':
        this.#set(request)
        send(socket, { op: 'answer', id: request.id, value: null })
        break
      case 'restore':
        if ((this.#cache.get(request.key)?.at ?? Number.NEGATIVE_INFINITY) < request.at) this.#set(request)
    }
  }

  /** Ends the subscriptions of a closed connection. */
  forget(socket: Socket): void {
    for (const channel of this.#channels.values()) channel.subscribers.delete(socket)
    for (const key of this.#watchers.keys()) this.#unwatch(socket, key)
  }

  #publish(name: string, data: string): void {
    const channel = this.#channel(name)
    channel.sequence++
    channel.last = data
    for (const subscriber of channel.subscribers)
      send(subscriber, { op: 'message', channel: name, sequence: channel.sequence, data })
  }

  #subscribe(socket: Socket, name: string): void {
    const { sequence, last, subscribers } = this.#channel(name)
    subscribers.add(socket)
    if (last !== undefined)
      send(socket, { op: 'message', channel: name, sequence, data: last, retained: true })
  }

  #watch(socket: Socket, key: string): void {
    const watchers = this.#watchers.get(key) ?? new Set()
    this.#watchers.set(key, watchers.add(socket))
    const value = this.#get(key)
    if (value !== null) send(socket, { op: 'entry', key, value })
  }

  #unwatch(socket: Socket, key: string): void {
    const watchers = this.#watchers.get(key)
    watchers?.delete(socket)
    if (watchers?.size === 0) this.#watchers.delete(key)
  }

  #get(key: string): string | null {
    const entry = this.#cache.get(key)
    if (!entry) return null
    if (entry.expiresAt > this.#now()) return entry.value
    this.#cache.delete(key)
    return null
  }

  /** Stores a value as the newest; evicts the oldest key when there are too many. */
  #set({ key, value, ttlMs, at }: { key: string; value: string; ttlMs: number; at: number }): void {
    this.#cache.delete(key)
    this.#cache.set(key, { value, expiresAt: this.#now() + ttlMs, at })
    if (this.#cache.size > MAX_KEYS) this.#cache.delete(this.#cache.keys().next().value as string)
    for (const watcher of this.#watchers.get(key) ?? []) send(watcher, { op: 'entry', key, value })
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name)
    if (known) return known
    const channel: Channel = {
      sequence: this.#now() * NUMBERS_PER_MS,
      last: undefined,
      subscribers: new Set(),
    }
    this.#channels.set(name, channel)
    return channel
  }
}

function send(socket: Socket, message: HubMessage): void {
  if (socket.writableLength > MAX_BUFFERED_BYTES) socket.destroy()
  else socket.write(`${JSON.stringify(message)}\n`)
}
