/** What every HTTP surface of the fleet has in common: checks, errors, health and readiness; and how a tool's outcome is said in MCP. */
import { finished } from 'node:stream/promises'
import type { HttpBindings } from '@hono/node-server'
import { type McpHttpHandler, ProtocolError } from '@modelcontextprotocol/server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Wanted } from '../../access/scopes.ts'
import { type ErrorReport, KintsugiError, toErrorReport } from '../../std/errors.ts'
import { MAX_DEPTH, tooDeep } from '../../std/shallow-json.ts'
import { ToolContent } from '../content.ts'
import { InputNeeded } from '../elicitation.ts'
import {
  type AccessPolicy,
  authorize,
  type Caller,
  checkOrigin,
  identify,
  requireToken,
  statusOf,
} from './access.ts'

declare module 'hono' {
  interface ContextVariableMap {
    /** Who sent the request. `guardedApp` identifies the caller once; every route behind it reads this. */
    caller: Caller
  }
}

export const MAX_BODY_BYTES = 1024 * 1024
/** What is refused for its size is read to its end all the same, up to these bounds: who is cut off while sending hears no refusal. */
const MAX_AWAY_BYTES = 32 * MAX_BODY_BYTES
const MAX_AWAY_MS = 2_000
/** A piece, then a pause, longer the more there are who send: together they are read at 50 MB/s, and others do not notice. */
const AWAY_PIECE_BYTES = 256 * 1024
const AWAY_PAUSE_MS = 5
let readingAway = 0

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
  app.onError(async (error, c) => {
    const report = toErrorReport(error)
    const challenge = challengeOf(report, access)
    if (challenge) c.header('WWW-Authenticate', challenge)
    // With a part of a body still on its way, the connection is of no use to anybody.
    if (
      report.code === 'too-large' &&
      !(await readAway((c.env as Partial<HttpBindings> | undefined)?.incoming))
    )
      c.header('Connection', 'close')
    return c.json({ error: report }, statusOf(report.code))
  })
  app.notFound((c) =>
    c.json(
      {
        error: {
          code: 'not-found',
          message: `no such address: ${c.req.path.slice(0, 200)}`,
          hint,
          retry: 'never',
        },
      },
      404,
    ),
  )
  app.use(async (c, next) => {
    checkOrigin(access, c.req.raw.headers)
    await next()
  })
  const tooLarge = () => {
    throw new KintsugiError('too-large', `the body is larger than ${MAX_BODY_BYTES} bytes`)
  }
  const counted = bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge })
  app.use((c, next) => {
    // Node holds a body to the length that it announces: only one that comes in pieces has to be counted.
    const length = c.req.header('content-length')
    if (length === undefined && c.req.method !== 'GET') return counted(c, next)
    if (Number(length ?? 0) > MAX_BODY_BYTES) tooLarge()
    return next()
  })
  app.get('/health', (c) => c.json({ status: 'ok', ...identity, ...health() }))
  app.get('/ready', async (c) => {
    const reason = await readiness()
    return reason === undefined
      ? c.json({ ready: true, ...identity })
      : c.json({ ready: false, reason, ...identity }, 503)
  })
  if (access.oauth) {
    const { issuer, resource } = access.oauth
    const metadata = {
      resource,
      authorization_servers: [issuer],
      scopes_supported: ['read', 'write', 'spend'],
      bearer_methods_supported: ['header'],
      resource_name: 'Kintsugi',
    }
    app.get('/.well-known/oauth-protected-resource', (c) => c.json(metadata))
    app.get('/.well-known/oauth-protected-resource/*', (c) => c.json(metadata))
  }
  // Everything that is added after this needs the token where reads do.
  app.use(async (c, next) => {
    const caller = await identify(access, c.req.raw.headers)
    requireToken(access, caller)
    c.set('caller', caller)
    await next()
  })
  return app
}

/** Reads what is left of a body, slowly, and keeps nothing of it. Resolves with whether all of it came. */
async function readAway(incoming: HttpBindings['incoming'] | undefined): Promise<boolean> {
  if (
    !incoming ||
    !('socket' in incoming) ||
    Number(incoming.headers['content-length'] ?? 0) > MAX_AWAY_BYTES
  )
    return false
  let read = 0
  let due = AWAY_PIECE_BYTES
  readingAway++
  incoming.on('data', (chunk: Buffer) => {
    read += chunk.length
    if (read < due) return
    due += AWAY_PIECE_BYTES
    incoming.pause()
    if (read < MAX_AWAY_BYTES) setTimeout(() => incoming.resume(), AWAY_PAUSE_MS * readingAway).unref()
  })
  return finished(incoming, { writable: false, signal: AbortSignal.timeout(MAX_AWAY_MS) })
    .then(
      () => true,
      () => false,
    )
    .finally(() => readingAway--)
}

/** What a client is told that came without a token, or with one that does not reach so far (RFC 6750, RFC 9728). */
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

/** The body of a request, read once: whoever serves it takes it from here. `body` is undefined for what is no JSON. Throws `bad-json` for what is nested too deep. */
export async function readMessage(
  request: Request,
): Promise<{ readonly text: string; readonly body: unknown }> {
  const text = await request.text()
  if (tooDeep(text)) throw new KintsugiError('bad-json', `the body is nested deeper than ${MAX_DEPTH} levels`)
  try {
    return { text, body: JSON.parse(text) }
  } catch {
    return { text, body: undefined }
  }
}

/** What the SDK serves of a request whose body was read already; what is no JSON is refused in the protocol's own words. */
export const serveRead = (
  handler: Pick<McpHttpHandler, 'fetch'>,
  request: Request,
  { text, body }: { readonly text: string; readonly body: unknown },
): Promise<Response> =>
  body === undefined
    ? handler.fetch(new Request(request.url, { method: 'POST', headers: request.headers, body: text }))
    : handler.fetch(request, { parsedBody: body })

/** A tool that needs a token and is called over MCP without one is refused with 401 before the protocol is entered. */
export async function refuseUnauthorizedCall(
  request: Request,
  body: unknown,
  access: AccessPolicy,
  find: (name: string) => (Wanted & { readonly guarded?: boolean | undefined }) | undefined,
  onRefused: (name: string, caller: Caller, given: unknown, code: string) => void,
): Promise<void> {
  const caller = await identify(access, request.headers)
  for (const message of (Array.isArray(body) ? body : [body]) as (
    | { method?: unknown; params?: { name?: unknown; arguments?: unknown } }
    | null
    | undefined
  )[]) {
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

/** The outcome of a call as MCP says it: structured, content, a question, or an error that a model can read and a program can parse. */
export async function toolOutcome(work: () => Promise<Record<string, unknown> | ToolContent>) {
  try {
    const result = await work()
    if (result instanceof ToolContent)
      return {
        content: [...result.blocks],
        ...(result.structured ? { structuredContent: result.structured } : {}),
      }
    return { content: [{ type: 'text' as const, text: JSON.stringify(result) }], structuredContent: result }
  } catch (error) {
    if (error instanceof InputNeeded) return error.result
    if (error instanceof ProtocolError) throw error
    const report = toErrorReport(error)
    const text = `${report.code}: ${report.message}${report.hint ? ` (${report.hint})` : ''}`
    return {
      content: [{ type: 'text' as const, text }],
      _meta: { 'kintsugi/error': report as never },
      isError: true,
    }
  }
}
