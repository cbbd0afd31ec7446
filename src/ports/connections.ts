/** External MCP servers: connections, supervision and pinned definitions. */
import type { Definition, JudgedDefinition, OfferKind } from '../trust/pins.ts'

/** How an external server is reached. */
export type ConnectionTransport =
  | { readonly kind: 'stdio'; readonly command: string; readonly args: readonly string[] }
  /** Streamable HTTP. */
  | { readonly kind: 'http'; readonly url: string }

/** The result of an external tool. */
export interface ToolAnswer {
  /** Blocks of MCP content. */
  readonly content: readonly unknown[]
  readonly structuredContent?: Record<string, unknown>
}

/** Content of a resource: text, or bytes in base64. */
export interface ReadAnswer {
  readonly text?: string
  readonly blob?: string
}

/** An external server, its connection and its judged definitions. */
export interface ConnectedServer {
  readonly name: string
  readonly transport: ConnectionTransport
  readonly state: 'connected' | 'unavailable'
  /** Why the server is unreachable; null while connected. */
  readonly detail: string | null
  readonly protocol: string | null
  readonly items: readonly JudgedDefinition[]
}

/** The effect that a person granted to an external tool; scopes and approvals follow it. */
export type GrantedEffect = 'read' | 'write' | 'spend'

/** An approved definition that is usable now. */
export interface Offered extends Definition {
  readonly server: string
  readonly effect: GrantedEffect
}

/** Errors of calls, reads and prompts: `not-found`, `not-approved`, `server-unreachable` (retry later). */
export interface Connections {
  /**
   * Connects and lists the definitions; they need approval before use. Throws `conflict` for a name in use,
   * and `server-unreachable`.
   */
  connect(name: string, transport: ConnectionTransport): Promise<ConnectedServer>
  list(): Promise<readonly ConnectedServer[]>
  /** Calls an approved tool. Throws `tool-failed` with the tool's message. */
  call(
    server: string,
    tool: string,
    args: Record<string, unknown>,
    options: {
      signal: AbortSignal
      onProgress?: (done: number, total: number | undefined, message: string | undefined) => void
    },
  ): Promise<ToolAnswer>
  /** Reads `uri` by the approved resource or template `by`. */
  read(server: string, by: Pick<Definition, 'kind' | 'name'>, uri: string): Promise<ReadAnswer>
  /** The messages of an approved prompt, as MCP defines them. */
  prompt(server: string, name: string, args: Record<string, string>): Promise<readonly unknown[]>
  /** Completions of a prompt's argument. */
  complete(server: string, prompt: string, argument: string, beginning: string): Promise<readonly string[]>
  /**
   * Approves the definition with this hash; with `one` null, every definition that is not flagged. Throws
   * `not-found`, and `conflict` if it changed since.
   */
  approve(
    server: string,
    one: { readonly kind: OfferKind; readonly name: string; readonly hash: string } | null,
    effect: GrantedEffect,
  ): Promise<ConnectedServer>
  /** All definitions that are usable now: approved, unchanged, and of servers that were connected. */
  offered(): readonly Offered[]
  /** Calls `onChange` when `offered` may have changed. Returns an unsubscribe function. */
  watch(onChange: () => void): () => void
  /** Disconnects a server and forgets its approvals. Throws `not-found`. */
  disconnect(server: string): Promise<void>
  close(): Promise<void>
}
