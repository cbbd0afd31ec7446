/** MTBF, MTTR, restarts, flapping, leaks and the error budget, as a report that people read. */
import * as z from 'zod'
import { incident } from '../../engine/operations/incidents.ts'
import { stabilityHtml, stabilityMarkdown } from '../../engine/operations/stability-report.ts'
import { stabilityOf } from '../../fleet/stability.ts'
import { defineServer } from '../../mcp/define.ts'
import { limit, offset } from '../../mcp/fields.ts'

const HOUR_MS = 3_600_000
const MAX_INCIDENTS = 10_000

export default defineServer({
  id: 'mcp-stability-report',
  needs: ['fleet', 'ledger'],
  tools: ({ read }) => ({
    stability_report: read({
      description:
        'How stable each service was over the last hours: failures, mean time to recovery and between failures, flapping, leaks, error budget. As Markdown, or HTML with a plot.',
      keywords: 'reliability, time between failures, which service crashes most often',
      input: {
        hours: z.number().min(0.01).max(8_760).default(24),
        format: z.enum(['markdown', 'html']).default('markdown'),
        objective: z
          .number()
          .min(0.5)
          .max(0.99999)
          .default(0.999)
          .describe('the availability that is aimed at'),
      },
      output: {
        since: z.int(),
        until: z.int(),
        services: z.array(
          z.object({
            service: z.string(),
            failures: z.int(),
            meanTimeToRecovery: z.number().nullable(),
            meanTimeBetweenFailures: z.number().nullable(),
            downMs: z.number(),
            availability: z.number(),
            flapping: z.boolean(),
            errorBudgetUsed: z.number(),
            leaks: z.int(),
            isolations: z.int(),
          }),
        ),
        report: z.string(),
      },
      examples: [{ hours: 1 }],
      run: async ({ hours, format, objective }, { fleet, ledger, now }) => {
        const { services, startedAt } = await fleet.status()
        const until = now()
        const since = Math.max(startedAt, Math.round(until - hours * HOUR_MS))
        const incidents = await ledger.incidents({ since, limit: MAX_INCIDENTS })
        const rows = services.map(({ id }) => stabilityOf(id, incidents, since, until, objective))
        const facts = { since, until, objective, rows, incidents }
        return {
          since,
          until,
          services: rows,
          report: format === 'html' ? stabilityHtml(facts) : stabilityMarkdown(facts),
        }
      },
    }),
    incident_timeline: read({
      description: 'All incidents in time, a page at a time, newest first.',
      keywords: 'what went wrong and when, post mortem, last night',
      input: {
        hours: z.number().min(0.01).max(8_760).default(24),
        kind: z.string().max(40).optional(),
        limit: limit(500, 50),
        offset: offset(),
      },
      output: { total: z.int(), incidents: z.array(incident) },
      examples: [{ hours: 1 }],
      run: async ({ hours, kind, limit: most, offset: skip }, { ledger, now }) => {
        const all = (
          await ledger.incidents({ since: Math.round(now() - hours * HOUR_MS), limit: MAX_INCIDENTS })
        )
          .filter((each) => kind === undefined || each.kind === kind)
          .reverse()
        return {
          total: all.length,
          incidents: all.slice(skip, skip + most).map((each) => ({ ...each, services: [...each.services] })),
        }
      },
    }),
  }),
})
