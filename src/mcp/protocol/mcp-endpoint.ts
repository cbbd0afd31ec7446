/**
 * The MCP endpoint of a service: its definitions and calls through the SDK's handler, for clients of both
 * protocol revisions.
 */

import { randomUUID } from 'node:crypto'
import {
  type AuthInfo,
  createMcpHandler,
  type McpHttpHandler,
  type McpRequestContext,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { ToolListing } from '../../ports/definitions.ts'
import type { Records } from '../../ports/records.ts'
import { traceparentOf } from '../../std/trace.ts'
import type { HostScope } from '../define.ts'
import { capabilitiesOf, openConversation, type StateCodec, TASKS_EXTENSION } from '../elicitation.ts'
import { ANONYMOUS, type Caller } from '../host/access.ts'
import { MAX_BODY_BYTES } from '../host/http-app.ts'
import { IDEMPOTENCY_HEADER, IDEMPOTENCY_META } from '../host/idempotency.ts'
import { Tasks } from '../host/tasks.ts'
import type { Permit, ToolCall, ToolOutput } from '../host/tool-call.ts'
import { toToolResult } from '../host/tool-result.ts'
import { CACHED } from './caching.ts'
import type { Definitions } from './definitions.ts'
import { HEADER_MISMATCH, marksHeaders, parameterMismatch } from './headers.ts'
import { servePrompts } from './prompts.ts'
import { serveResources } from './resources.ts'

/** The service behind an endpoint. */
export interface EndpointOptions {
  readonly service: string
  readonly title: string
  readonly version: string
  readonly definitions: Definitions
  readonly scope: HostScope
  readonly stateCodec: StateCodec
  /** The records that all processes share. */
  records(): Promise<Records>
  /** ms since 1970. */
  now(): number
  /** Authorizes a call that the HTTP route did not authorize. */
  permit(name: string, args: unknown, caller: Caller, traceparent: string | null): Permit
  /** Runs an authorized call. */
  run(call: ToolCall): Promise<ToolOutput>
}

/** The facts of a request that the HTTP route determined, passed through the SDK. */
export interface RequestIdentity {
  readonly caller: Caller
  /** Permits of the calls in the request, by tool. */
  readonly permits: ReadonlyMap<string, Permit>
}

const NOBODY: RequestIdentity = { caller: ANONYMOUS, permits: new Map() }
const identities = new WeakMap<AuthInfo, RequestIdentity>()

/** The SDK's form of an identity. */
export function authInfoOf(identity: RequestIdentity): AuthInfo {
  const { name, scopes } = identity.caller
  const info: AuthInfo = { token: '', clientId: name, scopes: [...scopes] }
  identities.set(info, identity)
  return info
}

const identityOf = ({ authInfo }: McpRequestContext): RequestIdentity =>
  (authInfo && identities.get(authInfo)) ?? NOBODY

/**
 * The handler of `/mcp`. Requests must carry `authInfoOf` their caller; without it the caller is anonymous.
 */
export function mcpEndpoint(options: EndpointOptions): McpHttpHandler {
  const { service, records, now, definitions } = options
  const tasks = new Tasks({ service, records, now })
  const handler = createMcpHandler((request) => serverOf(request, tasks, options), {
    maxRequestBodySize: MAX_BODY_BYTES,
  })
  const fetch: McpHttpHandler['fetch'] = async (request, options) =>
    headerMismatch(request, options?.parsedBody, definitions.listing.tools) ?? handler.fetch(request, options)
  return { ...handler, fetch }
}

/** The SDK server of one request. */
function serverOf(request: McpRequestContext, tasks: Tasks, options: EndpointOptions): Server {
  const { service, title, version, definitions, scope, stateCodec: codec } = options
  const { resources, resourceTemplates, watched, changing } = definitions.listing
  const { caller } = identityOf(request)
  const list = changing ? { listChanged: true } : {}
  const hasResources = resources.length + resourceTemplates.length > 0 || changing
  const hasPrompts = definitions.prompts.size > 0 || changing
  const capabilities = {
    tools: list,
    logging: {},
    ...(hasResources ? { resources: { ...list, subscribe: watched.length > 0 } } : {}),
    ...(hasPrompts ? { prompts: list, completions: {} } : {}),
    extensions: { [TASKS_EXTENSION]: {} },
  }
  const server = new Server({ name: service, version, title }, { capabilities })
  server.setRequestHandler('tools/list', () => ({ tools: definitions.listing.tools as never, ...CACHED }))
  serveCalls(server, request, tasks, options)
  serveTasks(server, caller.name, tasks)
  if (hasResources) serveResources(server, definitions, scope)
  if (hasPrompts)
    servePrompts(server, definitions, scope, (context, prompt, args) =>
      openConversation({
        context,
        codec,
        caller: caller.name,
        subject: `prompt ${prompt}`,
        args,
        nonce: randomUUID(),
      }),
    )
  return server
}

function serveCalls(
  server: Server,
  request: McpRequestContext,
  tasks: Tasks,
  { stateCodec: codec, permit, run }: EndpointOptions,
): void {
  const { caller, permits } = identityOf(request)
  const headers = request.requestInfo?.headers
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const { name, arguments: args = {}, _meta: meta } = params
    const traceparent = traceparentOf(headers?.get('traceparent') ?? meta?.traceparent)
    const opened = await openConversation({
      context,
      codec,
      caller: caller.name,
      subject: name,
      args,
      nonce: randomUUID(),
    })
    const key = meta?.[IDEMPOTENCY_META] ?? headers?.get(IDEMPOTENCY_HEADER)
    return tasks.run(opened, caller.name, (conversation, onDetach) =>
      toToolResult(async () =>
        run({
          permit: permits.get(name) ?? permit(name, args, caller, traceparent),
          args,
          signal: context.mcpReq.signal,
          conversation,
          traceparent,
          onDetach,
          idempotencyKey: key === undefined || key === null ? undefined : String(key),
          stateNonce: opened.stateNonce,
        }),
      ),
    ) as never
  })
}

