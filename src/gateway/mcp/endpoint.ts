/**
 * `/mcp`: every server of the fleet behind one address, for clients of both revisions. What belongs to a server is forwarded as it is, with
 * its name and what is per hop rewritten; lists, discovery, subscriptions and the meta tools are answered here.
 */
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { classifyInboundRequest, createMcpHandler, Server, UriTemplate } from '@modelcontextprotocol/server'
import type { Dispatch } from '../../adapters/fleet/dispatch.ts'
import { type AccessPolicy, ANONYMOUS, authorize, type Caller, identify, ON_BEHALF_HEADER } from '../../mcp/access.ts'
import type { Effect } from '../../mcp/define.ts'
import { MOST_BODY_BYTES, toolOutcome } from '../../mcp/surface.ts'
import type { AuditEntry, AuditRecorder } from '../../ports/audit.ts'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import { nextTraceparent, traceOf } from '../../std/trace.ts'
import { nameOf } from '../../mcp/tool-search.ts'
import type { Directory } from './directory.ts'
import { forward } from './forward.ts'
import { isMetaTool, META_LISTINGS, type MetaTools, parseMeta, unknownTool } from './meta-tools.ts'
import { lists, type View, viewOf } from './view.ts'

export interface EndpointOptions {
  directory: Directory
  meta: MetaTools
  dispatch: Dispatch
  access: AccessPolicy
  /** Ours, for services: the caller's never travels on. */
  token: string | undefined
  version: string
  timeoutMs: number
  /** Where what is refused here is recorded; the rest is recorded where it runs. */
  audit?: AuditRecorder
}

export interface McpEndpoint {
  /** `env`: the adapter's, which tells when the caller hangs up. */
  fetch(request: Request, env?: unknown): Promise<Response>
  notify: ReturnType<typeof createMcpHandler>['notify']
}

interface JsonRpcRequest {
  readonly jsonrpc: '2.0'
  readonly id: string | number
  readonly method: string
  readonly params?: Record<string, unknown>
}

/** Where a request goes, and as what. */
interface Target {
  readonly service: string
  /** For breakers: the tool, or the method. */
  readonly what: string
  readonly effect: Effect
  readonly guarded: boolean
  readonly params: Record<string, unknown>
  /** What the header `Mcp-Name` must say. */
  readonly name: string | undefined
}

const LIST_TTL_MS = 5_000
const CLIENT_INFO = 'io.modelcontextprotocol/clientInfo'
/** Which field names what a request is for. */
const NAMED_BY: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }
/** Headers that go on to the service besides those made anew. */
const PASSED_ON = /^(accept|mcp-protocol-version|mcp-method|mcp-param-.+|tracestate)$/
const INSTRUCTIONS =
  'A fleet of servers for flash-loan arbitrage and its own operation. Find tools with search_tools and call them with call_tool, or by their full name server__tool. Reads are free; tools with the effect "write" or "spend" need the token.'

export function mcpEndpoint(options: EndpointOptions): McpEndpoint {
  const { directory, dispatch, access, token, version, timeoutMs } = options
  const own = token ? { authorization: `Bearer ${token}` } : {}
  const handler = createMcpHandler((context) => localServer(context.requestInfo ? viewOf(context.requestInfo.url) : { kind: 'all' }, options), {
    maxRequestBodySize: MOST_BODY_BYTES,
  })

  const send = async (request: Request, env: unknown, call: JsonRpcRequest, target: Target, modern: boolean): Promise<Response> => {
    const caller = await identify(access, request.headers)
    const trace = nextTraceparent(request.headers.get('traceparent') ?? (target.params._meta as Record<string, unknown> | undefined)?.traceparent)
    try {
      authorize(access, caller, { ...target, tool: target.what })
    } catch (error) {
      options.audit?.record(refusal(caller, target, traceOf(trace), error))
      throw error
    }
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    for (const [name, value] of request.headers) if (PASSED_ON.test(name)) headers[name] = value
    headers.traceparent = trace
    if (target.name !== undefined && modern) headers['mcp-name'] = target.name
    if (caller !== ANONYMOUS || access.required || access.beyondLoopback) Object.assign(headers, own, caller === ANONYMOUS ? {} : { [ON_BEHALF_HEADER]: caller.name })
    const body = JSON.stringify({ ...call, params: modern ? stamped(target.params, version) : target.params })
    const { signal, release } = endOf(request, env, timeoutMs)
    try {
      const answer = await dispatch.call({ service: target.service, tool: target.what, effect: target.effect, signal }, forward({ body, headers, signal }))
      if (Buffer.isBuffer(answer.body)) release()
      const stream = Buffer.isBuffer(answer.body)
        ? (answer.body as Uint8Array<ArrayBuffer>)
        : (Readable.toWeb(Readable.from(answer.body, { objectMode: false })) as ReadableStream<Uint8Array>)
      return new Response(stream, { status: answer.status, headers: { 'content-type': answer.contentType } })
    } catch (error) {
      release()
      return failure(call, error, modern)
    }
  }

  return {
    notify: handler.notify,
    async fetch(request, env) {
      const view = viewOf(request.url)
      if (request.method !== 'POST') return handler.fetch(request)
      const text = await request.text()
      const parsedBody = parse(text)
      // What is no JSON is refused in the protocol's own words.
      if (parsedBody === undefined) return handler.fetch(new Request(request.url, { method: 'POST', headers: request.headers, body: text }))
      const outcome = classifyInboundRequest({
        httpMethod: 'POST',
        ...headerOf(request, 'mcp-protocol-version', 'protocolVersionHeader'),
        ...headerOf(request, 'mcp-method', 'mcpMethodHeader'),
        ...headerOf(request, 'mcp-name', 'mcpNameHeader'),
        body: parsedBody,
      })
      const call = parsedBody as JsonRpcRequest
      const single = outcome.kind !== 'reject' && !Array.isArray(parsedBody) && call.id !== undefined && call.params !== undefined
      const modern = outcome.kind === 'modern'
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
      return target ? send(request, env, call, target, modern) : handler.fetch(request, { parsedBody })
    },
  }
}

