/**
 * Closing a server without breaking a request: stop accepting, finish the requests in progress, close idle
 * connections.
 */
import type { Server, ServerResponse } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface DrainTiming {
  /** How long idle connections are still answered, so that no request breaks on its way. */
  readonly lingerMs: number
  /** How long requests in progress may take. */
  readonly drainMs: number
  /** How often idle connections are closed after `lingerMs`. */
  readonly sweepMs: number
}

export const DRAIN_TIMING: DrainTiming = { lingerMs: 400, drainMs: 5_000, sweepMs: 20 }

/** Stops accepting connections. Open connections are still served; each response asks the client to close. */
export function stopAccepting(server: Server): void {
  // The server's own `close` would also end idle connections.
  if (server.listening) NetServer.prototype.close.call(server)
  server.prependListener('request', (_request, response: ServerResponse) =>
    response.setHeader('connection', 'close'),
  )
}

/** Resolves when `servers` have no connection left, or after `drainMs`. Call `stopAccepting` first. */
export async function drain(servers: readonly Server[], timing: DrainTiming = DRAIN_TIMING): Promise<void> {
  if (servers.length === 0) return
  const deadline = performance.now() + timing.drainMs
  await sleep(timing.lingerMs)
  for (const server of servers) server.closeIdleConnections()
  while ((await openConnections(servers)) > 0 && performance.now() < deadline) {
    await sleep(timing.sweepMs)
    for (const server of servers) server.closeIdleConnections()
  }
}

async function openConnections(servers: readonly Server[]): Promise<number> {
  const counts = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count ?? 0))),
    ),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
