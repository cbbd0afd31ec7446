/** The fleet through its supervisor's control socket, and its services through their ports. */
import { connect } from 'node:net'
import { delegationHeaders } from '../../access/delegation.ts'
import type {
  CellVitals,
  Dependency,
  FleetControl,
  FleetStatus,
  Incident,
  ServiceStatus,
  ToolCall,
} from '../../ports/fleet.ts'
import { type ErrorReport, errorFromReport, KintsugiError, messageOf } from '../../std/errors.ts'
import { onLines } from '../../std/lines.ts'
import { currentTrace, nextTraceparent } from '../../std/trace.ts'
import { DEFAULT_BALANCING, Dispatch } from '../dispatch/dispatcher.ts'
import { query, resultOf } from '../dispatch/query.ts'

export type ControlRequest =
  | { op: 'status' | 'incidents' | 'vitals' | 'scalable' | 'dependencies' | 'down' | 'events' }
  | { op: 'restart'; service: string; reason?: string }
  | { op: 'stop'; service: string; reason: string; forMs?: number }
  | { op: 'isolate'; service: string; reason: string }
  | { op: 'resize'; cell: string; heapMb: number | null; reason: string }
  | { op: 'start' | 'bring-home' | 'collect'; service: string }
  | { op: 'scale'; service: string; instances: number }
  | { op: 'logs'; service: string; lines: number }
  | { op: 'note'; incident: Incident }
  | { op: 'harm'; service: string; harm: ChaosHarm }

/** What chaos may do to a process. */
export type ChaosHarm =
  | { kind: 'kill' | 'stop' }
  | { kind: 'leak'; bytesPerSecond: number; seconds: number }
  | { kind: 'slow'; ms: number; seconds: number }
  | { kind: 'hang'; ms: number }
  | { kind: 'disconnect'; seconds: number }
export type ControlAnswer = { ok: true; result: unknown } | { ok: false; error: ErrorReport }

/** While a supervisor is replaced there is nobody to ask for a moment. */
const SUPERVISOR_GAP_MS = 3_000
const AGAIN_MS = 50
const EVENTS_LOST_MS = 15_000
/** The longest time of a call of one service to another. */
const CALL_MS = 60_000

/** Asks again while a supervisor is being replaced. Only what may be said twice goes this way. */
export async function askPatiently<T>(path: string, request: ControlRequest, timeoutMs = 10_000): Promise<T> {
  const until = performance.now() + SUPERVISOR_GAP_MS
  for (;;) {
    try {
      return await askSupervisor<T>(path, request, timeoutMs)
    } catch (error) {
      if (!(error instanceof KintsugiError) || error.code !== 'not-running' || performance.now() > until)
        throw error
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }
}

/** One request to the supervisor. Throws `not-running` where none listens. */
export function askSupervisor<T>(path: string, request: ControlRequest, timeoutMs = 10_000): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const timer = setTimeout(() => {
      socket.destroy()
      reject(
        new KintsugiError('service-unreachable', `the supervisor did not answer within ${timeoutMs} ms`, {
          retry: 'later',
        }),
      )
    }, timeoutMs)
    const fail = (message: string) => {
      clearTimeout(timer)
      socket.destroy()
      reject(
        new KintsugiError('not-running', message, {
          hint: 'start the fleet with `npm start` or `npx kintsugi up`',
        }),
      )
    }
    socket.on('error', (error: NodeJS.ErrnoException) =>
      fail(
        error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
          ? 'no fleet is running on this data folder'
          : error.message,
      ),
    )
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    onLines(socket, (line) => {
      clearTimeout(timer)
      socket.end()
      const answer = JSON.parse(line) as ControlAnswer
      if (answer.ok) resolve(answer.result as T)
      else reject(errorFromReport(answer.error))
    })
    socket.on('close', () => fail('the supervisor closed the connection'))
  })
}

/** Follows what happens in the fleet, across supervisors. `onLost` when none has answered for a while. */
export function supervisorEvents<T>(
  path: string,
  { onEvent, onLost }: { onEvent(event: T): void; onLost(): void },
): { close(): void } {
  let closed = false
  let lastSeen = performance.now()
  const dial = () => {
    const socket = connect(path)
    socket.on('error', () => undefined)
    let connected = false
    socket.on('connect', () => {
      connected = true
      socket.write(`${JSON.stringify({ op: 'events' } satisfies ControlRequest)}\n`)
    })
    onLines(socket, (line) => {
      const message = JSON.parse(line) as T | ControlAnswer
      if (!closed && !(typeof message === 'object' && message !== null && 'ok' in message))
        onEvent(message as T)
    })
    socket.on('close', () => {
      if (closed) return
      if (connected) lastSeen = performance.now()
      if (performance.now() - lastSeen > EVENTS_LOST_MS) {
        closed = true
        onLost()
      } else setTimeout(dial, AGAIN_MS)
    })
    current = socket
  }
  let current: ReturnType<typeof connect> | undefined
  dial()
  return {
    close: () => {
      closed = true
      current?.destroy()
    },
  }
}

