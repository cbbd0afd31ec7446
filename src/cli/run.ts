/** Access to the running fleet of a data folder: its plan, its control socket, its services. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { askPatiently } from '../adapters/fleet/control-client.ts'
import { files, type RunPlan, readPlan, socketPath } from '../processes/run/run-plan.ts'
import { type ErrorReport, errorFromReport, KintsugiError, messageOf } from '../std/errors.ts'
import { serviceNamed } from './service-name.ts'

/** The options that every command on a running fleet has. */
export interface DataOptions {
  data: string
  json?: boolean
}

/** A request is answered within its own timeout; the transport waits a little longer. */
const TRANSPORT_MARGIN_MS = 1_000

/** The plan of the running fleet. Throws `not-running`. */
export function runningPlan({ data }: DataOptions): RunPlan {
  const folder = resolve(data)
  if (!existsSync(files(folder).plan))
    throw new KintsugiError('not-running', `no fleet is running on ${folder}`, {
      hint: 'start one with `npm start` or `npx kintsugi up`, or name its folder with --data',
    })
  return readPlan(folder)
}

/** The path of the supervisor's control socket. Throws `not-running`. */
export const controlSocket = (options: DataOptions): string =>
  socketPath(runningPlan(options).dataFolder, 'control')

/** The full name of a service, infrastructure part or cell. Throws `unknown-service` with suggestions. */
export async function resolveUnit(control: string, input: string): Promise<string> {
  const { services } = await askPatiently(control, { op: 'status' })
  const known = new Set([...services.map(({ id }) => id), ...services.map(({ cell }) => cell), 'chain'])
  return serviceNamed(input, [...known])
}

/** The data folder's token, which may do everything; undefined if there is none. */
export function readToken(plan: RunPlan): string | undefined {
  const path = files(plan.dataFolder).token
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

/**
 * A request to a service on its own port, with the data folder's token unless another one is given.
 * Throws the error that the service returns, `unknown-service` or `service-unreachable`.
 */
export async function request<T>(
  plan: RunPlan,
  service: string,
  path: string,
  init: RequestInit = {},
  token = readToken(plan),
): Promise<T> {
  const name = serviceNamed(service, Object.keys(plan.ports))
  const port = plan.ports[name]
  let response: Response
  try {
    response = await fetch(`http://127.0.0.1:${port}${path}`, {
      ...init,
      signal: AbortSignal.timeout(plan.settings.requestTimeoutMs + TRANSPORT_MARGIN_MS),
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    })
  } catch (error) {
    throw new KintsugiError(
      'service-unreachable',
      `${name} (port ${port}) did not answer: ${messageOf(error)}`,
      {
        retry: 'later',
        hint: '`npx kintsugi status` shows its state',
      },
    )
  }
  const body = (await response.json()) as { error?: ErrorReport }
  if (body.error) throw errorFromReport(body.error)
  return body as T
}
