/** The report of a chaos run. */
import type { BooksCheck } from '../../engine/books/books-check.ts'
import { color, seconds } from '../format.ts'
import type { ReadResult } from './reads.ts'

/** Durations in ms. */
export interface ChaosReport {
  scenario: string
  seed: number
  seconds: number
  /** Injected faults; `at` in ms since 1970. */
  faults: { victims: string[]; at: number }[]
  /** From a fault until all services of the victim's process were healthy. */
  recoveries: { count: number; median: number; p99: number; worst: number; missing: number }
  reads: { sent: number; lost: number; median: number; p99: number; errors: Record<string, number> }
  /** `books` is null if the chain was replaced during the run. */
  trades: { before: number; after: number; books: BooksCheck | null }
  healthyAfterwards: boolean
  healthyAfterMs: number
}

/** Quantiles of recovery times; `undefined` is a fault whose recovery was not observed. */
export function recoveriesOf(observed: readonly (number | undefined)[]): ChaosReport['recoveries'] {
  const durations = observed.filter((ms): ms is number => ms !== undefined).sort((a, b) => a - b)
  return {
    count: durations.length,
    median: quantile(durations, 0.5),
    p99: quantile(durations, 0.99),
    worst: Math.round(durations.at(-1) ?? 0),
    missing: observed.length - durations.length,
  }
}

/** Quantiles of read times. */
export const readsOf = ({ sent, lost, times, errors }: ReadResult): ChaosReport['reads'] => ({
  sent,
  lost,
  median: quantile(times, 0.5),
  p99: quantile(times, 0.99),
  errors: { ...errors },
})

function quantile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

/** The report for people. */
export function reportText(report: ChaosReport): string {
  const { recoveries, reads, trades, faults } = report
  const mark = (ok: boolean) => (ok ? color.green('✓') : color.red('✗'))
  const missing = recoveries.missing > 0 ? `; ${recoveries.missing} recoveries not observed` : ''
  return [
    '',
    `${mark(report.healthyAfterwards)} ${report.healthyAfterwards ? `all services healthy ${seconds(report.healthyAfterMs)} after the last fault` : 'not all services are healthy again'}`,
    `${mark(recoveries.missing === 0)} ${faults.length} faults; recovery ${recoveries.median} ms (median), ${recoveries.p99} ms (p99), ${recoveries.worst} ms (worst)${missing}`,
    `${mark(reads.lost === 0)} ${reads.sent} reads through the gateway, ${reads.lost} lost; ${reads.median} ms (median), ${reads.p99} ms (p99)`,
    `${mark(trades.books?.equal !== false)} ${trades.after - trades.before} trades booked; ${booksText(trades.books)}`,
    ...Object.entries(reads.errors).map(([error, times]) => `  ${times} × ${error}`),
  ].join('\n')
}

function booksText(books: BooksCheck | null): string {
  if (!books) return 'ledger not compared, since the chain was replaced'
  if (!books.equal) return books.differences.join('; ')
  return `ledger equals chain over ${books.trades} of them`
}
