/** The embedded message hub: publish, subscribe, a cache with expiry; newline-delimited JSON over a local socket. */
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

/** A slow reader is cut off rather than let grow without bound. */
const MAX_BUFFERED = 16 * 1024 * 1024
const MAX_KEYS = 100_000

export interface Hub {
  server: Server
  close(): Promise<void>
}

/** Listens on a socket path that only this user can open. */
export async function startHub(path: string, now: () => number): Promise<Hub> {
  const channels = new Map<string, { sequence: number; last: string | undefined; subscribers: Set<Socket> }>()
  const cache = new Map<string, { value: string; expiresAt: number }>()
  const sockets = new Set<Socket>()
  const channelOf = (name: string) => {
    let channel = channels.get(name)
    if (!channel) {
      channel = { sequence: 0, last: undefined, subscribers: new Set() }
      channels.set(name, channel)
    }
    return channel
  }
  const send = (socket: Socket, message: HubMessage) => {
    if (socket.writableLength > MAX_BUFFERED) socket.destroy()
    else socket.write(`${JSON.stringify(message)}\n`)
  }
  const handle = (socket: Socket, request: HubRequest) => {
    switch (request.op) {
      case 'publish': {
        const channel = channelOf(request.channel)
        channel.sequence++
        channel.last = request.data
        for (const subscriber of channel.subscribers)
          send(subscriber, {
            op: 'message',
            channel: request.channel,
            sequence: channel.sequence,
            data: request.data,
          })
        break
      }
      case 'subscribe': {
        const channel = channelOf(request.channel)
        channel.subscribers.add(socket)
        if (channel.last !== undefined)
          send(socket, {
            op: 'message',
            channel: request.channel,
            sequence: channel.sequence,
            data: channel.last,
            retained: true,
          })
        break
      }
      case 'unsubscribe':
        channelOf(request.channel).subscribers.delete(socket)
        break
      case 'get': {
        const entry = cache.get(request.key)
        const live = entry !== undefined && entry.expiresAt > now()
        if (entry && !live) cache.delete(request.key)
        send(socket, { op: 'answer', id: request.id, value: live ? entry.value : null })
        break
      }
      case 'set': {
        cache.delete(request.key)
        cache.set(request.key, { value: request.value, expiresAt: now() + request.ttlMs })
        if (cache.size > MAX_KEYS) cache.delete(cache.keys().next().value as string)
        send(socket, { op: 'answer', id: request.id, value: null })
      }
    }
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    onLines(socket, (line) => {
      try {
        handle(socket, JSON.parse(line) as HubRequest)
      } catch {
        socket.destroy()
      }
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      sockets.delete(socket)
      for (const channel of channels.values()) channel.subscribers.delete(socket)
    })
  })
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
