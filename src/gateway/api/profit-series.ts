/** The cumulative profit over time, for the page's curve. */
import type { Ledger } from '../../ports/ledger.ts'
import type { ProfitRange, ProfitSeriesView } from './schema.ts'

const HOUR_MS = 3_600_000
const BUCKETS = 240
const SPAN_MS: Readonly<Record<Exclude<ProfitRange, 'all'>, number>> = { '1h': HOUR_MS, '24h': 24 * HOUR_MS }

/**
 * Points evenly spaced up to `now` (ms since 1970). The last one equals the ledger's totals; none starts at 0
 * but the first of `all`.
 */
export async function readProfitSeries(
  ledger: Pick<Ledger, 'profitSeries' | 'firstBookedAt'>,
  range: ProfitRange,
  now: number,
): Promise<ProfitSeriesView> {
  const from = range === 'all' ? await beforeFirstTrade(ledger, now) : now - SPAN_MS[range]
  const points = await ledger.profitSeries({ since: from, until: now, buckets: BUCKETS })
  return { range, from, until: now, points }
}

/** Just before the first booking; an hour ago while nothing is booked. */
async function beforeFirstTrade(ledger: Pick<Ledger, 'firstBookedAt'>, now: number): Promise<number> {
  const first = await ledger.firstBookedAt()
  return first !== undefined && first < now ? first - 1 : now - HOUR_MS
}
