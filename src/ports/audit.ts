/** The audit log of every call: append-only. */

/**
 * One call. `argumentsHash` and `definitionHash` are SHA-256 in hex: they identify the request and the tool
 * without their content.
 */
export interface AuditEntry {
  /** ms since 1970. */
  readonly at: number
  readonly who: string
  readonly service: string
  readonly tool: string
  readonly effect: 'read' | 'write' | 'spend'
  readonly argumentsHash: string
  readonly definitionHash: string
  /** The call's trace (W3C trace context), 32 hexadecimal digits; null without one. */
  readonly trace: string | null
  /** `begins`: written before a call that may move value runs. */
  readonly decision: 'allowed' | 'refused' | 'begins'
  /** `ok` or the error's code; null for `begins`. */
  readonly outcome: string | null
  readonly durationMs: number | null
  /** The approver of the call, if it needed approval. */
  readonly approvedBy?: string
  /** Number of entries dropped before this one, because the ledger was unreachable for too long. */
  readonly lost?: number
}

/** Accepts the audit entries of one process. */
export interface AuditRecorder {
  /** Queues an entry; it is written within a moment. */
  record(entry: AuditEntry): void
  /** Resolves when the entry is durable. Throws `ledger-unreachable`. */
  recordNow(entry: AuditEntry): Promise<void>
}

/** An entry with its position in the log. */
export interface SequencedEntry {
  /** From 0, without gaps. */
  readonly sequence: number
  /** The entry's JSON, exactly as hashed. */
  readonly text: string
}

/** Size and Merkle root of the log. */
export interface AuditHead {
  readonly size: number
  /** SHA-256, in hexadecimal digits. */
  readonly root: string
}

/** A head signed by the signer; `at` in ms since 1970. */
export interface Witness extends AuditHead {
  readonly account: string
  readonly signature: string
  readonly at: number
}

/** The log of all processes. Errors: `ledger-unreachable` (retry later). */
export interface AuditLog {
  /** Appends entries; resolves with the new head when they are durable. */
  append(entries: readonly AuditEntry[]): Promise<AuditHead>
  head(): Promise<AuditHead>
  /** Up to `limit` entries from sequence number `from`, ascending. */
  entries(page: { from: number; limit: number }): Promise<readonly SequencedEntry[]>
  recordWitness(witness: Witness): Promise<void>
  witnesses(): Promise<readonly Witness[]>
  /** The latest witnesses, from the copy outside the ledger. */
  kept(): readonly Witness[]
  close(): Promise<void>
}
