/**
 * `/mcp`: every server of the fleet behind one address, for clients of both revisions. Requests to a server
 * are forwarded, with their name and the parts specific to one hop rewritten; lists, discovery, subscriptions
 * and the meta tools are answered here.
 */
import { createMcpHandler } from '@modelcontextprotocol/server'
import type { Hono } from 'hono'
import { authorize, type Caller } from '../../mcp/host/access.ts'
import { MAX_BODY_BYTES } from '../../mcp/host/http-app.ts'
import { readMessage, serveRead } from '../../mcp/host/request-body.ts'
import { toErrorReport } from '../../std/errors.ts'
import { lifetimeOf } from './call-lifetime.ts'
import type { Directory } from './directory.ts'
import { errorResponse, sessionNotFound } from './error-response.ts'
import type { GatewayCall, GatewayRequest } from './gateway-call.ts'
import { localServer } from './local-server.ts'
import type { MetaTools } from './meta-tools.ts'
import { type ProxyOptions, proxyCall } from './proxy.ts'
import { headersAgree, revisionOf } from './revision.ts'
import { answerInSession } from './session-messages.ts'
import { SESSION_HEADER, type Session, type Sessions } from './sessions.ts'
import { type JsonRpcRequest, type Target, targetOf } from './target.ts'
import { selectionOf, type ToolSelection } from './tool-selection.ts'

export interface EndpointOptions extends ProxyOptions {
  directory: Directory
  meta: MetaTools
}

type SdkHandler = ReturnType<typeof createMcpHandler>

export interface McpEndpoint {
  /**
   * Answers a request of an identified caller. `env`: the bindings of the HTTP adapter, which report when the
   * client disconnects.
   */
  fetch(request: Request, caller: Caller, env?: unknown): Promise<Response>
  /** Adds the endpoint to a guarded app, which identifies the callers. */
  mount(app: Hono): void
  /** Notifies clients of both revisions. */
  notify: Pick<
    SdkHandler['notify'],
    'toolsChanged' | 'promptsChanged' | 'resourcesChanged' | 'resourceUpdated'
  >
}

/** The endpoint of one gateway. */
export function mcpEndpoint(options: EndpointOptions): McpEndpoint {
  const handler = createMcpHandler(
    ({ requestInfo }) =>
      localServer(requestInfo ? selectionOf(requestInfo.url) : { kind: 'all', includeTest: false }, options),
    { maxRequestBodySize: MAX_BODY_BYTES },
  )
  const fetch: McpEndpoint['fetch'] = (request, caller, env) =>
    answer({ request, caller, env }, handler, options)
  return {
    notify: notifier(handler, options.sessions),
    fetch,
    mount: (app) => {
      for (const path of ['/mcp', '/mcp/:server'])
        app.all(path, (c) => fetch(c.req.raw, c.get('caller'), c.env))
    },
  }
}

function notifier(handler: SdkHandler, sessions: Sessions): McpEndpoint['notify'] {
  return {
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
  }
}

async function answer(
  incoming: GatewayRequest,
  handler: SdkHandler,
  options: EndpointOptions,
): Promise<Response> {
  const { directory, sessions } = options
  const { request, caller } = incoming
  if (!directory.gathered) await directory.gathering
  const selection = selectionOf(request.url)
  const sessionId = request.headers.get(SESSION_HEADER)
  const session = sessionId === null ? undefined : await sessions.find(sessionId, caller.name)
  if (sessionId !== null && !session) return sessionNotFound()
  if (request.method !== 'POST')
    return session ? answerStream(incoming, session, handler, sessions) : handler.fetch(request)
  const read = await readMessage(request)
  if (read.body === undefined) return serveRead(handler, request, read)
  const message = read.body as JsonRpcRequest
  const revision = revisionOf(request.headers, message)
  const modern = revision === 'modern'
  const call = { ...incoming, message, modern, session }
  const isBatch = Array.isArray(message)
  if (session && !modern && !isBatch) {
    const context = { sessions, directory, selection }
    const answered = await answerInSession(message, session, context).catch((error) =>
      errorResponse({ message, modern, oauth: options.access.oauth !== undefined }, error),
    )
    if (answered) return answered
  }
  const isSingle =
    revision !== 'reject' && !isBatch && message.id !== undefined && message.params !== undefined
  // The SDK refuses a modern request whose headers and body differ, with the protocol's own error.
  if (isSingle && (!modern || headersAgree(request.headers, message)))
    return answerCall(call, selection, handler, options)
  refuseUnauthorized(caller, message, selection, options)
  return handler.fetch(request, { parsedBody: message })
}

/** GET opens a session's stream of notifications, DELETE ends the session. */
async function answerStream(
  { request, env }: GatewayRequest,
  session: Session,
  handler: SdkHandler,
  sessions: Sessions,
): Promise<Response> {
  if (request.method === 'GET') return sessions.stream(session.id, lifetimeOf(request, env).signal)
  if (request.method !== 'DELETE') return handler.fetch(request)
  await sessions.change(session, { ended: true })
  return new Response(null, { status: 204 })
}

/** A single request: forwarded if it names something of a server, otherwise answered here. */
async function answerCall(
  call: GatewayCall,
  selection: ToolSelection,
  handler: SdkHandler,
  options: EndpointOptions,
): Promise<Response> {
  const { request, message, modern, caller } = call
  let target: Target | undefined
  try {
    target = targetOf(message, selection, options.directory)
  } catch (error) {
    return errorResponse({ message, modern, oauth: options.access.oauth !== undefined }, error)
  }
  if (target) return proxyCall(call, target, options)
  const response = await handler.fetch(request, { parsedBody: message })
  if (modern || message.method !== 'initialize' || !response.ok) return response
  const headers = new Headers(response.headers)
  const capabilities = (message.params?.capabilities ?? {}) as Session['client']
  headers.set(SESSION_HEADER, await options.sessions.begin(caller.name, capabilities))
  return new Response(response.body, { status: response.status, headers })
}

/**
 * Batches and malformed requests, which the SDK answers, must not bypass authorisation. Throws
 * `token-required`, `insufficient-scope`.
 */
function refuseUnauthorized(
  caller: Caller,
  body: unknown,
  selection: ToolSelection,
  { access, directory }: EndpointOptions,
): void {
  for (const message of (Array.isArray(body) ? body : [body]) as (JsonRpcRequest | null | undefined)[]) {
    if (message?.method !== 'tools/call') continue
    const target = knownTarget(message, selection, directory)
    if (target) authorize(access, caller, { ...target, tool: target.what })
  }
}

/** The target of a call; undefined if the call names nothing that exists. */
function knownTarget(
  message: JsonRpcRequest,
  selection: ToolSelection,
  directory: Directory,
): Target | undefined {
  try {
    return targetOf(message, selection, directory)
  } catch (error) {
    if (toErrorReport(error).code === 'internal') throw error
    return undefined
  }
}
