/** Which calls need a person, as data: what may move value or reach beyond the fleet, where the policy names it. Pure. */
import type { ScopeEffect } from './scopes.ts'

export interface ApprovalPolicy {
  /** Rises with each change: an approval is good under the policy it was given under. */
  readonly version: number
  /** `*`, a server, or `server__tool`: which of the calls that may need a person do. */
  readonly tools: readonly string[]
  /** Whether the person at the client may approve there; otherwise only on the page or the command line. */
  readonly atClient: boolean
  /** How long an approval is waited for, and good. */
  readonly minutes: number
}

/** Where nobody has said otherwise: what reaches beyond the fleet always; what moves value wherever it is real. */
export const standingApprovals = (mode: 'local' | 'paper'): ApprovalPolicy => ({
  version: 0,
  tools: mode === 'local' ? ['mcp_integration_bridge'] : ['*'],
  atClient: true,
  minutes: 10,
})

export interface Approvable {
  readonly service: string
  readonly tool: string
  readonly effect: ScopeEffect
  /** It reaches beyond the fleet. */
  readonly critical: boolean
}

export function needsApproval(
  { tools }: ApprovalPolicy,
  { service, tool, effect, critical }: Approvable,
): boolean {
  if (effect !== 'spend' && !critical) return false
  return tools.some((named) => named === '*' || named === service || named === `${service}__${tool}`)
}

/** `used`: the call that it was for has begun. */
export type ApprovalState = 'pending' | 'approved' | 'refused' | 'used'

/** One call that waits for a person, or did. */
export interface Approval {
  readonly id: string
  readonly service: string
  readonly tool: string
  readonly caller: string
  readonly arguments: unknown
  readonly policyVersion: number
  /** What would happen, as it was worked out when the call was made; null for tools that cannot say. */
  readonly preview: unknown
  /** Of the arguments, the policy's version and the preview: who decides says what they saw. */
  readonly digest: string
  readonly state: ApprovalState
  readonly decidedBy: string | null
  /** ms since 1970. */
  readonly createdAt: number
  readonly expiresAt: number
}

/** Nobody approves their own calls but who owns the fleet, or the person at a client. */
export const mayDecide = (approval: Pick<Approval, 'caller'>, by: string): boolean =>
  by !== approval.caller || by === 'operator'
