/** `kintsugi approvals`, `approve`, `refuse`: pending approvals and the approval policy. */
import type { ApprovalPolicyView, ApprovalView } from '../gateway/api/schema.ts'
import { KintsugiError } from '../std/errors.ts'
import { confirmed, terminal } from './confirm.ts'
import { color, dateTime } from './format.ts'
import { type DataOptions, request, runningPlan } from './run.ts'

const GATEWAY = 'coordination_system'

interface Listed {
  approvals: ApprovalView[]
  policy: ApprovalPolicyView
}

const list = (options: DataOptions) => request<Listed>(runningPlan(options), GATEWAY, '/approvals')
const paint = { pending: color.yellow, approved: color.green, refused: color.red, used: color.dim }

function show({
  id,
  service,
  tool,
  caller,
  arguments: args,
  preview,
  state,
  decidedBy,
  expiresAt,
}: ApprovalView): string {
  return [
    `${paint[state](state.padEnd(8))} ${id}  ${service}__${tool}  for ${caller}  ${color.dim(decidedBy === null ? `expires ${dateTime(expiresAt)}` : `by ${decidedBy}`)}`,
    `  arguments  ${JSON.stringify(args)}`,
    ...(preview === null ? [] : [`  preview    ${JSON.stringify(preview)}`]),
  ].join('\n')
}

const policyText = ({ tools, atClient, minutes, version }: ApprovalPolicyView): string =>
  `policy ${version}: ${tools.length === 0 ? 'no call needs approval' : `approval needed for ${tools.join(', ')}`}; ${atClient ? 'the client may approve' : 'the client may not approve'}; an approval is valid for ${minutes} min`

/** Prints pending approvals and the policy. */
export async function listApprovals(options: DataOptions): Promise<void> {
  const { approvals, policy } = await list(options)
  if (options.json) return console.log(JSON.stringify({ approvals, policy }))
  console.log(approvals.length === 0 ? 'no pending approvals' : approvals.map(show).join('\n'))
  console.log(color.dim(policyText(policy)))
}

/**
 * Shows a pending approval, asks for confirmation, and sends the decision with the digest that was shown.
 * Throws `not-found` and `not-confirmed`.
 */
export async function decide(
  id: string,
  approve: boolean,
  options: DataOptions & { yes?: boolean },
): Promise<void> {
  const approval = (await list(options)).approvals.find((each) => each.id === id)
  if (!approval)
    throw new KintsugiError('not-found', `approval ${JSON.stringify(id)} does not exist or has expired`, {
      hint: '`npx kintsugi approvals` lists the pending ones',
    })
  if (!options.json) console.log(show(approval))
  if (
    approve &&
    !options.yes &&
    !(await confirmed('approve: the call runs once it is approved', 'Approve this call?', terminal()))
  )
    return
  const body = JSON.stringify({ digest: approval.digest, approve })
  const decided = await request<{ approval: ApprovalView }>(
    runningPlan(options),
    GATEWAY,
    `/approvals/${id}`,
    { method: 'POST', body },
  )
  console.log(
    options.json ? JSON.stringify(decided.approval) : `${color.green('✓')} ${decided.approval.state}`,
  )
}

/** Changes the fields of the approval policy that are given; prints the policy if none is. */
export async function changePolicy(
  options: DataOptions & { tools?: string[]; atClient?: boolean; minutes?: number },
): Promise<void> {
  const { tools, atClient, minutes } = options
  if (tools === undefined && atClient === undefined && minutes === undefined) {
    const { policy } = await list(options)
    console.log(options.json ? JSON.stringify(policy) : policyText(policy))
    return
  }
  const body = JSON.stringify({
    ...(tools ? { tools: tools.filter((tool) => tool !== 'none') } : {}),
    ...(atClient === undefined ? {} : { atClient }),
    ...(minutes === undefined ? {} : { minutes }),
  })
  const { policy } = await request<{ policy: ApprovalPolicyView }>(
    runningPlan(options),
    GATEWAY,
    '/approvals/policy',
    { method: 'POST', body },
  )
  console.log(options.json ? JSON.stringify(policy) : `${color.green('✓')} ${policyText(policy)}`)
}
