/**
 * The types of the REST and WebSocket API, as clients receive them, such as the page and other programs. The
 * shapes are the views; amounts are decimal strings in smallest units.
 */
import type { approval, approvalPolicy } from '../../views/approvals.ts'
import type { decisionRecord } from '../../views/decision-record.ts'
import type { fleetStatus, serviceRow } from '../../views/fleet-status.ts'
import type {
  PROFIT_RANGES,
  paperTrade,
  profitPoint,
  profitSeries,
  trade,
  tradeMetrics,
} from '../../views/trades.ts'
import type { Wire } from '../../views/view.ts'

export type ServiceView = Wire<typeof serviceRow>
export type StatusView = Wire<typeof fleetStatus>
export type MetricsView = Wire<typeof tradeMetrics>
export type TradeView = Wire<typeof trade>
export type PaperTradeView = Wire<typeof paperTrade>
export type OpportunityView = Wire<typeof decisionRecord>
export type ProfitRange = (typeof PROFIT_RANGES)[number]
export type ProfitPointView = Wire<typeof profitPoint>
export type ProfitSeriesView = Wire<typeof profitSeries>
export type ApprovalView = Wire<typeof approval>
export type ApprovalPolicyView = Wire<typeof approvalPolicy>

/** The messages of `/events`, one JSON object each. */
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
  /** The captured share of the last blocks' bound, in whole native coins: see the tool `captured_share`. */
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
