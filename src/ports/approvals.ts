/** Calls that wait for a person: decided once, used once, on whichever replica. */
import type { Approval, ApprovalPolicy } from '../access/approvals.ts'

export interface NewApproval extends Pick<Approval, 'service' | 'tool' | 'caller' | 'arguments'> {
  readonly policy: ApprovalPolicy
  /** Works out what would happen. */
  preview(): Promise<unknown>
}

export interface ApprovalBook {
  /** The approval of exactly this call: as it stands, or a new one that waits. */
  of(call: NewApproval): Promise<Approval>
  /** Throws `not-found` for one that is not there, or too old; `conflict` where it is not what was seen, or decided already; `insufficient-scope` for its caller. */
  decide(
    id: string,
    digest: string,
    approve: boolean,
    by: { readonly name: string; readonly atClient?: true },
  ): Promise<Approval>
  /** Uses an approval up; false where another call was first. */
  use(id: string): Promise<boolean>
  list(): Promise<readonly Approval[]>
}
