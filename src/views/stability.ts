/** The stability of services as it is shown. */
import * as z from 'zod'
import type { StabilityFacts } from '../engine/operations/stability-report.ts'
import type { Stability } from '../fleet/stability.ts'
import { at, paged, paginate, rounded, time } from '../mcp/fields.ts'
import { view } from './view.ts'

interface Paging {
  readonly limit: number
  readonly offset: number
}

const wholeMs = (ms: number | null) => (ms === null ? null : Math.round(ms))
/** Shares near one need their distance from it: seven digits show 30 ms of a day. */
const share = (value: number) => rounded(value, 7)

/** The availability of a service. */
const availability = view(
  z.object({
    service: z.string(),
    availability: z.number().describe('share of the span in which it was up, 0 to 1'),
    downMs: z.int(),
    failures: z.int(),
    meanTimeToRecoveryMs: z.int().nullable().describe('null without a recovery'),
  }),
  (row: Stability) => ({
    service: row.service,
    availability: share(row.availability),
    downMs: Math.round(row.downMs),
    failures: row.failures,
    meanTimeToRecoveryMs: wholeMs(row.meanTimeToRecoveryMs),
  }),
)

/** The stability of a service. */
const stability = view(
  z.object({
    ...availability.schema.shape,
    meanTimeBetweenFailuresMs: z.int().nullable().describe('uptime per failure; null without a failure'),
    flapping: z.boolean().describe('whether five failures came within an hour'),
    errorBudgetUsed: z
      .number()
      .describe('downtime as a share of what the objective allows; above 1 the objective is missed'),
    leaks: z.int().describe('restarts because of a memory leak'),
    isolations: z.int().describe('moves into a process of its own'),
  }),
  (row: Stability) => ({
    ...availability.of(row),
    meanTimeBetweenFailuresMs: wholeMs(row.meanTimeBetweenFailuresMs),
    flapping: row.flapping,
    errorBudgetUsed: rounded(row.errorBudgetUsed),
    leaks: row.leaks,
    isolations: row.isolations,
  }),
)

/** The availability of the fleet, a page of it: the services that were down longest first. */
export const uptime = view(
  z.object({
    ...time('since'),
    neverDown: z.int().describe('number of services without downtime in the span'),
    ...paged('services', availability.schema),
  }),
  ({ since, rows }: StabilityFacts, paging: Paging) => ({
    ...at('since', since),
    neverDown: rows.filter(({ downMs }) => downMs === 0).length,
    ...paginate('services', rows.toSorted((a, b) => b.downMs - a.downMs).map(availability.of), paging),
  }),
)

/** The stability of the fleet, a page of it, those with most failures first, after a summary. */
export const stabilityPage = view(
  z.object({
    ...time('since'),
    ...time('until'),
    summary: z.string(),
    ...paged('services', stability.schema),
    report: z.string().optional().describe('the whole report, in the requested format'),
  }),
  (facts: StabilityFacts, summary: string, paging: Paging, report?: string) => ({
    ...at('since', facts.since),
    ...at('until', facts.until),
    summary,
    ...paginate('services', facts.rows.map(stability.of), paging),
    ...(report === undefined ? {} : { report }),
  }),
)
