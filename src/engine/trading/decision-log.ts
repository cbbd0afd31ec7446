/** Decisions on their way to the ledger: kept in memory, bounded, while the ledger is unreachable. */
import type { DecisionRecord, Ledger } from '../../ports/ledger.ts'
import { messageOf } from '../../std/errors.ts'

const MAX_WAITING = 1_000

export interface DecisionLogOptions {
  readonly ledger: Pick<Ledger, 'recordDecisions'>
  onDecision(record: DecisionRecord): void
  onNote(note: string): void
}

export class DecisionLog {
  readonly #options: DecisionLogOptions
  #waiting: DecisionRecord[] = []

  constructor(options: DecisionLogOptions) {
    this.#options = options
  }

  /** Reports the decisions and writes them, together with those that wait. Never rejects. */
  async record(records: readonly DecisionRecord[]): Promise<void> {
    const { ledger, onDecision, onNote } = this.#options
    for (const record of records) onDecision(record)
    const batch = [...this.#waiting, ...records]
    if (batch.length === 0) return
    this.#waiting = []
    try {
      await ledger.recordDecisions(batch)
    } catch (error) {
      this.#waiting = [...batch, ...this.#waiting].slice(-MAX_WAITING)
      onNote(`${batch.length} decisions wait for the ledger: ${messageOf(error)}`)
    }
  }
}
