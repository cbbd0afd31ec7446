/** `kintsugi approvals`, `approve`, `refuse`: calls that wait for a person, from the command line. */
import { createInterface } from 'node:readline/promises'
import type { ApprovalPolicyView, ApprovalView } from '../gateway/api/schema.ts'
import { KintsugiError } from '../std/errors.ts'
import { color } from './format.ts'
import { type DataOptions, request, runningPlan } from './run.ts'

const GATEWAY = 'coordination_system'

interface Listed {
  approvals: ApprovalView[]
  policy: ApprovalPolicyView
}

const list = (options: DataOptions) => request<Listed>(runningPlan(options), GATEWAY, '/approvals')
const left = (expiresAt: number) => `${Math.max(0, Math.ceil((expiresAt - Date.now()) / 60_000))} min left`
const paint = { pending: color.yellow, approved: color.green, refused: color.red, used: color.dim }

function show({
  id,
  service,
  tool,
  caller,
  arguments: given,
  preview,
  state,
  decidedBy,
  expiresAt,
}: ApprovalView): string {
  return [
    `${paint[state](state.padEnd(8))} ${id}  ${service}__${tool}  for ${caller}  ${color.dim(decidedBy === null ? left(expiresAt) : `by ${decidedBy}`)}`,
    `  arguments  ${JSON.stringify(given)}`,
    ...(preview === null ? [] : [`  would do   ${JSON.stringify(preview)}`]),
  ].join('\n')
}

const say = ({ tools, atClient, minutes, version }: ApprovalPolicyView): string =>
  `policy ${version}: ${tools.length === 0 ? 'no call needs a person' : `a person is needed for ${tools.join(', ')}`}; ${atClient ? 'who sits at the client may approve there' : 'not at the client'}; for ${minutes} min`

export async function listApprovals(options: DataOptions): Promise<void> {
  const { approvals, policy } = await list(options)
  if (options.json) return console.log(JSON.stringify({ approvals, policy }))
  console.log(approvals.length === 0 ? 'nothing waits for a person' : approvals.map(show).join('\n'))
  console.log(color.dim(say(policy)))
}

/** Shows what is decided about, asks, and sends back what was shown. */
export async function decide(
  id: string,
  approve: boolean,
  options: DataOptions & { yes?: boolean },
): Promise<void> {
  const approval = (await list(options)).approvals.find((each) => each.id === id)
  if (!approval)
    throw new KintsugiError('not-found', `no approval ${JSON.stringify(id)} is waited for`, {
      hint: 'see `kintsugi approvals`',
    })
  if (!options.json) console.log(show(approval))
  if (approve && !options.yes && !(await sure())) return
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

async function sure(): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new KintsugiError('bad-argument', 'nobody can be asked here', {
      hint: 'add --yes once you have read what it is',
    })
  const asking = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await asking.question('Let this call happen? [y/N] ')
  asking.close()
  return /^y(es)?$/i.test(answer.trim())
}

export async function changePolicy(
  options: DataOptions & { tools?: string[]; atClient?: boolean; minutes?: number },
): Promise<void> {
  const { tools, atClient, minutes } = options
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
  console.log(options.json ? JSON.stringify(policy) : `${color.green('✓')} ${say(policy)}`)
}
