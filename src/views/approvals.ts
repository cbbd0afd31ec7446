/** Calls that wait for a person, and the policy that says which do. */
import * as z from 'zod'
import type { Approval, ApprovalPolicy } from '../access/approvals.ts'
import { view } from './view.ts'

/** A call that waits for a person, or did. */
export const approval = view(
  z.object({
    id: z.string(),
    service: z.string(),
    tool: z.string(),
    caller: z.string(),
    arguments: z.unknown(),
    preview: z.unknown().describe('what would happen; null where the tool cannot say'),
    digest: z.string().describe('of all of that: a decision names the digest that was shown'),
    state: z.enum(['pending', 'approved', 'refused', 'used']),
    decidedBy: z.string().nullable(),
    createdAt: z.number().describe('ms since 1970'),
    expiresAt: z.number().describe('ms since 1970'),
  }),
  (each: Approval) => each,
)

/** Which calls need a person. */
export const approvalPolicy = view(
  z.object({
    version: z.int(),
    tools: z.array(z.string()).describe('*, a server, or server__tool'),
    atClient: z.boolean().describe('whether the person at the client may approve'),
    minutes: z.number().describe('how long an approval can be used'),
  }),
  (policy: ApprovalPolicy) => policy,
)
