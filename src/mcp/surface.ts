/** What every HTTP surface of the fleet has in common: checks, errors, health and readiness; and how a tool's outcome is said in MCP. */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { KintsugiError, toErrorReport } from '../std/errors.ts'
import { type AccessPolicy, authorize, type Caller, checkOrigin, identify, statusOf } from './access.ts'
import type { Wanted } from '../access/scopes.ts'

export const MOST_BODY_BYTES = 1024 * 1024

export interface SurfaceOptions {
  access: AccessPolicy
  /** What `/health` and `/ready` say besides their state. */
  identity: Record<string, unknown>
  health(): Record<string, unknown>
  /** Why it is not ready, or undefined. */
  readiness(): Promise<string | undefined> | string | undefined
  /** Where to look for the addresses there are. */
  hint: string
}

/** An app that checks Host, Origin, size and token, answers health and readiness, and reports every error the same way. */
export function guardedApp({ access, identity, health, readiness, hint }: SurfaceOptions): Hono {
  const app = new Hono()
  app.onError((error, c) => {
    const report = toErrorReport(error)
    if (report.code === 'token-required' || report.code === 'bad-token') c.header('WWW-Authenticate', 'Bearer realm="kintsugi"')
    return c.json({ error: report }, statusOf(report.code))
  })
  app.notFound((c) => c.json({ error: { code: 'not-found', message: `no such address: ${c.req.path.slice(0, 200)}`, hint, retry: 'never' } }, 404))
  app.use(async (c, next) => {
    checkOrigin(access, c.req.raw.headers)
    await next()
  })
  app.use(
    bodyLimit({
      maxSize: MOST_BODY_BYTES,
      onError: () => {
        throw new KintsugiError('too-large', `the body is larger than ${MOST_BODY_BYTES} bytes`)
      },
    }),
  )
  app.get('/health', (c) => c.json({ status: 'ok', ...identity, ...health() }))
  app.get('/ready', async (c) => {
    const reason = await readiness()
    return reason === undefined ? c.json({ ready: true, ...identity }) : c.json({ ready: false, reason, ...identity }, 503)
  })
  // Everything that is added after this needs the token where reads do.
  app.use(async (c, next) => {
    authorize(access, await identify(access, c.req.raw.headers))
    await next()
  })
  return app
}

/** A tool that needs a token and is called over MCP without one is refused with 401 before the protocol is entered. */
export async function refuseUnauthorizedCall(
  request: Request,
  access: AccessPolicy,
  find: (name: string) => (Wanted & { readonly guarded?: boolean | undefined }) | undefined,
  onRefused: (name: string, caller: Caller, given: unknown, code: string) => void,
): Promise<void> {
  const caller = await identify(access, request.headers)
  if (request.method !== 'POST') return
  const body = await request
    .clone()
    .json()
    .catch(() => undefined)
  for (const message of Array.isArray(body) ? body : [body]) {
    if (message?.method !== 'tools/call') continue
    const name = String(message.params?.name)
    const tool = find(name)
    if (!tool) continue
    try {
      authorize(access, caller, tool)
    } catch (error) {
      onRefused(name, caller, message.params?.arguments, toErrorReport(error).code)
      throw error
    }
  }
}

/** The outcome of a call as MCP says it: structured, or an error that a model can read and a program can parse. */
export async function toolOutcome(work: () => Promise<Record<string, unknown>>) {
  try {
    const result = await work()
    return { content: [{ type: 'text' as const, text: JSON.stringify(result) }], structuredContent: result }
  } catch (error) {
    const report = toErrorReport(error)
    const text = `${report.code}: ${report.message}${report.hint ? ` (${report.hint})` : ''}`
    return { content: [{ type: 'text' as const, text }], _meta: { 'kintsugi/error': report as never }, isError: true }
  }
}
