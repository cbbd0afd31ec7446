/** Before a call that may need a person: asks for the approval, at the client or elsewhere, and uses it up. */
import * as z from 'zod'
import { type Approval, type ApprovalPolicy, needsApproval } from '../../access/approvals.ts'
import type { ApprovalBook } from '../../ports/approvals.ts'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import type { Tool } from '../define.ts'
import { type Conversation, elicit, entered } from '../elicitation.ts'
import type { Caller } from './access.ts'

export interface ApprovalDesk {
  policy(): Promise<ApprovalPolicy>
  approvals(): Promise<ApprovalBook>
}

export interface ApprovableCall {
  readonly service: string
  readonly name: string
  readonly tool: Tool
  readonly given: unknown
  readonly input: never
  readonly caller: Caller
  readonly context: Parameters<Tool['run']>[1] & Conversation
}

const ANSWER = z.object({ approve: z.boolean() })
const MAX_SHOWN = 2_000

/** Resolves where the call may go on, with who approved it where it needed somebody. Throws `approval-needed`, `approval-refused`; ends the round where the client is asked. */
export async function approved(
  desk: ApprovalDesk,
  { service, name, tool, given, input, caller, context }: ApprovableCall,
): Promise<string | undefined> {
  const critical = tool.critical === true
  // What a service does by itself was decided where it began.
  if (caller.service || (tool.effect !== 'spend' && !critical) || tool.approval?.harmless?.(input))
    return undefined
  const policy = await desk.policy()
  if (!needsApproval(policy, { service, tool: name, effect: tool.effect, critical })) return undefined
  const approvals = await desk.approvals()
  const preview = async () =>
    tool.approval?.preview ? toPlain(await tool.approval.preview(input, context)) : null
  let approval = await approvals.of({
    service,
    tool: name,
    caller: caller.name,
    arguments: given,
    policy,
    preview,
  })
  if (approval.state === 'pending' && policy.atClient && context.client.elicitation) {
    // The question is about what is shown: an answer to another one is none.
    const key = `approve-${approval.digest.slice(0, 16)}`
    const answers = await context.ask({
      [key]: elicit({ message: describe(approval), requestedSchema: FORM }),
    })
    const answer = entered(answers[key], ANSWER)
    const yes = answer !== undefined && answer !== 'declined' && answer.approve
    approval = await approvals
      .decide(approval.id, approval.digest, yes, { name: caller.name, atClient: true })
      .catch(async (error) => {
        // Somebody has decided elsewhere meanwhile: that holds.
        if (toErrorReport(error).code !== 'conflict') throw error
        return approvals.of({ service, tool: name, caller: caller.name, arguments: given, policy, preview })
      })
  }
  if (approval.state === 'refused')
    throw new KintsugiError('approval-refused', `${approval.decidedBy} refused this call`, {
      data: { approval: approval.id },
    })
  if (approval.state !== 'approved' || !(await approvals.use(approval.id)))
    throw new KintsugiError(
      'approval-needed',
      `a person has to approve this call (${approval.id}), until ${new Date(approval.expiresAt).toISOString()}`,
      {
        hint: `approve it on the dashboard, or with \`kintsugi approve ${approval.id}\`, and then call again with the same arguments`,
        data: {
          approval: approval.id,
          digest: approval.digest,
          expiresAt: approval.expiresAt,
          preview: approval.preview,
        },
      },
    )
  return approval.decidedBy ?? undefined
}

const FORM = {
  type: 'object' as const,
  properties: {
    approve: { type: 'boolean' as const, title: 'Approve', description: 'Let this call happen' },
  },
  required: ['approve'],
}

function describe({ id, service, tool, caller, arguments: given, preview }: Approval): string {
  const shown = (value: unknown) => {
    const text = JSON.stringify(value) ?? ''
    return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
  }
  const outcome = preview === null ? '' : `\nWhat would happen, as simulated now: ${shown(preview)}`
  return `${caller} wants to call ${service}__${tool}.\nArguments: ${shown(given)}${outcome}\nApprove it here, on the dashboard, or with \`kintsugi approve ${id}\`.`
}
