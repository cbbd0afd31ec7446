/**
 * The ledger: the durable record of decisions, transactions and trades, written before they are acted on.
 * Amounts in smallest units.
 */

import type { Address } from '../amm/index.ts'
import type { Decision, DecisionOutcome, Opportunity, Outcome } from '../arbitrage/index.ts'
import type { IncidentRecord } from '../fleet/incidents.ts'
import type { Intent } from '../intents/index.ts'
import type { Hex } from './chain.ts'

/** One opportunity, the rules that judged it, and its outcome. */
export interface DecisionRecord {
  /** The opportunity's id. */
  readonly id: string
  readonly genesis: Hex
  readonly opportunity: Opportunity
  /**
   * The guard's rules and bid. The verdict is `trade` only if the transaction was sent, or is about to be.
   */
  readonly decision: Decision
  readonly outcome: DecisionOutcome
  /** ms since 1970. */
  readonly decidedAt: number
  /**
   * The simulation on the pending block; absent if the rules refused it. `profit` in smallest units of the
   * token.
   */
  readonly simulation?: {
    readonly succeeded: boolean
    readonly gasUsed: bigint
    readonly profit: bigint
    readonly error?: string
  }
}

/**
 * `open` until one of its attempts is final; `lost`: its chain does not exist any more; `expired`: the nonce
 * was not used and is free again; `replaced`: a transaction that is not in the ledger used the nonce.
 */
export type TransactionStatus = 'open' | 'final' | 'lost' | 'expired' | 'replaced'

/** One nonce of ours, with every attempt that was signed for it, oldest first. */
export interface TransactionRecord {
  readonly genesis: Hex
  readonly account: Address
  readonly nonce: number
  readonly decisionId: string | null
  readonly status: TransactionStatus
  readonly attempts: readonly {
    /** The decision that it executes or gives up; not always that of the nonce's first attempt. */
    readonly decisionId: string | null
    readonly hash: Hex
    readonly raw: Hex
    readonly intent: Intent
    readonly sentAt: number
    readonly sentAtBlock: number
  }[]
}

/** A signed transaction that is about to be sent. */
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

/** A final transaction of ours: its profit, and its gas, which is paid whether it earned or not. */
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

/** The outcome of a trade on paper, judged by the next block. */
export type PaperOutcome = 'traded' | 'moved away' | 'taken by another'

/** A trade that was not sent, judged by the state of the next block. */
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
  /** In native wei: the profit net of gas, or the gas of a failed attempt as a loss. */
  readonly netNative: number
  /** Why it did not trade, or who won instead. */
  readonly reason: string
  readonly judgedAt: number
}

/** Sums over trades on paper; `netNative` in native wei. */
export interface PaperTotals {
  readonly trades: number
  readonly netNative: number
  readonly outcomes: Readonly<Record<string, number>>
}

/** Sums over booked trades. */
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

/** A token's price in whole numeraire units at a block. */
export interface PricePoint {
  readonly symbol: string
  readonly price: number
  readonly block: number
  /** ms since 1970. */
  readonly at: number
}

/** The state of a task of the coordinator. */
export type TaskStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

/** One tool call of a task. Times in ms since 1970. */
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

/** A task of the coordinator: tool calls in order, with the rights of its caller. Times in ms since 1970. */
export interface Task {
  readonly id: string
  readonly description: string
  /** The steps run with the scopes of this caller. */
  readonly caller: { readonly name: string; readonly scopes: readonly string[] }
  readonly priority: number
  readonly status: TaskStatus
  readonly steps: readonly TaskStep[]
  readonly createdAt: number
  readonly finishedAt: number | null
  /** Steps that have not run by then are skipped. */
  readonly deadline: number
}

/** A part of a list. */
export interface Page {
  readonly limit: number
  readonly offset?: number
}

/** Selects decisions; an absent field matches all. */
export interface DecisionFilter {
  readonly verdict?: Decision['verdict']
  readonly genesis?: Hex
}

/** Selects trades; an absent field matches all. */
export interface TradeFilter {
  readonly genesis?: Hex
  readonly token?: Address
}

/** Selects incidents: from `since` (ms since 1970) on, those that affect `service` if it is given. */
export interface IncidentFilter {
  readonly since: number
  readonly service?: string
}

