/**
 * The request from the gateway to a service: everything of the client's request except what is specific to
 * one hop.
 */
import type { IncomingMessage } from 'node:http'
import { delegationHeaders } from '../../access/delegation.ts'
import { ANONYMOUS } from '../../mcp/host/access.ts'
import { headerValue, parameterHeaders } from '../../mcp/protocol/headers.ts'
import type { GatewayCall } from './gateway-call.ts'
import { isMetaTool } from './meta-tools.ts'
import { MODERN_REVISION } from './revision.ts'
import type { Target } from './target.ts'

const CLIENT_INFO = 'io.modelcontextprotocol/clientInfo'
/** Headers that are forwarded unchanged. */
const FORWARDED = /^(accept|mcp-protocol-version|mcp-method|mcp-param-.+|tracestate|idempotency-key)$/

/**
 * Headers of the request to the service. `bearer` is the gateway's own token: the caller's is never
 * forwarded, its name and scopes are.
 */
export function hopHeaders(
  { request, env, caller, message, modern }: GatewayCall,
  target: Target,
  bearer: string | undefined,
): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  for (const [name, value] of headersOf(request, env))
    if (typeof value === 'string' && FORWARDED.test(name)) headers[name] = value
  if (target.name !== undefined) headers['mcp-name'] = headerValue(target.name)
  if (!modern) {
    headers['mcp-protocol-version'] = MODERN_REVISION
    headers['mcp-method'] = message.method
  }
  // A client of 2025, or one that uses the meta tool, does not send these.
  if (target.schema && (!modern || isMetaTool(message.params?.name)))
    Object.assign(headers, parameterHeaders(target.schema, target.params.arguments))
  if (caller === ANONYMOUS) return headers
  if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`
  return Object.assign(headers, delegationHeaders(caller))
}

/** The adapter's headers are plain entries; iterating those of the request would build them again. */
const headersOf = (request: Request, env: unknown): Iterable<[string, unknown]> => {
  const incoming = (env as { incoming?: IncomingMessage } | undefined)?.incoming
  return incoming ? Object.entries(incoming.headers) : request.headers
}

/**
 * The body of the request to the service: on this hop the client is the gateway; the rest of the envelope is
 * the client's.
 */
export function hopBody(message: object, params: Record<string, unknown>, version: string): string {
  const meta = (params._meta ?? {}) as Record<string, unknown>
  const stamped = { ...params, _meta: { ...meta, [CLIENT_INFO]: { name: 'kintsugi', version } } }
  return JSON.stringify({ ...message, params: stamped })
}
