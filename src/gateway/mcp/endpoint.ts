/**
 * `/mcp`: every server of the fleet behind one address, for clients of both revisions. What belongs to a server is forwarded as it is, with
 * its name and what is per hop rewritten; lists, discovery, subscriptions and the meta tools are answered here.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import {
  classifyInboundRequest,
  createMcpHandler,
  PROTOCOL_VERSION_META_KEY,
  ProtocolError,
  Server,
} from '@modelcontextprotocol/server'
import { onBehalfOf } from '../../access/delegation.ts'
import type { Dispatch } from '../../adapters/dispatch/dispatcher.ts'
import { TASKS_EXTENSION } from '../../mcp/elicitation.ts'
import {
  type AccessPolicy,
  ANONYMOUS,
  authorize,
  type Caller,
  countCall,
  identify,
} from '../../mcp/host/access.ts'
import { MAX_BODY_BYTES } from '../../mcp/host/http-app.ts'
import { IDEMPOTENCY_HEADER, IDEMPOTENCY_META } from '../../mcp/host/idempotency.ts'
import { readMessage, serveRead } from '../../mcp/host/request-body.ts'
import { toToolResult } from '../../mcp/host/tool-result.ts'
import { headerValue, NAMED_BY, parameterHeaders } from '../../mcp/protocol/headers.ts'
import type { AuditEntry, AuditRecorder } from '../../ports/audit.ts'
import type { Telemetry } from '../../ports/telemetry.ts'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import { nextTraceparent, traceOf, traceparentOf } from '../../std/trace.ts'
import type { Directory } from './directory.ts'
import { type Forwarded, forward } from './forward.ts'
import { answerLegacy, envelopeFor, MODERN } from './legacy.ts'
import { isMetaTool, META_LISTINGS, type MetaTools, parseMeta, unknownTool } from './meta-tools.ts'
import { SESSION_HEADER, type Session, type Sessions } from './sessions.ts'
import { type JsonRpcRequest, type Target, targetOf } from './target.ts'
import { belongs, lists, type View, viewOf } from './view.ts'

export interface EndpointOptions {
  directory: Directory
  meta: MetaTools
  dispatch: Dispatch
  sessions: Sessions
  access: AccessPolicy
  /** Ours, for services: the caller's never travels on. */
  bearer(): string | undefined
  version: string
  timeoutMs: number
  telemetry?: Telemetry | undefined
  /** Where what is refused here is recorded; the rest is recorded where it runs. */
  audit?: AuditRecorder
}

export interface McpEndpoint {
  /** `env`: the adapter's, which tells when the caller hangs up. */
  fetch(request: Request, env?: unknown): Promise<Response>
  notify: ReturnType<typeof createMcpHandler>['notify']
}

const LIST_TTL_MS = 5_000
const CLIENT_INFO = 'io.modelcontextprotocol/clientInfo'
/** Headers that go on to the service besides those made anew. */
const PASSED_ON = /^(accept|mcp-protocol-version|mcp-method|mcp-param-.+|tracestate|idempotency-key)$/
const INSTRUCTIONS =
  'A fleet of servers for flash-loan arbitrage and its own operation. Find tools with search_tools and call them with call_tool, or by their full name server__tool. Reads are free; tools with the effect "write" or "spend" need the token.'

