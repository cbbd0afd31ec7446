/** The fleet through its supervisor's control socket, and its services through their ports. */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { FleetControl, FleetStatus, ServiceStatus, ToolCall } from '../../ports/fleet.ts'
import { type ErrorReport, KintsugiError, messageOf } from '../../std/errors.ts'

export type ControlRequest = { op: 'status' } | { op: 'restart'; service: string } | { op: 'down' } | { op: 'events' }
export type ControlAnswer = { ok: true; result: unknown } | { ok: false; error: ErrorReport }

/** One request to the supervisor. Throws `not-running` where none listens. */
export function askSupervisor<T>(path: string, request: ControlRequest, timeoutMs = 10_000): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new KintsugiError('service-unreachable', `the supervisor did not answer within ${timeoutMs} ms`, { retry: 'later' }))
    }, timeoutMs)
    const fail = (message: string) => {
      clearTimeout(timer)
      socket.destroy()
      reject(new KintsugiError('not-running', message, { hint: 'start the fleet with `npm start` or `npx kintsugi up`' }))
    }
    socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? 'no fleet is running on this data folder' : error.message))
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    const lines = createInterface({ input: socket })
    lines.on('error', () => undefined)
    lines.once('line', (line) => {
      clearTimeout(timer)
      socket.end()
      const answer = JSON.parse(line) as ControlAnswer
      if (answer.ok) resolve(answer.result as T)
      else reject(new KintsugiError(answer.error.code, answer.error.message, answer.error))
    })
    socket.on('close', () => fail('the supervisor closed the connection'))
  })
}

export interface ControlOptions {
  socketPath: string
  portOf(service: string): number | undefined
  token: string | undefined
}

export function fleetControl({ socketPath, portOf, token }: ControlOptions): FleetControl {
  const request = async (service: string, path: string, init: RequestInit = {}): Promise<Record<string, unknown>> => {
    const port = portOf(service)
    if (port === undefined) throw new KintsugiError('unknown-service', `no service is called ${JSON.stringify(service)} here`)
    let response: Response
    try {
      response = await fetch(`http://127.0.0.1:${port}${path}`, {
        ...init,
        headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      })
    } catch (error) {
      if (init.signal?.aborted) throw new KintsugiError('cancelled', `the call of ${service} was cancelled`)
      throw new KintsugiError('service-unreachable', `${service} cannot be reached: ${messageOf(error)}`, { retry: 'later', cause: error })
    }
    const body = (await response.json()) as Record<string, unknown>
    if (!response.ok) {
      const report = body.error as ErrorReport | undefined
      throw new KintsugiError(report?.code ?? 'service-unreachable', report?.message ?? `${service} answered ${response.status}`, report ?? { retry: 'later' })
    }
    return body
  }
  return {
    status: () => askSupervisor<FleetStatus>(socketPath, { op: 'status' }),
    restart: (service) => askSupervisor<ServiceStatus>(socketPath, { op: 'restart', service }),
    call: async ({ service, tool, arguments: given, signal }: ToolCall) =>
      (await request(service, '/query', { method: 'POST', body: JSON.stringify({ ...given, type: tool }), ...(signal ? { signal } : {}) })).result,
    tools: async (service) => {
      const { tools } = (await request(service, '/capabilities', { signal: AbortSignal.timeout(5_000) })) as { tools: { name: string; description: string; effect: string }[] }
      return tools
    },
  }
}
