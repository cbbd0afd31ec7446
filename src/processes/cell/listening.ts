/** Listening sockets of a cell: inherited ones, ones it binds itself, and the extra port of an instance. */
import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'

export interface TcpAddress {
  readonly host: string
  readonly port: number
}

/** Listens on an inherited socket, or binds `address` where `fd` is null. Throws what `listen` throws. */
export function listen(server: Server, fd: number | null, address: TcpAddress): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(fd === null ? { host: address.host, port: address.port } : { fd }, resolve)
  })
}

/**
 * Accepts connections for `server` on a second address, until `server` closes. Throws what `listen` throws.
 */
export function listenAlso(server: Server, address: TcpAddress): Promise<void> {
  const second = new NetServer((socket) => server.emit('connection', socket))
  server.once('close', () => second.close())
  return new Promise<void>((resolve, reject) => {
    second.once('error', reject)
    second.listen({ host: address.host, port: address.port }, resolve)
  })
}
