/** Responses on the port of a service that cannot answer: it is starting, or it is quarantined. */
import { createServer, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export type FetchHandler = (request: Request, env?: unknown) => Response | Promise<Response>

export interface StartingService {
  readonly service: string
  /** The reason why the service is not ready. */
  readonly reason: string
  /** The service's handler, once it has started. */
  readonly started: Promise<FetchHandler>
  /** How long a call waits for the start, in ms. */
  readonly timeoutMs: number
}

/**
 * Answers for a service that is starting: alive, not ready; a call waits for the start until its deadline,
 * then gets 503.
 */
export async function answerWhileStarting(
  request: Request,
  env: unknown,
  { service, reason, started, timeoutMs }: StartingService,
): Promise<Response> {
  const { pathname } = new URL(request.url)
  if (pathname === '/health') return Response.json({ status: 'ok', service, starting: true })
  if (pathname === '/ready') return Response.json({ ready: false, reason, service }, { status: 503 })
  const handler = await Promise.race([started, sleep(timeoutMs, undefined, { ref: false })])
  if (handler) return handler(request, env)
  return Response.json(
    { error: { code: 'service-unreachable', message: `${service} is starting: ${reason}`, retry: 'later' } },
    { status: 503, headers: { 'retry-after': '1' } },
  )
}

/** A server that answers 503 with the reason in place of a quarantined service. */
export function quarantineServer(service: string, reason: string): Server {
  return createServer((_request, response) => {
    response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '30' })
    response.end(
      JSON.stringify({
        error: {
          code: 'service-unreachable',
          message: `${service} is quarantined: ${reason}`,
          retry: 'later',
          hint: `npx kintsugi restart ${service}, or see npx kintsugi logs ${service}`,
        },
      }),
    )
  })
}
