/** Approvals of calls: stored where every process reads them, decided once, used once. */
import { createHash } from 'node:crypto'
import {
  type Approval,
  type ApprovalPolicy,
  defaultApprovalPolicy,
  mayDecide,
} from '../../access/approvals.ts'
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

/** The approvals of one fleet. */
export class Approvals implements ApprovalBook {
  readonly #records: Records
  readonly #now: () => number

  constructor(records: Records, now: () => number) {
    this.#records = records
    this.#now = now
  }

  /** The approval of a call, created if there is none that can still be used. */
  async of({ service, tool, caller, arguments: args, policy, preview }: NewApproval): Promise<Approval> {
    const id = sha256([service, tool, caller, args, policy.version]).slice(0, 24)
    const known = await this.#records.read<Approval>('approval', id)
    if (known && known.value.state !== 'used') return known.value
    const simulated = (await preview()) ?? null
    const createdAt = this.#now()
    const fresh: Approval = {
      id,
      service,
      tool,
      caller,
      arguments: args,
      policyVersion: policy.version,
      preview: simulated,
      digest: sha256([args, policy.version, simulated, createdAt]),
      state: 'pending',
      decidedBy: null,
      createdAt,
      expiresAt: createdAt + policy.minutes * 60_000,
    }
    const created = known
      ? await this.#records.replace('approval', id, known.version, fresh, fresh.expiresAt)
      : await this.#records.create('approval', id, fresh, fresh.expiresAt)
    return created ? fresh : this.#find(id).then(({ value }) => value)
  }

  /** Approves or refuses. Throws `not-found`, `insufficient-scope`, `conflict`. */
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
        `${by.name} made this call and cannot decide on it; another user must decide`,
      )
    if (value.digest !== digest)
      throw new KintsugiError('conflict', 'digest: the call differs from the one that was shown', {
        hint: 'read the approval again',
      })
    if (value.state !== 'pending')
      throw new KintsugiError(
        'conflict',
        `the approval is already ${value.state}${value.decidedBy === null ? '' : ` by ${value.decidedBy}`}`,
      )
    const decided: Approval = {
      ...value,
      state: approve ? 'approved' : 'refused',
      decidedBy: by.atClient ? `${by.name}, at the client` : by.name,
    }
    if (!(await this.#records.replace('approval', id, version, decided)))
      throw new KintsugiError('conflict', 'another user decided at the same time')
    return decided
  }

  /** Marks an approved call as started. False if the approval is not valid or was used. */
  async use(id: string): Promise<boolean> {
    const { value, version } = await this.#find(id)
    return (
      value.state === 'approved' &&
      value.expiresAt > this.#now() &&
      this.#records.replace('approval', id, version, { ...value, state: 'used' })
    )
  }

  /** Approvals that have not expired. */
  async list(): Promise<Approval[]> {
    const now = this.#now()
    return (await this.#records.list<Approval>('approval', MAX_LISTED))
      .map(({ value }) => value)
      .filter(({ expiresAt }) => expiresAt > now)
  }

  async #find(id: string): Promise<Kept<Approval>> {
    const found = await this.#records.read<Approval>('approval', id)
    if (!found || found.value.expiresAt <= this.#now())
      throw new KintsugiError('not-found', `approval ${id.slice(0, 40)} does not exist or has expired`)
    return found
  }
}

/** The current policy; the default one until it is changed. */
export async function approvalPolicy(
  ledger: Pick<Ledger, 'setting'>,
  mode: 'local' | 'paper',
): Promise<ApprovalPolicy> {
  return (await ledger.setting<ApprovalPolicy>(SETTING)) ?? defaultApprovalPolicy(mode)
}

/** Changes the given fields; earlier approvals become invalid. */
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
