/** Incidents as they are shown: what failed, what was repaired, and how long it took. */
import * as z from 'zod'
import { countByKind, type IncidentSpan } from '../engine/operations/incident-log.ts'
import type { IncidentRecord } from '../fleet/incidents.ts'
import { at, paged, paginate, time } from '../mcp/fields.ts'
import { view } from './view.ts'

/** One incident. */
const incident = view(
  z.object({
    ...time('at'),
    unit: z.string().describe('the cell or piece of infrastructure'),
    services: z.array(z.string()).describe('ids of the affected services'),
    kind: z.string(),
    detail: z.string().describe('what was observed'),
    action: z.string().describe('what was done about it; none for nothing'),
    durationMs: z.int().nullable().describe('how long the failure lasted, for a recovery'),
  }),
  ({ at: when, durationMs, ...record }: IncidentRecord) => ({
    ...at('at', when),
    ...record,
    durationMs: durationMs === null ? null : Math.round(durationMs),
  }),
)

/** A page of the incidents of a span, newest first, after their counts. */
export const incidentPage = view(
  z.object({
    ...time('since'),
    byKind: z.record(z.string(), z.int()).describe('number of incidents in the span, by kind'),
    ...paged('incidents', incident.schema),
  }),
  ({ since, incidents }: IncidentSpan, paging: { readonly limit: number; readonly offset: number }) => ({
    ...at('since', since),
    byKind: countByKind(incidents),
    ...paginate('incidents', incidents.toReversed().map(incident.of), paging),
  }),
)
