/** The fleet, the books and the decisions as the API shows them. */

import { refusedBy } from '../arbitrage/index.ts'
import { describeRoute } from '../engine/books/booking.ts'
import { finalBlock } from '../engine/chains/finality.ts'
import { termsOf } from '../engine/chains/profiles.ts'
import { tokenAt } from '../engine/market/tokens.ts'
import type { Chain } from '../ports/chain.ts'
import type { FleetControl, ServiceStatus } from '../ports/fleet.ts'
import type { DecisionRecord, Ledger, PaperTotals, PaperTrade, Trade, TradeTotals } from '../ports/ledger.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import { messageOf } from '../std/errors.ts'
import { toPlain } from '../std/json.ts'
import type {
  MetricsView,
  OpportunityView,
  PaperTradeView,
  ServiceView,
  StatusView,
  TradeView,
} from './api/schema.ts'

export interface ViewSources {
  fleet: FleetControl
  ledger: Ledger
  chain: Chain
  /** The market that is traded now, where there is one. */
  manifest(): MarketManifest | undefined
  version: string
}

const serviceView = ({ id: _, kind: __, ...rest }: ServiceStatus): ServiceView => rest

export async function statusView({
  fleet,
  ledger,
  chain,
  manifest,
  version,
}: ViewSources): Promise<StatusView> {
  const problems: string[] = []
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | null> =>
    work().catch((error) => {
      problems.push(`${what}: ${messageOf(error)}`)
      return null
    })
  const market = manifest()
  const [state, totals, paper, current, head, finalized] = await Promise.all([
    fleet.status(),
    attempt('ledger', () => ledger.totals()),
    attempt('ledger', () => ledger.paperTotals()),
    market ? attempt('ledger', () => ledger.totals(market.genesis)) : null,
    attempt('chain', () => chain.block('latest')),
    market
      ? attempt('chain', async () =>
          finalBlock(chain, termsOf(market.chainId).finality, (await chain.block('latest')).number),
        )
      : null,
  ])
  const of = (kind: ServiceStatus['kind']) =>
    Object.fromEntries(
      state.services
        .filter((service) => service.kind === kind)
        .map((service) => [service.id, serviceView(service)]),
    )
  return {
    profile: state.profile,
    mode: state.mode,
    version,
    startedAt: state.startedAt,
    readyMs: state.readyMs,
    healthy: state.services.every((service) => service.status === 'healthy') && problems.length === 0,
    servers: of('server'),
    agents: of('agent'),
    main: of('main'),
    infrastructure: of('infrastructure'),
    chain: market
      ? {
          id: market.chainId,
          network: market.network,
          genesis: market.genesis,
          block: head?.number ?? 0,
          finalized: finalized ?? 0,
          link: head ? 'connected' : 'disconnected',
          nativeSymbol: market.nativeSymbol,
          quoteSymbol: tokenAt(market, market.numeraire).symbol,
        }
      : null,
    accounts: market?.execution ?? null,
    metrics: totals && metricsView(totals, paper, current, market),
    problems: [...new Set(problems)],
  }
}

function metricsView(
  totals: TradeTotals,
  paper: PaperTotals | null,
  current: TradeTotals | null,
  manifest: MarketManifest | undefined,
): MetricsView {
  const strings = (amounts: Readonly<Record<string, bigint>>) =>
    Object.fromEntries(Object.entries(amounts).map(([token, amount]) => [token, String(amount)]))
  return {
    tradesBooked: totals.tradesBooked,
    profitable: totals.profitable,
    profitBooked: strings(totals.profitBooked),
    profit: Object.entries(totals.profitBooked).map(([address, amount]) => {
      const token = manifest?.tokens.find((candidate) => candidate.address === address)
      return {
        token: address,
        symbol: token?.symbol ?? address,
        decimals: token?.decimals ?? 18,
        amount: String(amount),
      }
    }),
    gasBooked: String(totals.gasBooked),
    profitValue: totals.profitValue,
    profitNative: totals.profitNative,
    outcomes: { ...totals.outcomes },
    outcomeShares: Object.fromEntries(
      Object.entries(totals.outcomes).map(([name, count]) => [name, count / totals.tradesBooked]),
    ),
    paper: {
      trades: paper?.trades ?? 0,
      netNative: (paper?.netNative ?? 0) / 1e18,
      outcomes: { ...paper?.outcomes },
    },
    thisChain: {
      tradesBooked: current?.tradesBooked ?? 0,
      profitBooked: strings(current?.profitBooked ?? {}),
      gasBooked: String(current?.gasBooked ?? 0n),
    },
  }
}

export const paperTradeView = (trade: PaperTrade): PaperTradeView => toPlain(trade) as PaperTradeView
export const tradeView = (trade: Trade): TradeView => toPlain(trade) as TradeView

export function opportunityView(
  record: DecisionRecord,
  manifest: MarketManifest | undefined,
): OpportunityView {
  const { opportunity, decision } = record
  const symbolOf = (token: `0x${string}`) => (manifest ? tokenAt(manifest, token).symbol : token)
  return toPlain({
    id: record.id,
    block: opportunity.block,
    verdict: decision.verdict,
    refusedBy: refusedBy(record),
    outcome: record.outcome,
    reasons: decision.rules,
    route: describeRoute(record, symbolOf),
    symbol: symbolOf(opportunity.token),
    lender: opportunity.loan.kind,
    amountIn: opportunity.borrowed,
    premium: opportunity.premium,
    profit: opportunity.profit,
    numbers: Object.fromEntries(
      Object.entries(decision.numbers).map(([name, value]) => [name, String(value)]),
    ),
    policies: decision.policies,
    simulation: record.simulation ?? null,
    decidedAt: record.decidedAt,
  }) as OpportunityView
}
