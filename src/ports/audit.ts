/** The record of every call: appended to, never changed. */

/** One call. `argumentsHash` and `definitionHash` are SHA-256 in hex: what was asked for and of what, without its content. */
export interface AuditEntry {
  /** ms since 1970. */
  readonly at: number
  readonly who: string
  readonly service: string
  readonly tool: string
  readonly effect: 'read' | 'write' | 'spend'
  readonly argumentsHash: string
  readonly definitionHash: string
  /** The trace it belongs to (W3C trace context), 32 hex digits; null for none. */
  readonly trace: string | null
  /** `begins`: written before anything happens, of what may move value. */
  readonly decision: 'allowed' | 'refused' | 'begins'
  /** `ok`, or the error's code; null for what only begins. */
  readonly outcome: string | null
  readonly durationMs: number | null
  /** Who approved it, where it needed a person. */
  readonly approvedBy?: string
  /** Entries that were lost before this one, because they could not be written for too long. */
  readonly lost?: number
}

/** Where a process puts its entries. */
export interface AuditRecorder {
  /** Written soon. */
  record(entry: AuditEntry): void
  /** Resolves when it is durable. Throws `ledger-unreachable`. */
  recordNow(entry: AuditEntry): Promise<void>
}

export interface SequencedEntry {
  /** From 0, without gaps. */
  readonly sequence: number
  /** The entry as it was hashed. */
  readonly text: string
}

export interface AuditHead {
  readonly size: number
  /** Hex. */
  readonly root: string
}

/** A head that the signer has seen. */
export interface Witness extends AuditHead {
  readonly account: string
  readonly signature: string
  readonly at: number
}

export interface AuditLog {
  /** Resolves when they are durable, with the head after them. Throws `ledger-unreachable`. */
  append(entries: readonly AuditEntry[]): Promise<AuditHead>
  head(): Promise<AuditHead>
  entries(page: { from: number; limit: number }): Promise<readonly SequencedEntry[]>
  recordWitness(witness: Witness): Promise<void>
  witnesses(): Promise<readonly Witness[]>
  /** The latest of them, as they were kept outside the ledger. */
  kept(): readonly Witness[]
  close(): Promise<void>
}
