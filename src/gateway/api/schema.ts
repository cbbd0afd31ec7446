/** The shapes of the REST and WebSocket API: what the dashboard and other programs may rely on. Amounts are decimal strings in smallest units. */

export interface ServiceView {
  status: string
  title: string
  category: string
  port: number | null
  pid: number | null
  cell: string
  restarts: number
  /** ms since 1970. */
  since: number | null
  detail?: string
}

/** A call that waits for a person, or did. */
export interface ApprovalView {
  id: string
  service: string
  tool: string
  caller: string
  arguments: unknown
  /** What would happen; null where the tool cannot say. */
  preview: unknown
  /** Of all of that: who decides sends back what they saw. */
  digest: string
  state: 'pending' | 'approved' | 'refused' | 'used'
  decidedBy: string | null
  createdAt: number
  expiresAt: number
}

export interface ApprovalPolicyView {
  version: number
  /** `*`, a server, or `server__tool`. */
  tools: readonly string[]
  atClient: boolean
  minutes: number
}

export interface TokenAmount {
  token: string
  symbol: string
  decimals: number
  amount: string
}

export interface MetricsView {
  tradesBooked: number
  profitable: number
  /** By token address. */
  profitBooked: Record<string, string>
  profit: TokenAmount[]
  /** In native wei, reverted and cancelled transactions included. */
  gasBooked: string
  /** Realised profit in the quote token and in the native token, in whole units. */
  profitValue: number
  profitNative: number
  /** Counts by outcome: as-predicted, state-moved, reverted, cancelled. */
  outcomes: Record<string, number>
  /** Shares by outcome, 0 to 1. */
  outcomeShares: Record<string, number>
  /** What would have been, on paper; `netNative` in whole native coins, net of gas. */
  paper: { trades: number; netNative: number; outcomes: Record<string, number> }
  /** The same for the chain that runs now. */
  thisChain: { tradesBooked: number; profitBooked: Record<string, string>; gasBooked: string }
}

export interface StatusView {
  profile: string
  mode: string
  version: string
  startedAt: number
  /** ms from start until everything was healthy; null before. */
  readyMs: number | null
  healthy: boolean
  servers: Record<string, ServiceView>
  agents: Record<string, ServiceView>
  main: Record<string, ServiceView>
  infrastructure: Record<string, ServiceView>
  chain: {
    id: number
    network: string
    genesis: string
    block: number
    finalized: number
    link: string
    nativeSymbol: string
    quoteSymbol: string
  } | null
  accounts: { executor: string; operator: string; treasury: string } | null
  metrics: MetricsView | null
  /** What could not be read, and why. */
  problems: string[]
}

export interface TradeView {
  hash: string
  block: number
  transactionIndex: number
  outcome: string
  route: string
  legs: { pool: string; dex: string; tokenIn: string; tokenOut: string }[]
  lender: string
  token: string
  symbol: string
  decimals: number
  amountIn: string
  predictedProfit: string
  realisedProfit: string
  profitValue: number
  profitNative: number
  gasUsed: string
  gasPrice: string
  gasCost: string
  predictedAtBlock: number
  decisionId: string | null
  nonce: number
  genesis: string
  bookedAt: number
}

export type ProfitRange = '1h' | '24h' | 'all'

/** One point of the profit curve: everything booked up to and including `at`. */
export interface ProfitPointView {
  /** ms since 1970. */
  at: number
  trades: number
  /** Realised profit in the quote token and in the native token, in whole units, as valued at booking. */
  profitValue: number
  profitNative: number
  /** Gas of all transactions, failed ones included, in whole native coins. */
  gasNative: number
  /** `profitNative` less `gasNative`. */
  netNative: number
}

/** Cumulative profit at evenly spaced points from `from` to `until` (ms since 1970); the last point equals the booked totals. */
export interface ProfitSeriesView {
  range: ProfitRange
  from: number
  until: number
  points: readonly ProfitPointView[]
}

export interface OpportunityView {
  id: string
  block: number
  verdict: string
  /** The first rule that refused it, or the stage that it did not pass; null for a trade. */
  refusedBy: string | null
  /** How far it got (`rules`, `simulation`, `signing`, `recording`, `sending`, `dry-run`, `paper`, `sent`), and why no further. */
  outcome: { stage: string; reason: string }
  /** The rules of the guard, passed or not. */
  reasons: { rule: string; ok: boolean; got: string; needed: string }[]
  route: string
  symbol: string
  lender: string
  amountIn: string
  premium: string
  profit: string
  numbers: Record<string, string>
  policies: Record<string, number | null>
  simulation: { succeeded: boolean; gasUsed: string; profit: string; error?: string } | null
  decidedAt: number
}

/** A trade on paper, judged by the next block. */
export interface PaperTradeView {
  decisionId: string
  block: number
  route: string
  symbol: string
  decimals: number
  predictedProfit: string
  outcome: string
  /** Native wei, net of gas. */
  netNative: number
  reason: string
  judgedAt: number
}

/** What `/events` sends, one JSON object per message. */
export type EventView =
  | { type: 'hello'; status: StatusView }
  | { type: 'status'; status: StatusView }
  | { type: 'trade'; trade: TradeView }
  | {
      type: 'block'
      block: number
      time: number
      opportunities: number
      searchedCycles: number
      searchMs: number
    }
  /** What the last blocks held and what we took of it, in whole native coins: see the tool `captured_share`. */
  | { type: 'captured'; blocks: number; bound: number; captured: number; share: number | null; ahead: number }
  | { type: 'paper-trade'; trade: PaperTradeView }
  | { type: 'decision'; id: string; block: number; verdict: string; refusedBy: string | null }
  | { type: 'sent'; decisionId: string; hash: string; block: number; latencyMs: number }
  | {
      type: 'prices'
      block: number
      rows: readonly {
        readonly pool: string
        readonly dex: string
        readonly kind: string
        readonly base: string
        readonly quote: string
        readonly price: number
        readonly feePercent: number
        readonly block: number
      }[]
    }
