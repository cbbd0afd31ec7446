/** The profit curve: the server's points, continued to the current total. */
import type { ProfitSeriesView } from '../gateway/api/schema.ts'

/** Seconds since 1970, and cumulative profit in the quote token. */
export interface Curve {
  readonly times: readonly number[]
  readonly values: readonly number[]
}

/**
 * The curve up to `now` (ms since 1970). Its last value is `total`, the figure of the tile, so that the two
 * never differ.
 */
export function curveOf(series: ProfitSeriesView | undefined, total: number, now: number): Curve {
  const points = (series?.points ?? []).filter(({ at }) => at < now)
  if (points.length === 0) return { times: [], values: [] }
  return {
    times: [...points.map(({ at }) => at / 1_000), now / 1_000],
    values: [...points.map(({ profitValue }) => profitValue), total],
  }
}
