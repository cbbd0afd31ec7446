/** Other people's MCP servers: connected, supervised, their definitions pinned. */
import type { Definition, Judged, OfferKind } from '../trust/pins.ts'

export type ConnectionTransport =
  | { readonly kind: 'stdio'; readonly command: string; readonly args: readonly string[] }
  /** Streamable HTTP. */
  | { readonly kind: 'http'; readonly url: string }

export interface ToolAnswer {
  /** Blocks of MCP content. */
  readonly content: readonly unknown[]
  readonly structuredContent?: Record<string, unknown>
}

/** What is read: text, or bytes in base64. */
export interface ReadAnswer {
  readonly text?: string
  readonly blob?: string
}

export interface ConnectedServer {
  readonly name: string
  readonly transport: ConnectionTransport
  readonly state: 'connected' | 'away'
  /** Why it is away. */
  readonly detail: string | null
  readonly protocol: string | null
  readonly items: readonly Judged[]
}

/** What a person lets a tool of somebody else do: it is called as such. */
export type GrantedEffect = 'read' | 'write' | 'spend'

/** What may be used now. */
export interface Offered extends Definition {
  readonly server: string
  readonly effect: GrantedEffect
}

/** Errors of all that is used: `not-found`, `not-approved`, `server-unreachable` (retry later). */
export interface Connections {
  /** Connects and lists; what it offers is approved afterwards. Throws `conflict` for a name that is taken, `server-unreachable`. */
  connect(name: string, transport: ConnectionTransport): Promise<ConnectedServer>
  list(): Promise<readonly ConnectedServer[]>
  /** Throws `tool-failed` with what the tool said. */
  call(
    server: string,
    tool: string,
    given: Record<string, unknown>,
    options: {
      signal: AbortSignal
      onProgress?: (done: number, total: number | undefined, message: string | undefined) => void
    },
  ): Promise<ToolAnswer>
  /** `by`: the resource, or the template, that was approved. */
  read(server: string, by: Pick<Definition, 'kind' | 'name'>, uri: string): Promise<ReadAnswer>
  /** Messages of MCP. */
  prompt(server: string, name: string, given: Record<string, string>): Promise<readonly unknown[]>
  /** Values for an argument of a prompt. */
  complete(server: string, prompt: string, argument: string, beginning: string): Promise<readonly string[]>
  /** Approves a definition with this hash, or with `one` null everything that is not flagged. Throws `not-found`, `conflict` where it has changed meanwhile. */
  approve(
    server: string,
    one: { readonly kind: OfferKind; readonly name: string; readonly hash: string } | null,
    effect: GrantedEffect,
  ): Promise<ConnectedServer>
  /** Approved, unchanged, and of servers that were connected: all that may be used now. */
  offered(): readonly Offered[]
  /** Tells when what is offered may have changed. Returns how to stop. */
  watch(onChange: () => void): () => void
  disconnect(server: string): Promise<void>
  close(): Promise<void>
}
