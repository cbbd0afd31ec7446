/** The HTTP app that every service and main process starts from: checks, errors, health and readiness. */
import { ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type ErrorReport, KintsugiError, toErrorReport } from '../../std/errors.ts'
import {
  type AccessPolicy,
  ANONYMOUS,
  type Caller,
  checkOrigin,
  identify,
  requireToken,
  statusOf,
} from './access.ts'
import { isEssential } from './essential.ts'
import { drainBody } from './slow-body.ts'
import { UnreadResponses } from './unread-responses.ts'

declare module 'hono' {
  interface ContextVariableMap {
    /**
     * The sender of the request. `guardedApp` identifies the caller once; every route behind it reads this.
     */
    caller: Caller
  }
}

/** Maximum size of a request body. */
export const MAX_BODY_BYTES = 1024 * 1024

/** Statuses that tell the client when to try again. */
const RETRY_STATUSES: ReadonlySet<number> = new Set([429, 503])
const DEFAULT_RETRY_MS = 1_000

/** Policy and identity of an app. */
export interface GuardedAppOptions {
  access: AccessPolicy
  /** Fields of `/health` and `/ready` in addition to the state. */
  identity: Record<string, unknown>
  /** Further fields of `/health`. */
  health(): Record<string, unknown>
  /** ms since 1970. */
  now(): number
  /** Why the service is not ready; undefined if it is. */
  readiness(): Promise<string | undefined> | string | undefined
  /** The documentation of the available paths, for the hint of a 404. */
  hint: string
}

/**
 * An app that checks Host, Origin, body size and token, serves `/health` and `/ready`, and reports every
 * error in the same form. Routes added to it find the caller in `c.var.caller`.
 */
export function guardedApp({ access, identity, health, readiness, hint, now }: GuardedAppOptions): Hono {
  const app = new Hono()
  app.onError((error, c) => errorResponse(error, c, access))
  app.notFound((c) => {
    const message = `no such address: ${c.req.path.slice(0, 200)}`
    return c.json({ error: { code: 'not-found', message, hint, retry: 'never' } }, 404)
  })
  app.use(async (c, next) => {
    checkOrigin(access, c.req.raw.headers)
    await next()
  })
  limitBodySize(app)
  app.get('/health', (c) => c.json({ status: 'ok', ...identity, ...health() }))
  app.get('/ready', async (c) => {
    const reason = await readiness()
    return reason === undefined
      ? c.json({ ready: true, ...identity })
      : c.json({ ready: false, reason, ...identity }, 503)
  })
  serveResourceMetadata(app, access)
  const unread = new UnreadResponses(now)
  app.use(async (c, next) => {
    const caller = await identify(access, c.req.raw.headers)
    requireToken(access, caller)
    c.set('caller', caller)
    const { outgoing } = (c.env ?? {}) as Partial<HttpBindings>
    if (outgoing instanceof ServerResponse && !isEssential(c.req.path)) unread.admit(clientOf(c), outgoing)
    await next()
  })
  return app
}

/** Whom limits apply to: the caller, or the address of a caller without a token. */
export function clientOf(c: Context): string {
  const { caller } = c.var
  const { incoming } = (c.env ?? {}) as Partial<HttpBindings>
  return caller === ANONYMOUS ? `anonymous at ${incoming?.socket.remoteAddress ?? 'nowhere'}` : caller.name
}

async function errorResponse(error: unknown, c: Context, access: AccessPolicy): Promise<Response> {
  const report = toErrorReport(error)
  const challenge = challengeOf(report, access)
  if (challenge) c.header('WWW-Authenticate', challenge)
  const status = statusOf(report.code)
  if (RETRY_STATUSES.has(status) && report.retry !== 'never') c.header('Retry-After', retryAfter(report))
  // A connection with an unread rest of a body cannot carry another request.
  if (report.code === 'too-large') {
    const { incoming } = (c.env ?? {}) as Partial<HttpBindings>
    const drained = incoming?.socket && (await drainBody(incoming))
    if (!drained) c.header('Connection', 'close')
  }
  return c.json({ error: report }, status)
}

/** In whole seconds. */
const retryAfter = ({ data }: ErrorReport): string =>
  String(Math.ceil((typeof data?.retryInMs === 'number' ? data.retryInMs : DEFAULT_RETRY_MS) / 1_000))

function limitBodySize(app: Hono): void {
  const tooLarge = () => {
    throw new KintsugiError('too-large', `the body is larger than ${MAX_BODY_BYTES} bytes`)
  }
  const counted = bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge })
  app.use((c, next) => {
    // Node holds a body to its announced length, so only chunked bodies have to be counted.
    const length = c.req.header('content-length')
    if (length === undefined && c.req.method !== 'GET') return counted(c, next)
    if (Number(length ?? 0) > MAX_BODY_BYTES) tooLarge()
    return next()
  })
}

/** OAuth protected resource metadata (RFC 9728). */
function serveResourceMetadata(app: Hono, { oauth }: AccessPolicy): void {
  if (!oauth) return
  const metadata = {
    resource: oauth.resource,
    authorization_servers: [oauth.issuer],
    scopes_supported: ['read', 'write', 'spend'],
    bearer_methods_supported: ['header'],
    resource_name: 'Kintsugi',
  }
  app.get('/.well-known/oauth-protected-resource', (c) => c.json(metadata))
  app.get('/.well-known/oauth-protected-resource/*', (c) => c.json(metadata))
}

/** `WWW-Authenticate` for a missing, invalid or insufficient token (RFC 6750, RFC 9728). */
function challengeOf({ code, data }: ErrorReport, { oauth }: AccessPolicy): string | undefined {
  const error: Readonly<Record<string, string | undefined>> = {
    'token-required': '',
    'bad-token': 'invalid_token',
    'insufficient-scope': 'insufficient_scope',
  }
  const kind = error[code]
  if (kind === undefined) return undefined
  const parts = [
    'realm="kintsugi"',
    ...(kind === '' ? [] : [`error="${kind}"`]),
    ...(typeof data?.scope === 'string' ? [`scope="${data.scope}"`] : []),
  ]
  if (oauth) {
    const { origin, pathname } = new URL(oauth.resource)
    parts.push(
      `resource_metadata="${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}"`,
    )
  }
  return `Bearer ${parts.join(', ')}`
}