export function mcpEndpoint(options: EndpointOptions): McpEndpoint {
  const { directory, dispatch, sessions, access, bearer, version, timeoutMs, telemetry } = options
  const own = () => {
    const token = bearer()
    return token === undefined ? {} : { authorization: `Bearer ${token}` }
  }
  const handler = createMcpHandler(
    (context) =>
      localServer(context.requestInfo ? viewOf(context.requestInfo.url) : { kind: 'all' }, options),
    {
      maxRequestBodySize: MAX_BODY_BYTES,
    },
  )

  const send = async (
    request: Request,
    env: unknown,
    call: JsonRpcRequest,
    target: Target,
    modern: boolean,
    session: Session | undefined,
  ): Promise<Response> => {
    const caller = await identify(access, request.headers)
    const cameFrom = traceparentOf(
      request.headers.get('traceparent') ??
        (target.params._meta as Record<string, unknown> | undefined)?.traceparent,
    )
    const operation = telemetry?.begin(
      'server',
      call.method,
      target.what,
      aboutCall(request, call, modern, session),
      cameFrom,
    )
    const trace = operation?.traceparent ?? nextTraceparent(cameFrom)
    try {
      authorize(access, caller, { ...target, tool: target.what })
      countCall(caller, Date.now())
    } catch (error) {
      operation?.end(toErrorReport(error).code)
      options.audit?.record(refusal(caller, target, traceOf(trace), error))
      throw error
    }
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    for (const [name, value] of headersOf(request, env))
      if (typeof value === 'string' && PASSED_ON.test(name)) headers[name] = value
    headers.traceparent = trace
    if (target.name !== undefined) headers['mcp-name'] = headerValue(target.name)
    if (!modern) Object.assign(headers, { 'mcp-protocol-version': MODERN, 'mcp-method': call.method })
    // Who calls by its meta tool, or speaks 2025, did not know of these.
    if (target.schema && (!modern || isMetaTool(call.params?.name)))
      Object.assign(headers, parameterHeaders(target.schema, target.params.arguments))
    if (caller !== ANONYMOUS) Object.assign(headers, own(), onBehalfOf(caller))
    const running = !modern && session ? sessions.run(session.id, call.id) : undefined
    const { signal, release } = endOf(request, env, timeoutMs, running?.cancelled)
    const meta = (target.params._meta ?? {}) as Record<string, unknown>
    const keyed = meta[IDEMPOTENCY_META] !== undefined || request.headers.has(IDEMPOTENCY_HEADER)
    // Who hears of progress would hear of it twice.
    const hedged = !target.guarded && meta.progressToken === undefined
    const once = async (params: Record<string, unknown>): Promise<Forwarded> => {
      const hop = telemetry?.begin(
        'client',
        call.method,
        target.what,
        { 'server.address': target.service },
        trace,
      )
      if (hop) headers.traceparent = hop.traceparent
      const asked = dispatch.call(
        {
          service: target.service,
          tool: target.what,
          effect: target.effect,
          signal,
          caller: caller === ANONYMOUS ? undefined : caller.name,
          keyed,
          hedged,
        },
        forward({ body: JSON.stringify({ ...call, params: stamped(params, version) }), headers, signal }),
      )
      if (hop)
        asked.then(
          () => hop.end(),
          (error) => hop.end(toErrorReport(error).code),
        )
      return asked
    }
    const onEnd = (error?: string) => {
      operation?.end(error)
      release()
      running?.end()
    }
    try {
      if (!modern)
        return await answerLegacy({
          id: call.id,
          params: envelopeFor(target.params, session),
          session,
          sessions,
          signal,
          once,
          onEnd: () => onEnd(),
        })
      const answer = await once(target.params)
      if (Buffer.isBuffer(answer.body)) onEnd()
      else operation?.end()
      const stream = Buffer.isBuffer(answer.body)
        ? (answer.body as Uint8Array<ArrayBuffer>)
        : (Readable.toWeb(Readable.from(answer.body, { objectMode: false })) as ReadableStream<Uint8Array>)
      return new Response(stream, { status: answer.status, headers: { 'content-type': answer.contentType } })
    } catch (error) {
      onEnd(toErrorReport(error).code)
      return failure(call, error, modern)
    }
  }

  /** What clients of 2025 send within a session besides calls. Undefined for what is none of it. */
  const inSession = async (
    request: Request,
    message: JsonRpcRequest,
    session: Session,
  ): Promise<Response | undefined> => {
    const { id, method, params = {} } = message
    const done = (result: unknown) => Response.json({ jsonrpc: '2.0', id, result })
    if (method === undefined) {
      const { result, error } = message as { result?: unknown; error?: { message?: string } }
      sessions.tell({ session: session.id, id, answer: error ? { error } : { result } })
      return new Response(null, { status: 202 })
    }
    const watched = session.state.watched ?? []
    switch (method) {
      case 'notifications/cancelled':
        sessions.tell({ session: session.id, id: params.requestId as string | number })
        return new Response(null, { status: 202 })
      case 'logging/setLevel':
        await sessions.change(session, { logLevel: String(params.level) })
        return done({})
      case 'resources/subscribe':
        targetOf({ ...message, method: 'resources/read' }, viewOf(request.url), directory)
        await sessions.change(session, { watched: [...new Set([...watched, String(params.uri)])] })
        return done({})
      case 'resources/unsubscribe':
        await sessions.change(session, { watched: watched.filter((uri) => uri !== params.uri) })
        return done({})
      default:
        return undefined
    }
  }

  return {
    notify: {
      toolsChanged: () => {
        handler.notify.toolsChanged()
        sessions.notify('notifications/tools/list_changed')
      },
      promptsChanged: () => {
        handler.notify.promptsChanged()
        sessions.notify('notifications/prompts/list_changed')
      },
      resourcesChanged: () => {
        handler.notify.resourcesChanged()
        sessions.notify('notifications/resources/list_changed')
      },
      resourceUpdated: (uri) => {
        handler.notify.resourceUpdated(uri)
        sessions.notify('notifications/resources/updated', uri)
      },
    },
    async fetch(request, env) {
      if (!directory.gathered) await directory.gathering
      const view = viewOf(request.url)
      const sessionId = request.headers.get(SESSION_HEADER)
      const session =
        sessionId === null
          ? undefined
          : await sessions.find(sessionId, (await identify(access, request.headers)).name)
      if (sessionId !== null && !session) return noSession()
      if (request.method !== 'POST') {
        if (!session) return handler.fetch(request)
        if (request.method === 'GET') return sessions.stream(session.id, endOf(request, env).signal)
        if (request.method === 'DELETE') {
          await sessions.change(session, { ended: true })
          return new Response(null, { status: 204 })
        }
        return handler.fetch(request)
      }
      const message = await readMessage(request)
      const { body: parsedBody } = message
      if (parsedBody === undefined) return serveRead(handler, request, message)
      const call = parsedBody as JsonRpcRequest
      const kind = kindOf(request, call)
      const modern = kind === 'modern'
      if (session && !modern && !Array.isArray(parsedBody)) {
        const answered = await inSession(request, call, session).catch((error) =>
          failure(call, error, modern),
        )
        if (answered) return answered
      }
      const single =
        kind !== 'reject' && !Array.isArray(parsedBody) && call.id !== undefined && call.params !== undefined
      // A modern request whose headers do not say what its body says is refused by the protocol's own rules.
      if (!single || (modern && !headersAgree(request, call))) {
        await refuseGuarded(request, parsedBody, view, options)
        return handler.fetch(request, { parsedBody })
      }
      let target: Target | undefined
      try {
        target = targetOf(call, view, directory)
      } catch (error) {
        return failure(call, error, modern)
      }
      if (target) return send(request, env, call, target, modern, session)
      const answer = await handler.fetch(request, { parsedBody })
      if (modern || call.method !== 'initialize' || !answer.ok) return answer
      const headers = new Headers(answer.headers)
      headers.set(
        SESSION_HEADER,
        await sessions.begin(
          (await identify(access, request.headers)).name,
          (call.params?.capabilities ?? {}) as Session['client'],
        ),
      )
      return new Response(answer.body, { status: answer.status, headers })
    },
  }
}

