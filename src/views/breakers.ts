/** Circuit breakers as they are shown. */
import * as z from 'zod'
import { maybeAt, maybeTime, paged, paginate } from '../mcp/fields.ts'
import type { BreakerReport } from '../ports/messages.ts'
import { view } from './view.ts'

/** The breakers of the gateway that are not closed, a page of them; empty before its first report. */
export const breakerState = view(
  z.object({
    ...maybeTime('observedAt'),
    retryBudget: z
      .object({
        used: z.number().describe('retries used of the budget'),
        max: z.number().describe('retries that the budget holds at most'),
      })
      .nullable(),
    ...paged(
      'breakers',
      z.object({
        name: z.string().describe('a service, or a service and its tool'),
        state: z.enum(['open', 'half-open']),
        failures: z.int().describe('failures in a row'),
        retryInMs: z.int(),
      }),
    ),
  }),
  (report: BreakerReport | undefined, paging: { readonly limit: number; readonly offset: number }) => ({
    ...maybeAt('observedAt', report?.observedAt),
    retryBudget: report ? { used: report.retryBudget.used, max: report.retryBudget.max } : null,
    ...paginate('breakers', report?.breakers ?? [], paging),
  }),
)