/** Waits until nobody listens on a socket any more. Resolves false where somebody still does after `timeoutMs`. */
export async function untilGone(path: string, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs
  while (performance.now() < until) {
    const listening = await new Promise<boolean>((resolve) => {
      const socket = connect(path)
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (!listening) return true
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
  return false
}

export interface ControlOptions {
  socketPath: string
  portOf(service: string): number | undefined
  /** Our own token now. */
  bearer(): string | undefined
}

const authorization = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` }

export function fleetControl({ socketPath, portOf, bearer }: ControlOptions): FleetControl {
  const request = async (
    service: string,
    path: string,
    init: RequestInit = {},
  ): Promise<Record<string, unknown>> => {
    const port = portOf(service)
    if (port === undefined)
      throw new KintsugiError('unknown-service', `no service is called ${JSON.stringify(service)} here`)
    let response: Response
    try {
      response = await fetch(`http://127.0.0.1:${port}${path}`, {
        ...init,
        headers: { 'content-type': 'application/json', ...authorization(bearer()) },
      })
    } catch (error) {
      if (init.signal?.aborted) throw new KintsugiError('cancelled', `the call of ${service} was cancelled`)
      throw new KintsugiError('service-unreachable', `${service} cannot be reached: ${messageOf(error)}`, {
        retry: 'later',
        cause: error,
      })
    }
    const body = (await response.json()) as Record<string, unknown>
    if (!response.ok) {
      const report = body.error as ErrorReport | undefined
      throw report
        ? errorFromReport(report)
        : new KintsugiError('service-unreachable', `${service} answered ${response.status}`)
    }
    return body
  }
  const dispatch = new Dispatch({
    portsOf: (service) => [portOf(service) ?? []].flat(),
    strategyOf: () => DEFAULT_BALANCING,
    now: () => performance.now(),
  })
  const ask = <T>(message: ControlRequest) => askPatiently<T>(socketPath, message)
  return {
    status: () => ask<FleetStatus>({ op: 'status' }),
    incidents: () => ask<readonly Incident[]>({ op: 'incidents' }),
    vitals: () => ask<Readonly<Record<string, CellVitals>>>({ op: 'vitals' }),
    restart: (service, reason) =>
      ask<ServiceStatus>({ op: 'restart', service, ...(reason === undefined ? {} : { reason }) }),
    stop: (service, reason, forMs) =>
      ask<ServiceStatus>({ op: 'stop', service, reason, ...(forMs === undefined ? {} : { forMs }) }),
    start: (service) => ask<ServiceStatus>({ op: 'start', service }),
    isolate: (service, reason) => ask<ServiceStatus>({ op: 'isolate', service, reason }),
    resize: (cell, heapMb, reason) => ask<ServiceStatus>({ op: 'resize', cell, heapMb, reason }),
    bringHome: (service) => ask<ServiceStatus>({ op: 'bring-home', service }),
    scale: (service, instances) => ask<readonly ServiceStatus[]>({ op: 'scale', service, instances }),
    dependencies: () => ask<readonly Dependency[]>({ op: 'dependencies' }),
    logs: (service, lines) => ask<readonly string[]>({ op: 'logs', service, lines }),
    collect: async (cell) => void (await ask({ op: 'collect', service: cell })),
    scalable: () => ask<readonly string[]>({ op: 'scalable' }),
    note: async (incident) => void (await ask({ op: 'note', incident })),
    call: async ({ service, tool, arguments: given, effect = 'write', caller, signal }: ToolCall) => {
      const deadline = AbortSignal.timeout(CALL_MS)
      const ends = signal ? AbortSignal.any([signal, deadline]) : deadline
      const traceparent = nextTraceparent(currentTrace.getStore())
      const headers: Record<string, string> = {
        ...authorization(bearer()),
        ...(caller ? delegationHeaders(caller) : {}),
        traceparent,
      }
      return resultOf(
        await dispatch.call(
          { service, tool, effect, signal: ends },
          query({ tool, arguments: given, headers, signal: ends }),
        ),
      )
    },
    tools: async (service) => {
      const { tools } = (await request(service, '/capabilities', { signal: AbortSignal.timeout(5_000) })) as {
        tools: { name: string; description: string; effect: string }[]
      }
      return tools
    },
  }
}