const noSession = (): Response =>
  Response.json(
    {
      jsonrpc: '2.0',
      id: null,
      error: {
        code: -32001,
        message: 'Session not found: it has ended, or is not of this fleet; initialize anew',
      },
    },
    { status: 404 },
  )

const aboutCall = (
  request: Request,
  { id }: JsonRpcRequest,
  modern: boolean,
  session: Session | undefined,
) => ({
  'jsonrpc.request.id': String(id),
  // The id itself lets whoever has it speak in the session.
  'mcp.session.id': session && createHash('sha256').update(session.id).digest('hex').slice(0, 16),
  'mcp.protocol.version': modern ? MODERN : (request.headers.get('mcp-protocol-version') ?? undefined),
})

function refusal(
  caller: Caller,
  { service, what, effect, params }: Target,
  trace: string | null,
  error: unknown,
): AuditEntry {
  const argumentsHash = createHash('sha256')
    .update(JSON.stringify(params.arguments ?? {}))
    .digest('hex')
  return {
    at: Date.now(),
    who: caller.name,
    service,
    tool: what,
    effect,
    argumentsHash,
    definitionHash: '',
    trace,
    decision: 'refused',
    outcome: toErrorReport(error).code,
    durationMs: null,
  }
}

/** Ends with the caller or at the deadline. The adapter's own signal would make a whole web request of it, which costs more than all the rest. */
function endOf(
  request: Request,
  env: unknown,
  timeoutMs?: number,
  cancelled?: AbortSignal,
): { signal: AbortSignal; release: () => void } {
  const outgoing = (env as { outgoing?: ServerResponse } | undefined)?.outgoing
  if (!outgoing) {
    const ends = [
      request.signal,
      ...(timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)]),
      ...(cancelled ? [cancelled] : []),
    ]
    return { signal: AbortSignal.any(ends), release: () => undefined }
  }
  const ends = new AbortController()
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => ends.abort(new DOMException('the call took too long', 'TimeoutError')), timeoutMs)
  cancelled?.addEventListener('abort', () => ends.abort(cancelled.reason), { once: true })
  const hungUp = () => {
    clearTimeout(timer)
    if (!outgoing.writableFinished) ends.abort()
  }
  outgoing.once('close', hungUp)
  const release = () => {
    clearTimeout(timer)
    outgoing.off('close', hungUp)
  }
  return { signal: ends.signal, release }
}

