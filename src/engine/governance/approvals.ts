/** Calls that wait for a person: kept where every process sees them, decided once, used once. */
import { createHash } from 'node:crypto'
import { type Approval, type ApprovalPolicy, mayDecide, standingApprovals } from '../../access/approvals.ts'
import type { ApprovalBook, NewApproval } from '../../ports/approvals.ts'
import type { Ledger } from '../../ports/ledger.ts'
import type { Kept, Records } from '../../ports/records.ts'
import { KintsugiError } from '../../std/errors.ts'

const SETTING = 'approvals'
const MAX_LISTED = 200

const sha256 = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(value) ?? '')
    .digest('hex')

export class Approvals implements ApprovalBook {
  readonly #records: Records
  readonly #now: () => number

  constructor(records: Records, now: () => number) {
    this.#records = records
    this.#now = now
  }

  async of({ service, tool, caller, arguments: given, policy, preview }: NewApproval): Promise<Approval> {
    const id = sha256([service, tool, caller, given, policy.version]).slice(0, 24)
    const known = await this.#records.read<Approval>('approval', id)
    if (known && known.value.state !== 'used') return known.value
    const shown = (await preview()) ?? null
    const createdAt = this.#now()
    const fresh: Approval = {
      id,
      service,
      tool,
      caller,
      arguments: given,
      policyVersion: policy.version,
      preview: shown,
      digest: sha256([given, policy.version, shown, createdAt]),
      state: 'pending',
      decidedBy: null,
      createdAt,
      expiresAt: createdAt + policy.minutes * 60_000,
    }
    const made = known
      ? await this.#records.replace('approval', id, known.version, fresh, fresh.expiresAt)
      : await this.#records.create('approval', id, fresh, fresh.expiresAt)
    return made ? fresh : this.#find(id).then(({ value }) => value)
  }

  async decide(
    id: string,
    digest: string,
    approve: boolean,
    by: { readonly name: string; readonly atClient?: true },
  ): Promise<Approval> {
    const { value, version } = await this.#find(id)
    if (!by.atClient && !mayDecide(value, by.name))
      throw new KintsugiError(
        'insufficient-scope',
        `${by.name} made this call: somebody else decides about it`,
      )
    if (value.digest !== digest)
      throw new KintsugiError('conflict', 'digest: this is not the call that you were shown', {
        hint: 'look at it again',
      })
    if (value.state !== 'pending')
      throw new KintsugiError(
        'conflict',
        `it is ${value.state} already${value.decidedBy === null ? '' : `, by ${value.decidedBy}`}`,
      )
    const decided: Approval = {
      ...value,
      state: approve ? 'approved' : 'refused',
      decidedBy: by.atClient ? `${by.name}, at the client` : by.name,
    }
    if (!(await this.#records.replace('approval', id, version, decided)))
      throw new KintsugiError('conflict', 'somebody else has just decided about it')
    return decided
  }

  async use(id: string): Promise<boolean> {
    const { value, version } = await this.#find(id)
    return (
      value.state === 'approved' &&
      value.expiresAt > this.#now() &&
      this.#records.replace('approval', id, version, { ...value, state: 'used' })
    )
  }

  async list(): Promise<Approval[]> {
    const now = this.#now()
    return (await this.#records.list<Approval>('approval', MAX_LISTED))
      .map(({ value }) => value)
      .filter(({ expiresAt }) => expiresAt > now)
  }

  async #find(id: string): Promise<Kept<Approval>> {
    const found = await this.#records.read<Approval>('approval', id)
    if (!found || found.value.expiresAt <= this.#now())
      throw new KintsugiError(
        'not-found',
        `no approval ${id.slice(0, 40)} is waited for: it was never asked for, or its time is over`,
      )
    return found
  }
}

export async function approvalPolicy(
  ledger: Pick<Ledger, 'setting'>,
  mode: 'local' | 'paper',
): Promise<ApprovalPolicy> {
  return (await ledger.setting<ApprovalPolicy>(SETTING)) ?? standingApprovals(mode)
}

/** What is given changes; approvals given before are not good any more. */
export async function changeApprovalPolicy(
  ledger: Pick<Ledger, 'setting' | 'saveSetting'>,
  mode: 'local' | 'paper',
  change: Partial<Omit<ApprovalPolicy, 'version'>>,
): Promise<ApprovalPolicy> {
  const before = await approvalPolicy(ledger, mode)
  const after = { ...before, ...change, version: before.version + 1 }
  await ledger.saveSetting(SETTING, after)
  return after
}
