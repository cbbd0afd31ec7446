/** Clients of the event stream over sockets: who reads gets every event; who does not is disconnected. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { MemoryBus } from '../../test/support/memory-bus.ts'
import { World } from '../../test/support/world/world.ts'
import { LOOPBACK_NAMES } from '../mcp/host/access.ts'
import { type EventStream, eventStream } from './events.ts'

let server: Server
let events: EventStream
let bus: MemoryBus
let port: number
beforeEach(async () => {
  const world = new World()
  bus = new MemoryBus()
  const sources = { ...world.ports(), manifest: () => undefined, version: '1' }
  const access = { tokenHash: undefined, required: false, beyondLoopback: false, hostnames: LOOPBACK_NAMES }
  events = eventStream(bus, sources, access)
  server = createServer().on('upgrade', (...request) => void events.upgrade(...request))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterEach(async () => {
  events.stop()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

const HANDSHAKE = [
  'GET /events HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
].join('\r\n')

test('a client that does not read is disconnected, one that reads gets every event', async () => {
  const ignoring = connect(port, '127.0.0.1').on('error', () => undefined)
  ignoring.write(`${HANDSHAKE}\r\n\r\n`)
  await once(ignoring, 'data')
  ignoring.pause()
  const reading = new WebSocket(`ws://127.0.0.1:${port}/events`)
  await once(reading, 'open')
  const blocks: number[] = []
  let onPrices: () => void = () => undefined
  reading.on('message', (data) => {
    const event = JSON.parse(String(data)) as { type: string; block: number }
    if (event.type !== 'prices') return
    blocks.push(event.block)
    onPrices()
  })
  // 30 MB in all: more than the kernel buffers for one connection.
  const rows = [{ pool: 'x'.repeat(500_000) }]
  for (let block = 1; block <= 60; block++) {
    const { promise, resolve } = Promise.withResolvers<void>()
    onPrices = resolve
    bus.publish('prices', { block, rows } as never)
    await promise
  }
  expect(blocks).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
  const closed = once(ignoring, 'close')
  let received = 0
  ignoring.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  ignoring.resume()
  await closed
  expect(received).toBeLessThan(25_000_000)
  reading.terminate()
})

test('more clients than the service takes are told to come back', async () => {
  const clients = Array.from({ length: 200 }, () => new WebSocket(`ws://127.0.0.1:${port}/events`))
  await Promise.all(clients.map((client) => once(client, 'open')))
  const extra = new WebSocket(`ws://127.0.0.1:${port}/events`)
  const [, response] = (await once(extra, 'unexpected-response')) as [unknown, IncomingMessage]
  expect([response.statusCode, response.headers['retry-after']]).toEqual([503, '5'])
  for (const client of clients) client.terminate()
})
