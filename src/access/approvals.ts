/**
 * Which calls need a person's approval: calls that move value or reach beyond the fleet, if the policy names
 * them. Pure.
 */
import type { ScopeEffect } from './scopes.ts'

/** The approval policy: the calls that need an approval, where it may be given, and its lifetime. */
export interface ApprovalPolicy {
  /** Incremented with each change; an approval is valid under the version that it was given under. */
  readonly version: number
  /** `*`, a server, or `server__tool`. */
  readonly tools: readonly string[]
  /** Whether a user may approve in their MCP client; otherwise only on the page or the command line. */
  readonly atClient: boolean
  /** Lifetime of an approval, pending or given. */
  readonly minutes: number
}

/**
 * The default policy: locally only calls that start or connect foreign programs, on a real chain every such
 * call and every spend.
 */
export const defaultApprovalPolicy = (mode: 'local' | 'paper'): ApprovalPolicy => ({
  version: 0,
  tools: mode === 'local' ? ['mcp_integration_bridge'] : ['*'],
  atClient: true,
  minutes: 10,
})

/** The facts about a call that decide whether it needs an approval. */
export interface Approvable {
  readonly service: string
  readonly tool: string
  readonly effect: ScopeEffect
  /** Whether it reaches beyond the fleet. */
  readonly critical: boolean
}

/** Whether a call needs an approval. */
export function needsApproval(
  { tools }: ApprovalPolicy,
  { service, tool, effect, critical }: Approvable,
): boolean {
  if (effect !== 'spend' && !critical) return false
  return tools.some((named) => named === '*' || named === service || named === `${service}__${tool}`)
}

/** `used`: the approved call has started. */
export type ApprovalState = 'pending' | 'approved' | 'refused' | 'used'

/** An approval, pending or decided. */
export interface Approval {
  readonly id: string
  readonly service: string
  readonly tool: string
  readonly caller: string
  readonly arguments: unknown
  readonly policyVersion: number
  /** The simulated outcome of the call; null for tools without a simulation. */
  readonly preview: unknown
  /**
   * Hash of the arguments, the policy's version and the preview; a decision repeats it, so that it applies to
   * what was shown.
   */
  readonly digest: string
  readonly state: ApprovalState
  readonly decidedBy: string | null
  /** ms since 1970. */
  readonly createdAt: number
  readonly expiresAt: number
}

/** Whether `by` may decide: nobody approves their own call, except the operator. */
export const mayDecide = (approval: Pick<Approval, 'caller'>, by: string): boolean =>
  by !== approval.caller || by === 'operator'