function refusal(caller: Caller, { service, what, effect, params }: Target, trace: string | null, error: unknown): AuditEntry {
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
function endOf(request: Request, env: unknown, timeoutMs: number): { signal: AbortSignal; release: () => void } {
  const outgoing = (env as { outgoing?: ServerResponse } | undefined)?.outgoing
  if (!outgoing) return { signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]), release: () => undefined }
  const ends = new AbortController()
  const timer = setTimeout(() => ends.abort(new DOMException('the call took too long', 'TimeoutError')), timeoutMs)
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const headerOf = <K extends string>(request: Request, header: string, as: K): Partial<Record<K, string>> => {
  const value = request.headers.get(header)
  return (value === null ? {} : { [as]: value }) as Partial<Record<K, string>>
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
async function refuseGuarded(request: Request, body: unknown, view: View, { access, directory }: EndpointOptions): Promise<void> {
  const caller = await identify(access, request.headers)
  for (const message of Array.isArray(body) ? body : [body]) {
    if ((message as JsonRpcRequest | undefined)?.method !== 'tools/call') continue
    try {
      const target = targetOf(message as JsonRpcRequest, view, directory)
      if (target) authorize(access, caller, { ...target, tool: target.what })
    } catch (error) {
      if (error instanceof KintsugiError && error.code !== 'token-required' && error.code !== 'insufficient-scope') continue
      throw error
    }
  }
}

/** Undefined for what is answered here. Throws `unknown-tool`, `not-found`, `bad-argument`. */
function targetOf(call: JsonRpcRequest, view: View, directory: Directory): Target | undefined {
  const params = call.params ?? {}
  const full = (name: string) => (view.kind === 'server' ? nameOf(view.server, name) : name)
  switch (call.method) {
    case 'tools/call': {
      if (view.kind !== 'server' && isMetaTool(params.name)) {
        if (params.name !== 'call_tool') return undefined
        const inner = parseMeta('call_tool', params.arguments)
        return toolTarget(inner.name, { ...params, arguments: inner.arguments }, directory)
      }
      return toolTarget(full(String(params.name)), params, directory)
    }
    case 'prompts/get': {
      const prompt = directory.prompts.get(full(String(params.name)))
      if (!prompt) throw new KintsugiError('not-found', `there is no prompt ${JSON.stringify(String(params.name).slice(0, 120))}`, { hint: 'prompts are named server__prompt' })
      return { service: prompt.service, what: call.method, effect: 'read', guarded: false, params: { ...params, name: prompt.plain }, name: prompt.plain }
    }
    case 'resources/read': {
      const uri = String(params.uri)
      const found = resourceAt(uri, view, directory)
      if (!found) throw new KintsugiError('not-found', `there is no resource ${JSON.stringify(uri.slice(0, 200))}`)
      return { service: found.service, what: call.method, effect: 'read', guarded: false, params: { ...params, uri: found.uri }, name: found.uri }
    }
    case 'completion/complete': {
      const ref = params.ref as { type?: string; name?: string; uri?: string } | undefined
      if (ref?.type === 'ref/prompt') {
        const prompt = directory.prompts.get(full(String(ref.name)))
        if (!prompt) throw new KintsugiError('not-found', `there is no prompt ${JSON.stringify(String(ref.name).slice(0, 120))}`)
        return { service: prompt.service, what: call.method, effect: 'read', guarded: false, params: { ...params, ref: { ...ref, name: prompt.plain } }, name: undefined }
      }
      const template = directory.templates.find(({ plain, service }) => plain === ref?.uri && (view.kind !== 'server' || view.server === service))
      if (!template) throw new KintsugiError('not-found', `there is no resource template ${JSON.stringify(String(ref?.uri).slice(0, 200))}`)
      return { service: template.service, what: call.method, effect: 'read', guarded: false, params, name: undefined }
    }
    default:
      return undefined
  }
}

function toolTarget(name: string, params: Record<string, unknown>, directory: Directory): Target {
  const tool = directory.tools.get(name)
  if (!tool) throw unknownTool(name, directory)
  const { 'kintsugi/effect': effect, 'kintsugi/guarded': guarded } = tool.listing._meta
  return { service: tool.service, what: tool.plain, effect, guarded, params: { ...params, name: tool.plain }, name: tool.plain }
}

function resourceAt(uri: string, view: View, directory: Directory): { service: string; uri: string } | undefined {
  const listed = directory.resources.get(uri)
  if (listed && (view.kind !== 'server' || view.server === listed.service)) return { service: listed.service, uri: listed.plain }
  if (view.kind === 'server') {
    const own = [...directory.resources.values()].find(({ service, plain }) => service === view.server && plain === uri)
    if (own) return { service: own.service, uri }
  }
  const template = directory.templates.find(({ service, plain }) => (view.kind !== 'server' || view.server === service) && new UriTemplate(plain).match(uri) !== null)
  return template && { service: template.service, uri }
}

/** Who asks is us, on this hop; everything else of the envelope is the client's. */
function stamped(params: Record<string, unknown>, version: string): Record<string, unknown> {
  const meta = (params._meta ?? {}) as Record<string, unknown>
  return { ...params, _meta: { ...meta, [CLIENT_INFO]: { name: 'kintsugi', version } } }
}

/** A failure on the way: as a tool's error, which a model can read, or as the protocol's. */
function failure(call: JsonRpcRequest, error: unknown, modern: boolean): Response {
  const report = toErrorReport(error)
  if (report.code === 'token-required' || report.code === 'bad-token' || report.code === 'insufficient-scope') throw error
  if (call.method !== 'tools/call') {
    const code = report.code === 'not-found' || report.code === 'bad-argument' ? -32602 : -32603
    return Response.json({ jsonrpc: '2.0', id: call.id, error: { code, message: report.message, data: report } })
  }
  const text = `${report.code}: ${report.message}${report.hint ? ` (${report.hint})` : ''}`
  const result = { content: [{ type: 'text', text }], isError: true, _meta: { 'kintsugi/error': report }, ...(modern ? { resultType: 'complete' } : {}) }
  return Response.json({ jsonrpc: '2.0', id: call.id, result })
}

/** What the gateway answers itself, through the SDK. */
function localServer(view: View, { directory, meta, version }: EndpointOptions): Server {
  const inView = <T extends { service: string }>(items: Iterable<T>): T[] => [...items].filter(({ service }) => view.kind !== 'server' || view.server === service)
  const server = new Server(
    { name: 'kintsugi', version, title: 'Kintsugi' },
    {
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: { listChanged: true }, completions: {} },
      instructions: INSTRUCTIONS,
    },
  )
  const missing = () => (directory.missing.length > 0 ? { _meta: { 'kintsugi/missing': directory.missing } } : {})
  const cached = { ttlMs: LIST_TTL_MS, cacheScope: 'public' as never }
  const plainly = <L extends { name: string }>({ plain, listing }: { plain: string; listing: L }): L => (view.kind === 'server' ? { ...listing, name: plain } : listing)
  server.setRequestHandler('tools/list', () => {
    const listed = [...directory.tools.values()].filter(({ service, listing }) => lists(view, service, listing.name)).map(plainly)
    return { tools: [...(view.kind === 'search' ? META_LISTINGS : []), ...listed] as never, ...cached, ...missing() }
  })
  server.setRequestHandler('resources/list', () => ({ resources: inView(directory.resources.values()).map(({ listing }) => listing), ...cached, ...missing() }))
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: inView(directory.templates).map(({ listing }) => listing), ...cached, ...missing() }))
  server.setRequestHandler('prompts/list', () => ({ prompts: inView(directory.prompts.values()).map(plainly), ...cached, ...missing() }))
  server.setRequestHandler('tools/call', ({ params }) =>
    toolOutcome(async () => {
      if (params.name === 'search_tools') {
        const { query, limit } = parseMeta('search_tools', params.arguments)
        return meta.search(query, limit)
      }
      if (params.name === 'describe_tool') return { ...meta.describe(parseMeta('describe_tool', params.arguments).name) }
      throw unknownTool(params.name, directory)
    }),
  )
  return server
}
