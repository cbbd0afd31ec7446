/**
 * `/mcp`. If an external issuer can give a client a token, the calls of a request are authorized before the
 * protocol handles it, so that a refusal is HTTP 401 or 403 with a challenge. Otherwise the protocol
 * authorizes each call, and a refusal is a result that the model can read.
 */
import type { McpHttpHandler } from '@modelcontextprotocol/server'
import type { Hono } from 'hono'
import { traceparentOf } from '../../std/trace.ts'
import { authInfoOf } from '../protocol/mcp-endpoint.ts'
import type { AccessPolicy, Caller } from './access.ts'
import type { CallPipeline } from './call-pipeline.ts'
import { readMessage, serveRead } from './request-body.ts'
import type { Permit } from './tool-call.ts'

/** Adds the route to an app made by `guardedApp`. */
export function mcpRoute(
  app: Hono,
  handler: McpHttpHandler,
  pipeline: CallPipeline,
  { oauth }: Pick<AccessPolicy, 'oauth'>,
): void {
  app.all('/mcp', async (c) => {
    const { raw: request } = c.req
    const { caller } = c.var
    if (request.method !== 'POST')
      return handler.fetch(request, { authInfo: authInfoOf({ caller, permits: new Map() }) })
    const message = await readMessage(request)
    const traceparent = traceparentOf(request.headers.get('traceparent'))
    const permits = oauth ? permitsFor(message.body, caller, traceparent, pipeline) : new Map()
    return serveRead(handler, request, message, { authInfo: authInfoOf({ caller, permits }) })
  })
}

/** Authorizes every call of a known tool in a message or batch. An unknown tool is left to the protocol. */
function permitsFor(
  body: unknown,
  caller: Caller,
  traceparent: string | null,
  pipeline: CallPipeline,
): Map<string, Permit> {
  const permits = new Map<string, Permit>()
  for (const message of (Array.isArray(body) ? body : [body]) as (RpcMessage | null | undefined)[]) {
    if (message?.method !== 'tools/call') continue
    const name = String(message.params?.name)
    if (permits.has(name) || !pipeline.knows(name)) continue
    permits.set(name, pipeline.permit(name, message.params?.arguments, caller, traceparent))
  }
  return permits
}

interface RpcMessage {
  readonly method?: unknown
  readonly params?: { readonly name?: unknown; readonly arguments?: unknown }
}
