/** Where a process's calls are recorded: what moves value at once and before it happens, everything else in batches. */
import type { AuditEntry, AuditLog, AuditRecorder } from '../../ports/audit.ts'

export interface AuditSinkOptions {
  open(): Promise<AuditLog>
  onNote(text: string): void
}

const BATCH_MS = 1_000
const MAX_PER_BATCH = 500
/** While the log is away entries wait; beyond this many the oldest are counted instead of kept. */
const MAX_WAITING = 20_000

export class AuditSink implements AuditRecorder {
  readonly #options: AuditSinkOptions
  readonly #timer: NodeJS.Timeout
  #waiting: AuditEntry[] = []
  #lost = 0
  #writing: Promise<void> = Promise.resolve()
  #away = false

  constructor(options: AuditSinkOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.flush(), BATCH_MS)
    this.#timer.unref()
  }

  /** Written with the next batch. */
  record(entry: AuditEntry): void {
    this.#waiting.push(entry)
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift()
      this.#lost++
    }
  }

  /** Resolves when it is durable, and all before it. Throws `ledger-unreachable`. */
  async recordNow(entry: AuditEntry): Promise<void> {
    this.#waiting.push(entry)
    await this.flush()
    if (this.#waiting.includes(entry)) {
      // It did not happen, so it is not to be found later either.
      this.#waiting.splice(this.#waiting.indexOf(entry), 1)
      const log = await this.#options.open()
      await log.append([entry])
    }
  }

  /** Writes what waits. Never rejects: what cannot be written goes on waiting. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

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
        if (!this.#away)
          this.#options.onNote(
            `calls cannot be written to the audit log: ${error instanceof Error ? error.message : String(error)}`,
          )
        this.#away = true
        return
      }
      this.#away = false
      this.#lost -= lost
      const written = new Set(batch)
      this.#waiting = this.#waiting.filter((entry) => !written.has(entry))
    }
  }
}
