/** An in-memory ledger with the methods that the executor uses. */
import type { Hex } from '../../src/ports/chain.ts'
import type {
  DecisionRecord,
  Ledger,
  NewAttempt,
  PaperTrade,
  Trade,
  TransactionRecord,
  TransactionStatus,
} from '../../src/ports/ledger.ts'

export class MemoryLedger {
  readonly transactions = new Map<number, { record: TransactionRecord; attempts: NewAttempt[] }>()
  readonly decisions = new Map<string, DecisionRecord>()
  readonly booked: Trade[] = []
  readonly paper: PaperTrade[] = []
  /** The port; it lacks the methods that the executor does not use. */
  readonly ledger = {
    recordDecisions: async (records: readonly DecisionRecord[]) => {
      for (const record of records) this.decisions.set(record.id, record)
    },
    decision: async (id: string) => this.decisions.get(id),
    decisionsById: async () => this.decisions,
    trades: async () => [],
    markLost: async () => 0,
    markExpired: async (_genesis: Hex, _account: Hex, nonces: readonly number[]) => {
      for (const nonce of nonces) this.transactions.delete(nonce)
    },
    openTransactions: async () =>
      [...this.transactions.values()]
        .filter(({ record }) => record.status === 'open')
        .map(({ record, attempts }) => ({ ...record, attempts })),
    transactionAt: async (_genesis: Hex, _account: Hex, nonce: number) => {
      const entry = this.transactions.get(nonce)
      return entry && { ...entry.record, attempts: entry.attempts }
    },
    markReplaced: async (_genesis: Hex, _account: Hex, nonce: number) => this.settle(nonce, 'replaced'),
    highestNonce: async () =>
      this.transactions.size === 0 ? undefined : Math.max(...this.transactions.keys()),
    recordAttempt: async (attempt: NewAttempt, decision?: DecisionRecord) => {
      if (decision) this.decisions.set(decision.id, decision)
      const entry = this.transactions.get(attempt.nonce) ?? {
        record: {
          genesis: attempt.genesis,
          account: attempt.account,
          nonce: attempt.nonce,
          decisionId: null,
          status: 'open',
          attempts: [],
        } as TransactionRecord,
        attempts: [],
      }
      this.transactions.set(attempt.nonce, { ...entry, attempts: [...entry.attempts, attempt] })
    },
    book: async (trade: Trade) => {
      this.settle(trade.nonce)
      return this.booked.push(trade) > 0
    },
    recordPaperTrades: async (trades: readonly PaperTrade[]) => {
      this.paper.push(...trades)
    },
  } as unknown as Ledger

  settle(nonce: number, status: TransactionStatus = 'final'): void {
    const entry = this.transactions.get(nonce)
    if (entry) this.transactions.set(nonce, { ...entry, record: { ...entry.record, status } })
  }
}
