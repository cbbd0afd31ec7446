/**
 * The WebSocket `/events`: trades, blocks, decisions and the fleet's status as they happen. A client that
 * reads too slowly is disconnected and may reconnect.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type AccessPolicy, checkOrigin, identify, requireToken, statusOf } from '../mcp/host/access.ts'
import type { Bus } from '../ports/bus.ts'
import { toErrorReport } from '../std/errors.ts'
import { readStatus, type StatusSources } from '../views/fleet-status.ts'
import { paperTrade, trade } from '../views/trades.ts'
import { toWire } from '../views/view.ts'
import type { EventView } from './api/schema.ts'

const STATUS_INTERVAL_MS = 1_000
/** Of one client; of all, this times their number at most. */
const MAX_UNREAD_BYTES = 128 * 1024
const MAX_MESSAGE_BYTES = 4_096
const MAX_CLIENTS = 200
const RETRY_SECONDS = 5

/** The WebSocket of one service. */
export interface EventStream {
  /** Answers an upgrade request: with a WebSocket, or with the status of the refusal. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>
  /** Disconnects all clients. */
  stop(): void
}

/** Opens the event stream. */
export function eventStream(bus: Bus, sources: StatusSources, access: AccessPolicy): EventStream {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES })
  const broadcast = (event: EventView) => {
    const text = JSON.stringify(event)
    for (const client of server.clients) {
      if (client.bufferedAmount > MAX_UNREAD_BYTES) client.terminate()
      else if (client.readyState === client.OPEN) client.send(text)
    }
  }
  // Without clients no message of the bus is received here, which would cost as much as their work.
  let unsubscribe: (() => void) | undefined
  const follow = () => {
    if (server.clients.size > 0) unsubscribe ??= forwardMessages(bus, broadcast)
    else {
      unsubscribe?.()
      unsubscribe = undefined
    }
  }
  const stopStatus = broadcastStatus(server, sources, broadcast)
  return {
    async upgrade(request, socket, head) {
      const refusal = await refusalOf(request, access, server)
      if (refusal !== undefined) {
        socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`)
        return
      }
      server.handleUpgrade(request, socket, head, (client) => {
        client.on('close', follow)
        follow()
        greet(client, sources)
      })
    },
    stop() {
      stopStatus()
      unsubscribe?.()
      for (const client of server.clients) client.terminate()
      server.close()
    },
  }
}

/** Why a request gets no WebSocket, as an HTTP status line; undefined if it does. */
async function refusalOf(
  request: IncomingMessage,
  access: AccessPolicy,
  server: WebSocketServer,
): Promise<string | undefined> {
  try {
    const headers = new Headers()
    for (const [name, value] of Object.entries(request.headers))
      if (typeof value === 'string') headers.set(name, value)
    checkOrigin(access, headers)
    requireToken(access, await identify(access, headers))
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname !== '/events') return '404 Not Found'
    return server.clients.size < MAX_CLIENTS
      ? undefined
      : `503 Too many clients\r\nRetry-After: ${RETRY_SECONDS}`
  } catch (error) {
    return `${statusOf(toErrorReport(error).code)} Refused`
  }
}

function greet(client: WebSocket, sources: StatusSources): void {
  client.on('error', () => client.terminate())
  readStatus(sources).then(
    (status) => client.send(JSON.stringify({ type: 'hello', status } satisfies EventView)),
    () => undefined,
  )
}

/** Forwards messages of the bus, without those retained from before. Returns an unsubscribe function. */
function forwardMessages(bus: Bus, broadcast: (event: EventView) => void): () => void {
  const stops = [
    bus.subscribe(
      'trades',
      (booked, { retained }) => retained || broadcast({ type: 'trade', trade: toWire(trade, booked) }),
    ),
    bus.subscribe(
      'opportunities',
      (found, { retained }) =>
        retained ||
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
      (judged, { retained }) =>
        retained || broadcast({ type: 'paper-trade', trade: toWire(paperTrade, judged) }),
    ),
    bus.subscribe(
      'decisions',
      (decision, { retained }) => retained || broadcast({ type: 'decision', ...decision }),
    ),
    bus.subscribe('prices', (prices, { retained }) => retained || broadcast({ type: 'prices', ...prices })),
    bus.subscribe('sent', (sent, { retained }) => retained || broadcast({ type: 'sent', ...sent })),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** Broadcasts the fleet's status when it has changed, while there are clients. Returns how to stop. */
function broadcastStatus(
  server: WebSocketServer,
  sources: StatusSources,
  broadcast: (event: EventView) => void,
): () => void {
  let last = ''
  const timer = setInterval(() => {
    if (server.clients.size === 0) return
    readStatus(sources).then(
      (status) => {
        const text = JSON.stringify(status)
        if (text !== last) broadcast({ type: 'status', status })
        last = text
      },
      () => undefined,
    )
  }, STATUS_INTERVAL_MS)
  return () => clearInterval(timer)
}
