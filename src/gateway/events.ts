/** The WebSocket `/events`: what happens, as it happens. A client that reads too slowly is cut off and may come again. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type AccessPolicy, checkOrigin, identify, requireToken, statusOf } from '../mcp/host/access.ts'
import type { Bus } from '../ports/bus.ts'
import { toErrorReport } from '../std/errors.ts'
import type { EventView } from './api/schema.ts'
import { paperTradeView, statusView, tradeView, type ViewSources } from './views.ts'

const STATUS_EVERY_MS = 1_000
const MAX_BUFFERED = 1024 * 1024
const MAX_CLIENTS = 200

export interface EventStream {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>
  stop(): void
}

export function eventStream(bus: Bus, sources: ViewSources, access: AccessPolicy): EventStream {
  const server = new WebSocketServer({ noServer: true, maxPayload: 4_096 })
  const broadcast = (event: EventView) => {
    const text = JSON.stringify(event)
    for (const client of server.clients) {
      if (client.bufferedAmount > MAX_BUFFERED) client.terminate()
      else if (client.readyState === client.OPEN) client.send(text)
    }
  }
  const stops = [
    bus.subscribe(
      'trades',
      (trade, { retained }) => retained || broadcast({ type: 'trade', trade: tradeView(trade) }),
    ),
    bus.subscribe('opportunities', (found) =>
      broadcast({
        type: 'block',
        block: found.block,
        time: found.blockTime,
        opportunities: found.opportunities.length + found.more,
        searchedCycles: found.searchedCycles,
        searchMs: found.foundAt - found.receivedAt,
      }),
    ),
    bus.subscribe(
      'captured',
      (captured, { retained }) => retained || broadcast({ type: 'captured', ...captured }),
    ),
    bus.subscribe(
      'paper-trades',
      (trade, { retained }) => retained || broadcast({ type: 'paper-trade', trade: paperTradeView(trade) }),
    ),
    bus.subscribe(
      'decisions',
      (decision, { retained }) => retained || broadcast({ type: 'decision', ...decision }),
    ),
    bus.subscribe('prices', (prices, { retained }) => retained || broadcast({ type: 'prices', ...prices })),
    bus.subscribe('sent', (sent, { retained }) => retained || broadcast({ type: 'sent', ...sent })),
  ]
  let last = ''
  const timer = setInterval(() => {
    if (server.clients.size === 0) return
    statusView(sources).then(
      (status) => {
        const text = JSON.stringify(status)
        if (text !== last) broadcast({ type: 'status', status })
        last = text
      },
      () => undefined,
    )
  }, STATUS_EVERY_MS)
  return {
    async upgrade(request, socket, head) {
      try {
        const headers = new Headers()
        for (const [name, value] of Object.entries(request.headers))
          if (typeof value === 'string') headers.set(name, value)
        checkOrigin(access, headers)
        requireToken(access, await identify(access, headers))
        if (
          new URL(request.url ?? '/', 'http://localhost').pathname !== '/events' ||
          server.clients.size >= MAX_CLIENTS
        ) {
          socket.end('HTTP/1.1 404 Not Found\r\n\r\n')
          return
        }
      } catch (error) {
        socket.end(`HTTP/1.1 ${statusOf(toErrorReport(error).code)} Refused\r\n\r\n`)
        return
      }
      server.handleUpgrade(request, socket, head, (client: WebSocket) => {
        client.on('error', () => client.terminate())
        statusView(sources).then(
          (status) => client.send(JSON.stringify({ type: 'hello', status } satisfies EventView)),
          () => undefined,
        )
      })
    },
    stop() {
      clearInterval(timer)
      for (const stop of stops) stop()
      for (const client of server.clients) client.terminate()
      server.close()
    },
  }
}
