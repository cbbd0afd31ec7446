/** Finding the running fleet of a data folder. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { files, type RunPlan, readPlan } from '../processes/run/run-plan.ts'
import { type ErrorReport, errorFromReport, KintsugiError, messageOf } from '../std/errors.ts'

export interface DataOptions {
  data: string
  json?: boolean
}

/** Throws `not-running`. */
export function runningPlan({ data }: DataOptions): RunPlan {
  const folder = resolve(data)
  if (!existsSync(files(folder).plan))
    throw new KintsugiError('not-running', `no fleet is running on ${folder}`, {
      hint: 'start one with `npm start` or `npx kintsugi up`',
    })
  return readPlan(folder)
}

export function readToken(plan: RunPlan): string | undefined {
  const path = files(plan.dataFolder).token
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

/** A request to a service on its own port, with the token. Throws what it answers, or `service-unreachable`. */
export async function request<T>(
  plan: RunPlan,
  service: string,
  path: string,
  init: RequestInit = {},
): Promise<T> {
  const port = plan.ports[service]
  if (port === undefined)
    throw new KintsugiError(
      'unknown-service',
      `no service is called ${JSON.stringify(service)} in this fleet`,
      { hint: `known: ${Object.keys(plan.ports).join(', ')}` },
    )
  const token = readToken(plan)
  let response: Response
  try {
    response = await fetch(`http://127.0.0.1:${port}${path}`, {
      ...init,
      signal: AbortSignal.timeout(plan.settings.requestTimeoutMs + 1_000),
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    })
  } catch (error) {
    throw new KintsugiError(
      'service-unreachable',
      `${service} on port ${port} does not answer: ${messageOf(error)}`,
      { retry: 'later', hint: 'see `npx kintsugi status`' },
    )
  }
  const body = (await response.json()) as { error?: ErrorReport }
  if (body.error) throw errorFromReport(body.error)
  return body as T
}
