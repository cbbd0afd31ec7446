/** Health with memory: how everything is now, how it was, and how long it has been up. */
import * as z from 'zod'
import { incident } from '../../engine/operations/incidents.ts'
import { stabilityOf } from '../../fleet/stability.ts'
import { defineServer } from '../../mcp/define.ts'
import { limit } from '../../mcp/fields.ts'
import { KintsugiError } from '../../std/errors.ts'

const service = z.string().min(1).max(100)
const HOUR_MS = 3_600_000
const MAX_INCIDENTS = 10_000
const OBJECTIVE = 0.999

export default defineServer({
  id: 'mcp-health-check',
  needs: ['fleet', 'ledger'],
  tools: ({ read }) => ({
    health: read({
      description: 'The health of every service now, or of one; only the unhealthy ones where asked.',
      keywords: 'is everything ok, which services are unhealthy, check of all services',
      input: { service: service.optional(), unhealthyOnly: z.boolean().default(false) },
      output: {
        healthy: z.boolean(),
        observedAt: z.int(),
        services: z.array(
          z.object({
            id: z.string(),
            status: z.string(),
            restarts: z.int(),
            upMs: z.int().nullable(),
            detail: z.string().optional(),
          }),
        ),
      },
      examples: [{}],
      run: async ({ service: id, unhealthyOnly }, { fleet, now }) => {
        const { services } = await fleet.status()
        const chosen = services.filter((each) => id === undefined || each.id === id)
        if (chosen.length === 0)
          throw new KintsugiError(
            'unknown-service',
            `service: no service is called ${JSON.stringify(id)} here`,
            { hint: `known: ${services.map((each) => each.id).join(', ')}` },
          )
        return {
          healthy: chosen.every(({ status }) => status === 'healthy'),
          observedAt: now(),
          services: chosen
            .filter(({ status }) => !unhealthyOnly || status !== 'healthy')
            .map(({ id: own, status, restarts, since, detail }) => ({
              id: own,
              status,
              restarts,
              upMs: since === null ? null : now() - since,
              ...(detail ? { detail } : {}),
            })),
        }
      },
    }),
    health_history: read({
      description:
        'What happened to a service, or to all, oldest first: failures, recoveries and how long they took. It survives restarts.',
      keywords: 'was it down yesterday, health over time, outages',
      input: {
        service: service.optional(),
        hours: z.number().min(0.01).max(8_760).default(24),
        limit: limit(1_000, 100),
      },
      output: { since: z.int(), incidents: z.array(incident) },
      examples: [{ hours: 1 }],
      run: async ({ service: id, hours, limit: most }, { ledger, now }) => {
        const since = Math.round(now() - hours * HOUR_MS)
        const incidents = await ledger.incidents({
          since,
          limit: most,
          ...(id === undefined ? {} : { service: id }),
        })
        return { since, incidents: incidents.map((each) => ({ ...each, services: [...each.services] })) }
      },
    }),
    uptime: read({
      description:
        'Availability of each service over the last hours: time down, failures, mean time to recovery. The span begins with the start of the fleet at the earliest.',
      keywords: 'availability, SLA, percentage of time it was up',
      input: { service: service.optional(), hours: z.number().min(0.01).max(8_760).default(24) },
      output: {
        since: z.int(),
        services: z.array(
          z.object({
            service: z.string(),
            availability: z.number(),
            downMs: z.number(),
            failures: z.int(),
            meanTimeToRecoveryMs: z.number().nullable(),
          }),
        ),
      },
      examples: [{}],
      run: async ({ service: id, hours }, { fleet, ledger, now }) => {
        const { services, startedAt } = await fleet.status()
        const since = Math.max(startedAt, Math.round(now() - hours * HOUR_MS))
        const incidents = await ledger.incidents({ since, limit: MAX_INCIDENTS })
        return {
          since,
          services: services
            .filter((each) => id === undefined || each.id === id)
            .map((each) => stabilityOf(each.id, incidents, since, now(), OBJECTIVE))
            .map(({ service: own, availability, downMs, failures, meanTimeToRecovery }) => ({
              service: own,
              availability,
              downMs,
              failures,
              meanTimeToRecoveryMs: meanTimeToRecovery,
            })),
        }
      },
    }),
  }),
})
