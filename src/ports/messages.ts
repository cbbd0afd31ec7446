/** The messages that processes exchange over the bus, one type per channel. */
import type { Opportunity } from '../arbitrage/index.ts'
import type { Hex } from './chain.ts'

/** The result of one block's search. */
export interface Detection {
  readonly genesis: Hex
  readonly block: number
  readonly blockHash: Hex
  /** Seconds since 1970, from the block. */
  readonly blockTime: number
  /** ms since 1970. */
  readonly receivedAt: number
  /** ms since 1970. */
  readonly foundAt: number
  readonly changedPools: number
  readonly searchedCycles: number
  readonly totalCycles: number
  /** Best first, by value in the native token. */
  readonly opportunities: readonly Opportunity[]
  /** Number of profitable cycles in addition to those listed. */
  readonly more: number
  /** The pending transaction on top of the block, if one was searched. */
  readonly follows?: Hex
}

/** The executor's verdict on one opportunity. */
export interface DecisionMade {
  /** The decision's id. */
  readonly id: string
  readonly block: number
  readonly verdict: string
  /** The first rule that failed; null for a trade. */
  readonly refusedBy: string | null
}

/**
 * The stages between a block and its transaction, in ms: received, judged, simulated in parallel with signed
 * and recorded, sent.
 */
export interface Stages {
  readonly received: number
  readonly judged: number
  readonly simulated: number
  readonly signed: number
  readonly recorded: number
  readonly sent: number
}

/** A transaction that the node accepted. */
export interface Sent {
  readonly decisionId: string
  readonly hash: Hex
  readonly block: number
  /** From the block, or from the pending transaction that is followed, to the node's answer. */
  readonly latencyMs: number
  readonly stages: Stages
  /** Whether it follows a pending transaction. */
  readonly follows: boolean
}

/** The captured share of the market's bound over the last blocks, in whole native coins. */
export interface CapturedShare {
  readonly blocks: number
  readonly bound: number
  readonly captured: number
  /** Null if the blocks held nothing. */
  readonly share: number | null
  readonly ahead: number
}

/** Prices of the pools that a block changed. */
export interface PriceUpdate {
  readonly block: number
  readonly rows: readonly {
    readonly pool: string
    readonly dex: string
    readonly kind: string
    readonly base: string
    readonly quote: string
    /** Units of `quote` per unit of `base`. */
    readonly price: number
    readonly feePercent: number
    readonly block: number
  }[]
}

/** State of the gateway's circuit breakers and budgets. */
export interface BreakerReport {
  /** ms since 1970. */
  readonly observedAt: number
  readonly breakers: readonly {
    readonly name: string
    readonly state: 'open' | 'half-open'
    readonly failures: number
    readonly retryInMs: number
  }[]
  readonly retryBudget: { readonly used: number; readonly max: number }
}

/** The state that changes during an MCP session of the 2025 revision. */
export interface SessionState {
  readonly ended?: boolean
  readonly logLevel?: string
  /** URIs of resources that the client subscribed to. */
  readonly watched?: readonly string[]
}

/** A new state of a session. */
export interface SessionChange {
  readonly id: string
  readonly state: SessionState
}

/**
 * A message that a client sent in a session other than a request: the answer to a server's request, or,
 * without `answer`, the cancellation of a call.
 */
export interface ClientMessage {
  readonly session: string
  readonly id: string | number
  readonly answer?: { readonly result?: unknown; readonly error?: { readonly message?: string } }
}
