/** Calls that need a person's approval: decided once and used once, on any replica. */
import type { Approval, ApprovalPolicy } from '../access/approvals.ts'

/** A call that needs approval. */
export interface NewApproval extends Pick<Approval, 'service' | 'tool' | 'caller' | 'arguments'> {
  readonly policy: ApprovalPolicy
  /** Computes the effect of the call without making it. */
  preview(): Promise<unknown>
}

/** Approvals that replicas share. Errors: `ledger-unreachable` (retry later). */
export interface ApprovalBook {
  /** The approval of exactly this call: the existing one, or a new pending one. */
  of(call: NewApproval): Promise<Approval>
  /**
   * Approves or refuses. `digest` is that of the approval as the person saw it. Throws `not-found` (unknown
   * or expired), `conflict` (changed since, or already decided) and `insufficient-scope` (the caller of the
   * call decides).
   */
  decide(
    id: string,
    digest: string,
    approve: boolean,
    by: { readonly name: string; readonly atClient?: true },
  ): Promise<Approval>
  /** Consumes an approval; false if another call consumed it first. */
  use(id: string): Promise<boolean>
  /** All approvals that have not expired. */
  list(): Promise<readonly Approval[]>
}
