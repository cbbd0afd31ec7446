/** Booked profit of a span: sums, and what they consist of. */
import type { Ledger, Trade } from '../../ports/ledger.ts'

/** Trades that are read at most for the breakdown, and per read. */
const MAX_TRADES = 10_000
const PAGE_SIZE = 500

/** Sums over some trades, in whole native coins. */
export interface ProfitSum {
  readonly trades: number
  readonly netNative: number
}

/** Sums by name, largest profit first. */
export type ProfitBy = readonly (readonly [name: string, ProfitSum])[]

/** What was booked after `since` up to `until` (ms since 1970). */
export interface ProfitAnalysis {
  readonly since: number
  readonly until: number
  readonly trades: number
  /** Realised profit in whole native coins and in whole quote tokens, as valued at booking. */
  readonly profitNative: number
  readonly profitValue: number
  /** Gas of all transactions, those that failed included, in whole native coins. */
  readonly gasNative: number
  /**
   * Trades that the breakdown covers, the newest ones: all of them unless there are more than 10,000 in the
   * ledger.
   */
  readonly analysed: number
  readonly byOutcome: ProfitBy
  readonly byLender: ProfitBy
  readonly byRoute: ProfitBy
  /**
   * Of the trades whose pools nothing moved, the share whose profit was the predicted one to the unit; null
   * without such trades.
   */
  readonly predictedExactly: number | null
}

/** Analyses the booked trades of all chains. Throws what the ledger throws. */
export async function analyseProfit(
  ledger: Pick<Ledger, 'trades' | 'profitSeries'>,
  since: number,
  until: number,
): Promise<ProfitAnalysis> {
  const [before, after] = await ledger.profitSeries({ since, until, buckets: 1 })
  const trades = (await newestTrades(ledger)).filter(({ bookedAt }) => bookedAt > since && bookedAt <= until)
  const between = (of: 'trades' | 'profitNative' | 'profitValue' | 'gasNative') =>
    (after?.[of] ?? 0) - (before?.[of] ?? 0)
  const quiet = trades.filter(({ outcome }) => outcome === 'as-predicted')
  const exact = quiet.filter(({ predictedProfit, realisedProfit }) => predictedProfit === realisedProfit)
  return {
    since,
    until,
    trades: between('trades'),
    profitNative: between('profitNative'),
    profitValue: between('profitValue'),
    gasNative: between('gasNative'),
    analysed: trades.length,
    byOutcome: grouped(trades, ({ outcome }) => outcome),
    byLender: grouped(trades, ({ lender }) => lender || 'none'),
    byRoute: grouped(trades, ({ route }) => route),
    predictedExactly: quiet.length === 0 ? null : exact.length / quiet.length,
  }
}

async function newestTrades(ledger: Pick<Ledger, 'trades'>): Promise<Trade[]> {
  const read: Trade[] = []
  while (read.length < MAX_TRADES) {
    const page = await ledger.trades({ limit: PAGE_SIZE, offset: read.length })
    read.push(...page)
    if (page.length < PAGE_SIZE) break
  }
  return read
}

const netOf = ({ profitNative, gasCost }: Trade) => profitNative - Number(gasCost) / 1e18

const grouped = (trades: readonly Trade[], key: (trade: Trade) => string): ProfitBy =>
  [...Map.groupBy(trades, key)]
    .map(
      ([name, own]) =>
        [name, { trades: own.length, netNative: own.reduce((sum, trade) => sum + netOf(trade), 0) }] as const,
    )
    .sort(([, a], [, b]) => b.netNative - a.netNative)
