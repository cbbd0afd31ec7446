/** MTBF, MTTR, restarts, flapping, leaks and the error budget, as a report that people read. */
import * as z from 'zod'
import { incidentsSince } from '../../engine/operations/incident-log.ts'
import {
  fleetStability,
  stabilityHtml,
  stabilityMarkdown,
  stabilitySummary,
} from '../../engine/operations/stability-report.ts'
import { INCIDENTS, type IncidentKind } from '../../fleet/incidents.ts'
import { defineServer } from '../../mcp/define.ts'
import { hours, page } from '../../mcp/fields.ts'
import { incidentPage } from '../../views/incidents.ts'
import { stabilityPage } from '../../views/stability.ts'

const HOUR_MS = 3_600_000
const MAX_HOURS = 8_760
const FORMATS = { markdown: stabilityMarkdown, html: stabilityHtml }

export default defineServer({
  id: 'mcp-stability-report',
  needs: ['fleet', 'ledger'],
  tools: ({ read }) => ({
    stability_report: read({
      description:
        'How stable each service was over the last hours: failures, mean time to recovery and between failures, flapping, leaks, error budget. On request also as a whole report: Markdown, or HTML with a plot.',
      keywords: 'reliability, MTBF, MTTR, time between failures, which service crashes most often',
      input: {
        hours: hours(MAX_HOURS, 24),
        format: z.enum(['markdown', 'html']).optional().describe('adds the whole report in this format'),
        objective: z
          .number()
          .min(0.5)
          .max(0.99999)
          .default(0.999)
          .describe('the targeted availability, 0.5 to 0.99999'),
        ...page(200, 8),
      },
      output: stabilityPage.schema,
      examples: [{ hours: 1 }],
      run: async ({ hours: span, format, objective, ...paging }, { fleet, ledger, now }) => {
        const facts = await fleetStability(fleet, ledger, { hours: span, now: now(), objective })
        return stabilityPage.of(facts, stabilitySummary(facts), paging, format && FORMATS[format](facts))
      },
    }),
    incident_timeline: read({
      description:
        'All incidents of the last hours, newest first: what failed, what was repaired, how long it took. On request of one kind only.',
      keywords: 'what went wrong and when, post mortem, last night',
      input: {
        hours: hours(MAX_HOURS, 24),
        kind: z
          .enum(Object.keys(INCIDENTS) as [IncidentKind, ...IncidentKind[]])
          .optional()
          .describe('only incidents of this kind'),
        ...page(500, 10),
      },
      output: incidentPage.schema,
      examples: [{ hours: 1 }, { kind: 'recovered' }],
      run: async ({ hours: span, kind, ...paging }, { ledger, now }) =>
        incidentPage.of(await incidentsSince(ledger, { since: now() - span * HOUR_MS, kind }), paging),
    }),
  }),
})
