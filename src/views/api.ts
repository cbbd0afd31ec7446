/** The views of the REST API by the names of its OpenAPI document. */
import { approval, approvalPolicy } from './approvals.ts'
import { decisionRecord } from './decision-record.ts'
import { fleetStatus, serviceRow } from './fleet-status.ts'
import { paperTrade, profitPoint, profitSeries, trade, tradeMetrics } from './trades.ts'

export const API_VIEWS = {
  ServiceView: serviceRow,
  StatusView: fleetStatus,
  MetricsView: tradeMetrics,
  TradeView: trade,
  PaperTradeView: paperTrade,
  OpportunityView: decisionRecord,
  ProfitPointView: profitPoint,
  ProfitSeriesView: profitSeries,
  ApprovalView: approval,
  ApprovalPolicyView: approvalPolicy,
} as const
