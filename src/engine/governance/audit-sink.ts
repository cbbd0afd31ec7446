/** Records a process's calls: calls that move value at once, before they run; all others in batches. */
import type { AuditEntry, AuditLog, AuditRecorder } from '../../ports/audit.ts'

/** The log, opened at the first entry. */
export interface AuditSinkOptions {
  open(): Promise<AuditLog>
  onNote(text: string): void
}

const BATCH_INTERVAL_MS = 1_000
const MAX_PER_BATCH = 500
/** Entries that are kept while the log is unavailable; beyond that the oldest are only counted. */
const MAX_WAITING = 20_000

/** The audit recorder of one process. */
export class AuditSink implements AuditRecorder {
  readonly #options: AuditSinkOptions
  readonly #timer: NodeJS.Timeout
  #waiting: AuditEntry[] = []
  #lost = 0
  #writing: Promise<void> = Promise.resolve()
  #unavailable = false

  constructor(options: AuditSinkOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.flush(), BATCH_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Writes an entry with the next batch. */
  record(entry: AuditEntry): void {
    this.#waiting.push(entry)
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift()
      this.#lost++
    }
  }

  /** Resolves when the entry and all earlier ones are durable. Throws `ledger-unreachable`. */
  async recordNow(entry: AuditEntry): Promise<void> {
    this.#waiting.push(entry)
    await this.flush()
    if (this.#waiting.includes(entry)) {
      // The caller refuses the call if this throws, so the entry must not be written later.
      this.#waiting.splice(this.#waiting.indexOf(entry), 1)
      const log = await this.#options.open()
      await log.append([entry])
    }
  }

  /** Writes the waiting entries. Never rejects: entries that cannot be written keep waiting. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  /** Writes the waiting entries and ends. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, MAX_PER_BATCH)
      const lost = this.#lost
      const [first, ...rest] = batch as [AuditEntry, ...AuditEntry[]]
      try {
        const log = await this.#options.open()
        await log.append(lost > 0 ? [{ ...first, lost }, ...rest] : batch)
      } catch (error) {
        if (!this.#unavailable)
          this.#options.onNote(
            `the audit log is not writable: ${error instanceof Error ? error.message : String(error)}`,
          )
        this.#unavailable = true
        return
      }
      this.#unavailable = false
      this.#lost -= lost
      const written = new Set(batch)
      this.#waiting = this.#waiting.filter((entry) => !written.has(entry))
    }
  }
}
