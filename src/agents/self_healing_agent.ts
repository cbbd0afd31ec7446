/** Aggregates health, predicts failures, heals and scales. The supervisor handles crashes and hangs; the agent looks further ahead. */
import * as z from 'zod'
import { predictions } from '../engine/operations/healer.ts'
import { HealingLoop } from '../engine/operations/healing-loop.ts'
import { incident } from '../engine/operations/incidents.ts'
import { healService } from '../engine/operations/remedies.ts'
import { systemStatus } from '../engine/operations/system-status.ts'
import { CELL_HEAP_MB } from '../fleet/catalogue/profiles.ts'
import { defineAgent } from '../mcp/define.ts'
import { limit } from '../mcp/fields.ts'

const OBSERVE_MS = 1_000

export default defineAgent({
  id: 'self_healing_agent',
  duty: 'Aggregates health, predicts failures, heals, scales and rebalances; explains what it saw and did',
  needs: ['fleet', 'ledger'],
  start: async ({ fleet, ledger }, { now, log }) => {
    const loop = new HealingLoop({
      fleet,
      ledger,
      scalable: await fleet.scalable(),
      defaultHeapBytes: CELL_HEAP_MB * 2 ** 20,
      now,
      log,
    })
    const timer = setInterval(() => void loop.observe(), OBSERVE_MS)
    return {
      outlook: () => loop.outlook(),
      stop: () => clearInterval(timer),
      decisions: (limit) => loop.decisions(limit),
      state: () => ({ decisions: loop.count, ...loop.outlook() }),
      endpoints: {
        'GET /system-status': async () => ({ ...(await systemStatus(fleet, ledger, now())) }),
        'GET /incidents': async ({ limit: most }) => ({
          incidents: await ledger.incidents({ since: 0, limit: Math.min(1_000, Number(most) || 100) }),
        }),
        'POST /heal-service': async ({ service }) => ({
          ...(await healService(fleet, String(service ?? ''))),
        }),
        'POST /emergency-healing': async () => ({ healed: await loop.healAll() }),
      },
      coordinate: async ({ description, arguments: given }) => ({
        ...(await healService(fleet, String(given.service ?? description.split(/\s+/).at(-1)))),
      }),
    }
  },
  tools: ({ read, write }) => ({
    system_status: read({
      description: 'The health of the whole fleet: what is not healthy and why, what the last hour brought.',
      keywords: 'overall condition of the fleet, summary, is anything unwell',
      input: {},
      output: {
        overall: z.enum(['healthy', 'degraded', 'critical']),
        services: z.object({ total: z.int(), healthy: z.int() }),
        unwell: z.array(
          z.object({ service: z.string(), status: z.string(), reason: z.string(), proposal: z.string() }),
        ),
        lastHour: z.record(z.string(), z.int()).describe('incidents of the last hour, by kind'),
      },
      examples: [{}],
      run: (_input, { fleet, ledger, now }) => systemStatus(fleet, ledger, now()),
    }),
    incidents: read({
      description: 'What was seen, what was done about it and how long it took, oldest first.',
      keywords: 'what happened, what did the healer do, failures and repairs',
      input: {
        service: z.string().max(100).optional(),
        sinceMinutes: z.int().min(1).max(100_000).default(60),
        limit: limit(1_000, 100),
      },
      output: { incidents: z.array(incident) },
      examples: [{}],
      run: async ({ service, sinceMinutes, limit: most }, { ledger, now }) => ({
        incidents: (
          await ledger.incidents({
            since: now() - sinceMinutes * 60_000,
            limit: most,
            ...(service === undefined ? {} : { service }),
          })
        ).map((each) => ({
          ...each,
          services: [...each.services],
        })),
      }),
    }),
    predictions: read({
      description:
        'What may fail next: measures that left their learned normal, and restarts that wait for an idle moment.',
      keywords: 'unusual behaviour, suspected leaks, what may fail next, warnings',
      input: {},
      output: predictions,
      examples: [{}],
      run: (_input, { state }) => state.outlook(),
    }),
    heal_service: write({
      description:
        'Heals a service: starts it if it is stopped or quarantined, restarts it if it is degraded, does nothing if it is healthy.',
      keywords: 'repair, fix what is broken or degraded, make it well again',
      input: { service: z.string().min(1).max(100) },
      output: { service: z.string(), before: z.string(), action: z.string(), reason: z.string() },
      examples: [{ service: 'mcp_monitoring_server' }],
      run: ({ service }, { fleet }) => healService(fleet, service),
    }),
  }),
})
