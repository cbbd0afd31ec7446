/** The ledger: what must not be forgotten. Written before it is acted on; amounts in smallest units. */

import type { Address } from '../amm/index.ts'
import type { Decision, Opportunity, Outcome } from '../arbitrage/index.ts'
import type { IncidentRecord } from '../fleet/stability.ts'
import type { Intent } from '../intents/index.ts'
import type { Hex } from './chain.ts'

export interface DecisionRecord {
  readonly id: string
  readonly genesis: Hex
  readonly opportunity: Opportunity
  readonly decision: Decision
  readonly decidedAt: number
  /** What the simulation on the pending block said; absent where it was refused before. */
  readonly simulation?: {
    readonly succeeded: boolean
    readonly gasUsed: bigint
    readonly profit: bigint
    readonly error?: string
  }
}

/** `open` until final: a nonce is settled when one of its attempts is, or when its chain is gone; `expired`: it was not used, and is used again. */
export type TransactionStatus = 'open' | 'final' | 'lost' | 'expired'

export interface TransactionRecord {
  readonly genesis: Hex
  readonly account: Address
  readonly nonce: number
  readonly decisionId: string | null
  readonly status: TransactionStatus
  readonly attempts: readonly {
    readonly hash: Hex
    readonly raw: Hex
    readonly intent: Intent
    readonly sentAt: number
    readonly sentAtBlock: number
  }[]
}

export interface NewAttempt {
  readonly genesis: Hex
  readonly account: Address
  readonly nonce: number
  readonly decisionId: string | null
  readonly hash: Hex
  readonly raw: Hex
  readonly intent: Intent
  readonly sentAt: number
  readonly sentAtBlock: number
}

/** One final transaction of ours: what it earned, and what it cost whether it earned or not. */
export interface Trade {
  readonly genesis: Hex
  readonly hash: Hex
  readonly nonce: number
  readonly decisionId: string | null
  readonly block: number
  readonly transactionIndex: number
  readonly outcome: Outcome | 'cancelled'
  readonly token: Address
  readonly symbol: string
  readonly decimals: number
  readonly route: string
  readonly legs: readonly {
    readonly pool: Address
    readonly dex: string
    readonly tokenIn: Address
    readonly tokenOut: Address
  }[]
  readonly lender: string
  readonly amountIn: bigint
  readonly predictedProfit: bigint
  readonly realisedProfit: bigint
  /** The realised profit in the numeraire and in the native token, at booking, for people. */
  readonly profitValue: number
  readonly profitNative: number
  readonly gasUsed: bigint
  readonly gasPrice: bigint
  readonly gasCost: bigint
  readonly predictedAtBlock: number
  readonly bookedAt: number
}

/** What became of a trade on paper, judged by the next block. */
export type PaperOutcome = 'traded' | 'moved away' | 'taken by another'

export interface PaperTrade {
  readonly decisionId: string
  readonly genesis: Hex
  /** The block that judged it. */
  readonly block: number
  readonly route: string
  readonly symbol: string
  readonly decimals: number
  readonly predictedProfit: bigint
  readonly outcome: PaperOutcome
  /** In native wei: what it would have earned net of gas, or what the failed attempt would have burned. */
  readonly netNative: number
  /** Why not, or who won it instead. */
  readonly reason: string
  readonly judgedAt: number
}

export interface PaperTotals {
  readonly trades: number
  readonly netNative: number
  readonly outcomes: Readonly<Record<string, number>>
}

export interface TradeTotals {
  readonly tradesBooked: number
  readonly profitable: number
  /** Realised profit by token address, smallest units. */
  readonly profitBooked: Readonly<Record<string, bigint>>
  /** In native wei, reverted and cancelled transactions included. */
  readonly gasBooked: bigint
  readonly profitValue: number
  readonly profitNative: number
  readonly outcomes: Readonly<Record<string, number>>
}

export interface PricePoint {
  readonly symbol: string
  readonly price: number
  readonly block: number
  /** ms since 1970. */
  readonly at: number
}

export type TaskStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

export interface TaskStep {
  readonly id: string
  readonly service: string
  readonly tool: string
  readonly arguments: Record<string, unknown>
  readonly status: 'waiting' | 'running' | 'done' | 'failed' | 'skipped'
  readonly attempts: number
  readonly result?: unknown
  readonly error?: { readonly code: string; readonly message: string }
  readonly startedAt?: number
  readonly finishedAt?: number
}

export interface Task {
  readonly id: string
  readonly description: string
  /** Whoever wanted it: its steps may do what they may. */
  readonly caller: { readonly name: string; readonly scopes: readonly string[] }
  readonly priority: number
  readonly status: TaskStatus
  readonly steps: readonly TaskStep[]
  readonly createdAt: number
  readonly finishedAt: number | null
  /** ms since 1970 after which what is not done is given up. */
  readonly deadline: number
}

export interface Page {
  readonly limit: number
  readonly offset?: number
}

/** Errors: `ledger-unreachable` (retry later). */
export interface Ledger {
  recordDecisions(records: readonly DecisionRecord[]): Promise<void>
  decision(id: string): Promise<DecisionRecord | undefined>
  /** Those that there are, by id. */
  decisionsById(ids: readonly string[]): Promise<ReadonlyMap<string, DecisionRecord>>
  decisions(page: Page & { verdict?: 'trade' | 'refuse'; genesis?: Hex }): Promise<DecisionRecord[]>
  decisionCounts(sinceMs: number): Promise<{ verdict: string; rule: string | null; count: number }[]>
  /** Persists an attempt, and its decision with it; resolves once durable. */
  recordAttempt(attempt: NewAttempt, decision?: DecisionRecord): Promise<void>
  openTransactions(): Promise<TransactionRecord[]>
  highestNonce(genesis: Hex, account: Address): Promise<number | undefined>
  /** Books a final transaction; a second booking of the same hash changes nothing. Returns whether it was new. */
  book(trade: Trade): Promise<boolean>
  markLost(genesis: Hex): Promise<number>
  markExpired(genesis: Hex, account: Address, nonces: readonly number[]): Promise<void>
  trades(page: Page & { genesis?: Hex; token?: Address }): Promise<Trade[]>
  totals(genesis?: Hex): Promise<TradeTotals>
  /** Paper trades are kept apart from those that moved money; a second one of a decision changes nothing. */
  recordPaperTrades(trades: readonly PaperTrade[]): Promise<void>
  paperTrades(page: Page): Promise<PaperTrade[]>
  paperTotals(genesis?: Hex): Promise<PaperTotals>
  /** The greatest block number in the ledger, or 0. */
  highestBlock(): Promise<number>
  recordChain(chain: {
    genesis: Hex
    chainId: number
    network: string
    firstBlock: number
    seenAt: number
  }): Promise<void>
  recordPrices(points: readonly PricePoint[]): Promise<void>
  priceHistory(query: { symbol: string; since: number; limit: number }): Promise<PricePoint[]>
  saveTask(task: Task): Promise<void>
  task(id: string): Promise<Task | undefined>
  tasks(page: Page & { status?: TaskStatus }): Promise<Task[]>
  recordIncident(incident: IncidentRecord): Promise<void>
  /** The latest since then, oldest first; of one service where it is named. */
  incidents(query: { since: number; limit: number; service?: string }): Promise<IncidentRecord[]>
  /** What people set at run time, by key. */
  setting<T>(key: string): Promise<T | undefined>
  saveSetting(key: string, value: unknown): Promise<void>
  ping(): Promise<void>
  close(): Promise<void>
}