/** The adapter's own are at hand; those of the request are made when somebody walks through them. */
const headersOf = (request: Request, env: unknown): Iterable<[string, unknown]> => {
  const incoming = (env as { incoming?: IncomingMessage } | undefined)?.incoming
  return incoming ? Object.entries(incoming.headers) : request.headers
}

const headerOf = <K extends string>(request: Request, header: string, as: K): Partial<Record<K, string>> => {
  const value = request.headers.get(header)
  return (value === null ? {} : { [as]: value }) as Partial<Record<K, string>>
}

/** Of which revision a message is. What says plainly that it is a modern request is not looked at further: its server checks it anyway. */
function kindOf(request: Request, call: JsonRpcRequest): 'modern' | 'legacy' | 'reject' {
  const meta = call?.params?._meta as Record<string, unknown> | undefined
  const plain =
    typeof call?.method === 'string' && call.id !== undefined && meta?.[PROTOCOL_VERSION_META_KEY] === MODERN
  if (plain && request.headers.get('mcp-protocol-version') === MODERN && headersAgree(request, call))
    return 'modern'
  return classifyInboundRequest({
    httpMethod: 'POST',
    ...headerOf(request, 'mcp-protocol-version', 'protocolVersionHeader'),
    ...headerOf(request, 'mcp-method', 'mcpMethodHeader'),
    ...headerOf(request, 'mcp-name', 'mcpNameHeader'),
    body: call,
  }).kind
}

function headersAgree(request: Request, { method, params }: JsonRpcRequest): boolean {
  const field = NAMED_BY[method]
  return (
    request.headers.get('mcp-protocol-version') !== null &&
    request.headers.get('mcp-method') === method &&
    (field === undefined || request.headers.get('mcp-name')?.trim() === params?.[field])
  )
}

/** What the SDK answers by itself must not be a way around the token either. */
async function refuseGuarded(
  request: Request,
  body: unknown,
  view: View,
  { access, directory }: EndpointOptions,
): Promise<void> {
  const caller = await identify(access, request.headers)
  for (const message of Array.isArray(body) ? body : [body]) {
    if ((message as JsonRpcRequest | undefined)?.method !== 'tools/call') continue
    try {
      const target = targetOf(message as JsonRpcRequest, view, directory)
      if (target) authorize(access, caller, { ...target, tool: target.what })
    } catch (error) {
      if (
        error instanceof KintsugiError &&
        error.code !== 'token-required' &&
        error.code !== 'insufficient-scope'
      )
        continue
      throw error
    }
  }
}

