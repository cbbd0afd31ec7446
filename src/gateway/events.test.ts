import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { MemoryBus } from '../../test/support/memory-bus.ts'
import { LOOPBACK_NAMES } from '../mcp/host/access.ts'
import type { Channels, MessageInfo } from '../ports/bus.ts'
import type { StatusSources } from '../views/fleet-status.ts'
import { eventStream } from './events.ts'

/** Counts the subscriptions that are open. */
class CountingBus extends MemoryBus {
  open = 0

  override subscribe<K extends keyof Channels & string>(
    channel: K,
    handler: (message: Channels[K], info: MessageInfo) => void,
  ): () => void {
    const stop = super.subscribe(channel, handler)
    this.open++
    return () => {
      this.open--
      stop()
    }
  }
}

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

test('messages are received while there are clients, and sent to each of them', async () => {
  const bus = new CountingBus()
  const access = { tokenHash: undefined, required: false, beyondLoopback: false, hostnames: LOOPBACK_NAMES }
  const events = eventStream(bus, {} as StatusSources, access)
  const server = createServer()
  server.on('upgrade', (request, socket, head) => void events.upgrade(request, socket, head))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stops.push(
    () => events.stop(),
    () => server.close(),
  )
  expect(bus.open).toBe(0)
  const connect = async () => {
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/events`)
    await once(client, 'open')
    return client
  }
  const [first, second] = [await connect(), await connect()]
  const subscribed = bus.open
  expect(subscribed).toBeGreaterThan(0)
  const heard = [once(first, 'message'), once(second, 'message')]
  bus.publish('decisions', { id: 'opp_1', block: 7, verdict: 'refuse', refusedBy: 'paused' })
  for (const [data] of await Promise.all(heard))
    expect(JSON.parse(String(data))).toMatchObject({ type: 'decision', id: 'opp_1', refusedBy: 'paused' })
  first.close()
  await once(first, 'close')
  expect(bus.open).toBe(subscribed)
  second.close()
  await expect.poll(() => bus.open).toBe(0)
  const third = await connect()
  expect(bus.open).toBe(subscribed)
  third.close()
})
