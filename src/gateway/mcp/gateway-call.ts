/** A request to the gateway, with the facts that are known before it is answered. */
import type { Caller } from '../../mcp/host/access.ts'
import type { Session } from './sessions.ts'
import type { JsonRpcRequest } from './target.ts'

/** An HTTP request to `/mcp`. */
export interface GatewayRequest {
  readonly request: Request
  /** The bindings of the HTTP adapter; they report when the client disconnects. */
  readonly env: unknown
  /** Identified once, by the HTTP app. */
  readonly caller: Caller
}

/** One JSON-RPC message of such a request. */
export interface GatewayCall extends GatewayRequest {
  readonly message: JsonRpcRequest
  /** Whether the client uses the 2026 revision. */
  readonly modern: boolean
  /** The session of a client of 2025. */
  readonly session: Session | undefined
}
