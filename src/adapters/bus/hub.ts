/**
 * The embedded message hub: publish, subscribe, a cache with expiry; newline-delimited JSON over a local
 * socket.
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { onLines } from '../../std/lines.ts'

export type HubRequest =
  | { op: 'publish'; channel: string; data: string }
  | { op: 'subscribe'; channel: string }
  | { op: 'unsubscribe'; channel: string }
  | { op: 'get'; id: number; key: string }
  | { op: 'set'; id: number; key: string; value: string; ttlMs: number }

export type HubMessage =
  | { op: 'message'; channel: string; sequence: number; data: string; retained?: true }
  | { op: 'answer'; id: number; value: string | null }

/** A subscriber with more unread bytes than this is disconnected. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024
const MAX_KEYS = 100_000
/** Only this user may open the socket. */
const SOCKET_MODE = 0o600

interface Channel {
  sequence: number
  /** The last message, delivered to each new subscriber. */
  last: string | undefined
  readonly subscribers: Set<Socket>
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
  readonly #cache = new Map<string, { value: string; expiresAt: number }>()

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
      case 'set':
        this.#set(request.key, request.value, request.ttlMs)
        send(socket, { op: 'answer', id: request.id, value: null })
    }
  }

  /** Ends the subscriptions of a closed connection. */
  forget(socket: Socket): void {
    for (const channel of this.#channels.values()) channel.subscribers.delete(socket)
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

  #get(key: string): string | null {
    const entry = this.#cache.get(key)
    if (!entry) return null
    if (entry.expiresAt > this.#now()) return entry.value
    this.#cache.delete(key)
    return null
  }

  /** Stores a value as the newest; evicts the oldest key when there are too many. */
  #set(key: string, value: string, ttlMs: number): void {
    this.#cache.delete(key)
    this.#cache.set(key, { value, expiresAt: this.#now() + ttlMs })
    if (this.#cache.size > MAX_KEYS) this.#cache.delete(this.#cache.keys().next().value as string)
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name)
    if (known) return known
    const channel: Channel = { sequence: 0, last: undefined, subscribers: new Set() }
    this.#channels.set(name, channel)
    return channel
  }
}

function send(socket: Socket, message: HubMessage): void {
  if (socket.writableLength > MAX_BUFFERED_BYTES) socket.destroy()
  else socket.write(`${JSON.stringify(message)}\n`)
}