/** Serves the methods of the tasks extension. */
function serveTasks(server: Server, caller: string, tasks: Tasks): void {
  const params = z.looseObject({ taskId: z.string().max(200) })
  const clientOf = (context: ServerContext) => ({ client: capabilitiesOf(context) })
  server.setRequestHandler('tasks/get', { params }, ({ taskId }, context) =>
    tasks.get(clientOf(context), caller, taskId),
  )
  server.setRequestHandler('tasks/cancel', { params }, ({ taskId }, context) =>
    tasks.cancel(clientOf(context), caller, taskId),
  )
  server.setRequestHandler('tasks/update', { params }, ({ taskId, inputResponses }, context) =>
    tasks.update(clientOf(context), caller, taskId, {
      // The SDK moves the answers out of the parameters of the methods that it implements.
      ...(inputResponses as Record<string, unknown> | undefined),
      ...context.mcpReq.inputResponses,
    }),
  )
}

/** The refusal of a call whose headers do not repeat the arguments that its tool's schema marks. */
function headerMismatch(
  request: Request,
  message: unknown,
  listings: readonly ToolListing[],
): Response | undefined {
  if (request.headers.get('mcp-method') !== 'tools/call') return undefined
  const tool = request.headers.get('mcp-name')?.trim()
  const listing = listings.find(({ name }) => name === tool)
  if (!listing || !marksHeaders(listing.inputSchema)) return undefined
  const body = message as { id?: unknown; params?: { arguments?: unknown } } | undefined
  const problem = parameterMismatch(listing.inputSchema, body?.params?.arguments, request.headers)
  if (problem === undefined) return undefined
  const error = { code: HEADER_MISMATCH, message: problem }
  return Response.json({ jsonrpc: '2.0', id: body?.id ?? null, error }, { status: 400 })
}