/** One point of the profit curve: everything booked up to and including `at`. */
export interface ProfitPoint {
  /** ms since 1970. */
  readonly at: number
  readonly trades: number
  /** Realised profit in whole units of the numeraire, as valued at booking. */
  readonly profitValue: number
  /** Realised profit in whole native coins, as valued at booking. */
  readonly profitNative: number
  /** Gas of all transactions, those that failed included, in whole native coins. */
  readonly gasNative: number
  /** `profitNative` less `gasNative`. */
  readonly netNative: number
}

/**
 * Errors: `ledger-unreachable` (retry later), `ledger-failed`. Lists are newest first unless stated
 * otherwise.
 */
export interface Ledger {
  /** Inserts decisions, or replaces those with the same id. */
  recordDecisions(records: readonly DecisionRecord[]): Promise<void>
  decision(id: string): Promise<DecisionRecord | undefined>
  /** Decisions by id; an unknown id has no entry. */
  decisionsById(ids: readonly string[]): Promise<ReadonlyMap<string, DecisionRecord>>
  decisions(page: Page & DecisionFilter): Promise<DecisionRecord[]>
  countDecisions(filter: DecisionFilter): Promise<number>
  /** Decisions since then by verdict and by what refused them, most frequent first. */
  decisionCounts(sinceMs: number): Promise<{ verdict: string; rule: string | null; count: number }[]>
  /** Persists an attempt, and its decision with it; resolves once durable. */
  recordAttempt(attempt: NewAttempt, decision?: DecisionRecord): Promise<void>
  /** Transactions that are not final yet, by nonce. */
  openTransactions(): Promise<TransactionRecord[]>
  /** The transaction at a nonce, in any status. */
  transactionAt(genesis: Hex, account: Address, nonce: number): Promise<TransactionRecord | undefined>
  /** The transaction sent for a decision, in any status; the newest if there are several. */
  transaction(decisionId: string): Promise<TransactionRecord | undefined>
  /** The greatest nonce that is in use or was used. */
  highestNonce(genesis: Hex, account: Address): Promise<number | undefined>
  /**
   * Books a final transaction; a second booking of the same hash changes nothing. Returns whether it was new.
   */
  book(trade: Trade): Promise<boolean>
  /** Marks open transactions of other chains than this one as lost. Returns how many. */
  markLost(genesis: Hex): Promise<number>
  /** Marks open transactions as expired: their nonces are free again. */
  markExpired(genesis: Hex, account: Address, nonces: readonly number[]): Promise<void>
  /** Marks an open transaction as replaced. */
  markReplaced(genesis: Hex, account: Address, nonce: number): Promise<void>
  /** The booked trade of a decision. */
  trade(decisionId: string): Promise<Trade | undefined>
  trades(page: Page & TradeFilter): Promise<Trade[]>
  countTrades(filter: TradeFilter): Promise<number>
  totals(genesis?: Hex): Promise<TradeTotals>
  /** When the first trade of any chain was booked, in ms since 1970; undefined before that. */
  firstBookedAt(): Promise<number | undefined>
  /**
   * Cumulative profit at `buckets` + 1 points, evenly spaced in whole ms from `since` to `until` (ms since
   * 1970, `since` < `until`). Trades booked before `since` count in every point, so that the last point
   * agrees with `totals` when `until` is now.
   */
  profitSeries(query: {
    since: number
    until: number
    buckets: number
    genesis?: Hex
  }): Promise<ProfitPoint[]>
  /** Paper trades are kept apart from those that moved money; a second one of a decision changes nothing. */
  recordPaperTrades(trades: readonly PaperTrade[]): Promise<void>
  paperTrades(page: Page): Promise<PaperTrade[]>
  countPaperTrades(): Promise<number>
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
  countTasks(filter: { status?: TaskStatus }): Promise<number>
  recordIncident(incident: IncidentRecord): Promise<void>
  /** The latest incidents, oldest first. */
  incidents(query: IncidentFilter & { limit: number }): Promise<IncidentRecord[]>
  countIncidents(filter: IncidentFilter): Promise<number>
  /** A setting changed at run time, by key. */
  setting<T>(key: string): Promise<T | undefined>
  saveSetting(key: string, value: unknown): Promise<void>
  ping(): Promise<void>
  close(): Promise<void>
}
