/** One call of a tool, as it travels through the pipeline of the host. */
import type { ToolContent } from '../content.ts'
import type { Tool } from '../define.ts'
import type { Conversation } from '../elicitation.ts'
import { type AccessPolicy, authorize, type Caller } from './access.ts'
import type { Detach } from './tasks.ts'

/** Structured output of a tool, or content blocks. Amounts are decimal strings by then. */
export type ToolOutput = Record<string, unknown> | ToolContent

/** The caller of a call, and the tool and service that it calls. */
export interface CallSubject {
  readonly service: string
  readonly name: string
  readonly tool: Tool
  readonly caller: Caller
}

/**
 * Proof that a caller may call a tool. Calls run only with a permit, so each call is authorized exactly once.
 */
export class Permit implements CallSubject {
  readonly service: string
  readonly name: string
  readonly tool: Tool
  readonly caller: Caller

  private constructor({ service, name, tool, caller }: CallSubject) {
    this.service = service
    this.name = name
    this.tool = tool
    this.caller = caller
  }

  /** Authorizes the call. Throws `token-required`, `insufficient-scope`. */
  static issue(access: AccessPolicy, subject: CallSubject): Permit {
    const { service, name, tool, caller } = subject
    authorize(access, caller, { service, tool: name, effect: tool.effect, guarded: tool.guarded })
    return new Permit(subject)
  }
}

/** Facts of a call in addition to its arguments; every field is optional. */
export interface CallOptions {
  /** Aborted when the caller disconnects. */
  readonly signal?: AbortSignal | undefined
  /** The channel to the client; absent for plain HTTP. */
  readonly conversation?: Conversation
  /** W3C trace context of the request. */
  readonly traceparent?: string | null
  /** Receives the function that detaches the call from its caller once it continues as a task. */
  readonly onDetach?: (detach: Detach) => void
  /** Equal for every attempt of one call, which then runs once. */
  readonly idempotencyKey?: string | undefined
  /** Nonce of the request state that the client echoed; the call consumes it. */
  readonly stateNonce?: string | undefined
}

/** An authorized call with its arguments as received. */
export interface ToolCall extends CallOptions {
  readonly permit: Permit
  readonly args: unknown
}
