/** Health with memory: how everything is now, how it was, and how long it has been up. */
import * as z from 'zod'
import { incidentsOf } from '../../engine/operations/incident-log.ts'
import { fleetStability } from '../../engine/operations/stability-report.ts'
import { defineServer } from '../../mcp/define.ts'
import { at, hours, page, paged, paginate, service, time } from '../../mcp/fields.ts'
import { incidentPage } from '../../views/incidents.ts'
import { serviceHealth } from '../../views/service-state.ts'
import { uptime } from '../../views/stability.ts'

const HOUR_MS = 3_600_000
const MAX_HOURS = 8_760
/** Targeted availability; `uptime` does not show what depends on it. */
const OBJECTIVE = 0.999

export default defineServer({
  id: 'mcp-health-check',
  needs: ['fleet', 'ledger'],
  tools: ({ read }) => ({
    health: read({
      description:
        'The health of every service now, or of one; on request only of those that are not healthy.',
      keywords: 'is everything ok, which services are unhealthy, down or broken, check of all services',
      input: {
        service: service().optional(),
        unhealthyOnly: z.boolean().default(false),
        ...page(200, 40),
      },
      output: {
        healthy: z.boolean().describe('whether all of them are healthy'),
        unhealthy: z.int().describe('number of services that are not healthy'),
        ...time('observedAt'),
        ...paged('services', serviceHealth.schema),
      },
      examples: [{}, { unhealthyOnly: true }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id, unhealthyOnly, ...paging }, { fleet, now }) => {
        const chosen = id === undefined ? (await fleet.status()).services : [await fleet.service(id)]
        const unhealthy = chosen.filter(({ status }) => status !== 'healthy')
        const shown = (unhealthyOnly ? unhealthy : chosen).map((each) => serviceHealth.of(each, now()))
        return {
          healthy: unhealthy.length === 0,
          unhealthy: unhealthy.length,
          ...at('observedAt', now()),
          ...paginate('services', shown, paging),
        }
      },
    }),
    health_history: read({
      description:
        'What happened to a service, or to all, newest first: failures, recoveries and how long they took. It survives restarts.',
      keywords: 'was it down yesterday, health over time, outages',
      input: { service: service().optional(), hours: hours(MAX_HOURS, 24), ...page(1_000, 10) },
      output: incidentPage.schema,
      examples: [{ hours: 1 }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id, hours: span, ...paging }, { fleet, ledger, now }) => {
        const since = now() - span * HOUR_MS
        return incidentPage.of(await incidentsOf(fleet, ledger, { since, service: id }), paging)
      },
    }),
    uptime: read({
      description:
        'Availability of each service over the last hours, longest downtime first: downtime, failures, mean time to recovery. The span begins with the start of the fleet at the earliest.',
      keywords: 'availability, SLA, percentage of time it was up',
      input: { service: service().optional(), hours: hours(MAX_HOURS, 24), ...page(200, 20) },
      output: uptime.schema,
      examples: [{}],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id, hours: span, ...paging }, { fleet, ledger, now }) => {
        const query = { hours: span, now: now(), objective: OBJECTIVE, service: id }
        return uptime.of(await fleetStability(fleet, ledger, query), paging)
      },
    }),
  }),
})
