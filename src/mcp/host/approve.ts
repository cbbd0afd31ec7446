/** Approval of a call by a person: at the client or elsewhere, single-use. */
import * as z from 'zod'
import { type Approval, type ApprovalPolicy, needsApproval } from '../../access/approvals.ts'
import type { ApprovalBook, NewApproval } from '../../ports/approvals.ts'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import { elicit, entered } from '../elicitation.ts'
import type { PreparedCall } from './run-tool.ts'

/** A service's access to the approval policy and the approvals. */
export interface ApprovalDesk {
  policy(): Promise<ApprovalPolicy>
  approvals(): Promise<ApprovalBook>
}

const ANSWER = z.object({ approve: z.boolean() })
const MAX_SHOWN_CHARACTERS = 2_000

/**
 * Consumes the approval of a call. Resolves with who approved it, or undefined if it needs no approval.
 * Throws `approval-needed` and `approval-refused`; throws `InputNeeded` to ask the person at the client.
 */
export async function approveCall(desk: ApprovalDesk, call: PreparedCall): Promise<string | undefined> {
  const { service, name, tool, caller } = call.permit
  const critical = tool.critical === true
  // A service that acts by itself executes decisions that were approved at their origin.
  if (caller.service || (tool.effect !== 'spend' && !critical) || tool.approval?.skipWhen?.(call.input))
    return undefined
  const policy = await desk.policy()
  if (!needsApproval(policy, { service, tool: name, effect: tool.effect, critical })) return undefined
  const approvals = await desk.approvals()
  const request: NewApproval = {
    service,
    tool: name,
    caller: caller.name,
    arguments: call.args,
    policy,
    preview: async () =>
      tool.approval?.preview ? toPlain(await tool.approval.preview(call.input, call.context as never)) : null,
  }
  let approval = await approvals.of(request)
  if (approval.state === 'pending' && policy.atClient && call.context.client.elicitation)
    approval = await decideAtClient(approvals, request, approval, call)
  if (approval.state === 'refused')
    throw new KintsugiError('approval-refused', `${approval.decidedBy} refused this call`, {
      data: { approval: approval.id },
    })
  if (approval.state !== 'approved' || !(await approvals.use(approval.id))) throw approvalNeeded(approval)
  return approval.decidedBy ?? undefined
}

/**
 * Asks the person at the client. The key of the question names the digest, so an answer to another question
 * does not count.
 */
async function decideAtClient(
  approvals: ApprovalBook,
  request: NewApproval,
  approval: Approval,
  { permit, context }: PreparedCall,
): Promise<Approval> {
  const key = `approve-${approval.digest.slice(0, 16)}`
  const answers = await context.ask({
    [key]: elicit({ message: describe(approval), requestedSchema: FORM }),
  })
  const answer = entered(answers[key], ANSWER)
  const approve = answer !== undefined && answer !== 'declined' && answer.approve
  return approvals
    .decide(approval.id, approval.digest, approve, { name: permit.caller.name, atClient: true })
    .catch((error) => {
      // Another user decided in the meantime: that decision is valid.
      if (toErrorReport(error).code !== 'conflict') throw error
      return approvals.of(request)
    })
}

const approvalNeeded = ({ id, digest, expiresAt, preview }: Approval): KintsugiError =>
  new KintsugiError(
    'approval-needed',
    `a person has to approve this call (${id}) before ${new Date(expiresAt).toISOString()}`,
    {
      hint: `approve it on the dashboard, or with \`kintsugi approve ${id}\`, and then call again with the same arguments`,
      data: { approval: id, digest, expiresAt, preview },
    },
  )

const FORM = {
  type: 'object' as const,
  properties: {
    approve: { type: 'boolean' as const, title: 'Approve', description: 'Approve this call' },
  },
  required: ['approve'],
}

function describe({ id, service, tool, caller, arguments: args, preview }: Approval): string {
  const shown = (value: unknown) => {
    const text = JSON.stringify(value) ?? ''
    return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text
  }
  const outcome = preview === null ? '' : `\nExpected outcome, simulated now: ${shown(preview)}`
  return `${caller} wants to call ${service}__${tool}.\nArguments: ${shown(args)}${outcome}\nApprove it here, on the dashboard, or with \`kintsugi approve ${id}\`.`
}