/** Who asks is us, on this hop; everything else of the envelope is the client's. */
function stamped(params: Record<string, unknown>, version: string): Record<string, unknown> {
  const meta = (params._meta ?? {}) as Record<string, unknown>
  return { ...params, _meta: { ...meta, [CLIENT_INFO]: { name: 'kintsugi', version } } }
}

/** A failure on the way: as a tool's error, which a model can read, or as the protocol's. */
function failure(call: JsonRpcRequest, error: unknown, modern: boolean): Response {
  if (error instanceof ProtocolError)
    return Response.json(
      { jsonrpc: '2.0', id: call.id, error: { code: error.code, message: error.message, data: error.data } },
      { status: modern ? 400 : 200 },
    )
  const report = toErrorReport(error)
  if (report.code === 'token-required' || report.code === 'bad-token' || report.code === 'insufficient-scope')
    throw error
  if (call.method !== 'tools/call') {
    const code = report.code === 'not-found' || report.code === 'bad-argument' ? -32602 : -32603
    return Response.json({
      jsonrpc: '2.0',
      id: call.id,
      error: {
        code,
        message: report.message,
        data: { ...report, ...(call.params?.uri === undefined ? {} : { uri: call.params.uri }) },
      },
    })
  }
  const text = `${report.code}: ${report.message}${report.hint ? ` (${report.hint})` : ''}`
  const result = {
    content: [{ type: 'text', text }],
    isError: true,
    _meta: { 'kintsugi/error': report },
    ...(modern ? { resultType: 'complete' } : {}),
  }
  return Response.json({ jsonrpc: '2.0', id: call.id, result })
}

/** What the gateway answers itself, through the SDK. */
function localServer(view: View, { directory, meta, version }: EndpointOptions): Server {
  const inView = <T extends { service: string; listing: { name: string } }>(items: Iterable<T>): T[] =>
    [...items].filter(({ service, listing }) => belongs(view, service, listing.name))
  const server = new Server(
    { name: 'kintsugi', version, title: 'Kintsugi' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        completions: {},
        logging: {},
        extensions: { [TASKS_EXTENSION]: {} },
      },
      instructions: INSTRUCTIONS,
    },
  )
  const missing = () =>
    directory.missing.length > 0 ? { _meta: { 'kintsugi/missing': directory.missing } } : {}
  const cached = { ttlMs: LIST_TTL_MS, cacheScope: 'public' as never }
  const plainly = <L extends { name: string }>({ plain, listing }: { plain: string; listing: L }): L =>
    view.kind === 'server'
      ? {
          ...listing,
          name: plain.startsWith(`${view.server}__`) ? plain.slice(view.server.length + 2) : plain,
        }
      : listing
  server.setRequestHandler('tools/list', () => {
    const listed = [...directory.tools.values()]
      .filter(({ service, listing }) => lists(view, service, listing.name))
      .map(plainly)
    return {
      tools: [...(view.kind === 'search' ? META_LISTINGS : []), ...listed] as never,
      ...cached,
      ...missing(),
    }
  })
  server.setRequestHandler('resources/list', () => ({
    resources: inView(directory.resources.values()).map(({ listing }) => listing),
    ...cached,
    ...missing(),
  }))
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: inView(directory.templates).map(({ listing }) => listing),
    ...cached,
    ...missing(),
  }))
  server.setRequestHandler('prompts/list', () => ({
    prompts: inView(directory.prompts.values()).map(plainly),
    ...cached,
    ...missing(),
  }))
  server.setRequestHandler('tools/call', ({ params }) =>
    toToolResult(async () => {
      if (params.name === 'search_tools') {
        const { query, limit } = parseMeta('search_tools', params.arguments)
        return meta.search(query, limit)
      }
      if (params.name === 'describe_tool')
        return { ...meta.describe(parseMeta('describe_tool', params.arguments).name) }
      throw unknownTool(params.name, directory)
    }),
  )
  return server
}
