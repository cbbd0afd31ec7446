/** An audit recorder in memory: the entries in the order in which they were recorded. */
import type { AuditEntry, AuditRecorder } from '../../src/ports/audit.ts'

export class MemoryAudit implements AuditRecorder {
  readonly entries: AuditEntry[] = []
  /** Thrown by `recordNow`, as if the ledger were unreachable. */
  failure: Error | undefined

  record(entry: AuditEntry): void {
    this.entries.push(entry)
  }

  async recordNow(entry: AuditEntry): Promise<void> {
    if (this.failure) throw this.failure
    this.entries.push(entry)
  }
}
