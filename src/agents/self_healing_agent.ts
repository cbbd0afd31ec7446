/**
 * Aggregates health, predicts failures, heals and scales. The supervisor handles crashes and hangs; the agent
 * looks further ahead.
 */
import * as z from 'zod'
import { HealingLoop } from '../engine/operations/healing-loop.ts'
import { incidentsOf } from '../engine/operations/incident-log.ts'
import { healService } from '../engine/operations/remedies.ts'
import { systemStatus } from '../engine/operations/system-status.ts'
import { CELL_HEAP_MB } from '../fleet/catalogue/profiles.ts'
import { defineAgent, type RunningAgent } from '../mcp/define.ts'
import { page, service } from '../mcp/fields.ts'
import { parseFields } from '../mcp/schema.ts'
import type { FleetControl } from '../ports/fleet.ts'
import type { Ledger } from '../ports/ledger.ts'
import { KintsugiError } from '../std/errors.ts'
import { onlyKnown, shown, wholeNumber } from '../std/query.ts'
import { incidentPage } from '../views/incidents.ts'
import { predictions, predictionsTool } from '../views/predictions.ts'
import { healing, systemHealth } from '../views/service-state.ts'

const OBSERVE_MS = 1_000
const MINUTE_MS = 60_000
const INCIDENT_LIMIT = { min: 1, max: 1_000, defaultValue: 100 }
const SERVICE_HINT = 'the id of a service, such as mcp_price_feed_server'
/** Arguments of a task for this agent: the service to heal. */
const taskArguments = z.strictObject({ service: service() })

export default defineAgent({
  id: predictionsTool.service,
  duty: 'Aggregates health, predicts failures, heals, scales and rebalances; explains what it saw and did',
  needs: ['fleet', 'ledger'],
  start: async ({ fleet, ledger }, { now, log, overloaded }) => {
    const loop = new HealingLoop({
      fleet,
      ledger,
      scalable: await fleet.scalable(),
      defaultHeapBytes: CELL_HEAP_MB * 2 ** 20,
      now,
      log,
    })
    // What is measured on a starved machine says nothing about the services.
    const timer = setInterval(() => overloaded() || void loop.observe(), OBSERVE_MS)
    return {
      outlook: () => loop.outlook(),
      stop: () => clearInterval(timer),
      decisions: (limit) => loop.decisions(limit),
      state: () => ({ decisions: loop.count, ...loop.outlook() }),
      endpoints: endpoints(loop, fleet, ledger, now),
      coordinate: async ({ arguments: given }) => {
        const example = { service: 'mcp_monitoring_server' }
        const { service: id } = parseFields('arguments', taskArguments, given, { example })
        return { ...(await healService(fleet, id)) }
      },
    }
  },
  tools: ({ read, write }) => ({
    system_status: read({
      description:
        'The health of the whole fleet: the services that are not healthy with the reason and a repair, and the incidents of the last hour by kind.',
      keywords:
        'overall condition of the fleet, summary, is anything unwell, unhealthy, down or broken, which services are unhealthy',
      input: {},
      output: systemHealth.schema,
      examples: [{}],
      run: async (_input, { fleet, ledger, now }) =>
        systemHealth.of(await systemStatus(fleet, ledger, now())),
    }),
    incidents: read({
      description:
        'Incidents of the last minutes, of a service or of all, newest first: what was observed, what was done about it and how long it took.',
      keywords: 'what happened, what did the healer do, failures and repairs',
      input: {
        service: service().optional(),
        sinceMinutes: z.int().min(1).max(100_000).default(60).describe('how far back, in minutes'),
        ...page(1_000, 10),
      },
      output: incidentPage.schema,
      examples: [{}],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id, sinceMinutes, ...paging }, { fleet, ledger, now }) => {
        const since = now() - sinceMinutes * MINUTE_MS
        return incidentPage.of(await incidentsOf(fleet, ledger, { since, service: id }), paging)
      },
    }),
    [predictionsTool.tool]: read({
      description:
        'What may fail next: measures that left their learned normal, and restarts that wait for an idle moment.',
      keywords: 'unusual behaviour, suspected leaks, what may fail next, warnings',
      input: predictionsTool.input,
      output: predictionsTool.output,
      examples: [{}],
      run: (_input, { state }) => predictions.of(state.outlook()),
    }),
    heal_service: write({
      description:
        'Heals a service: starts it if it is stopped or quarantined, restarts it if it is degraded, does nothing if it is healthy.',
      keywords: 'repair, fix what is broken or degraded, make it well again',
      idempotent: true,
      input: { service: service() },
      output: healing.schema,
      examples: [{ service: 'mcp_monitoring_server' }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id }, { fleet }) => healing.of(await healService(fleet, id)),
    }),
  }),
})

/** The id of a service. Throws `bad-argument` if it is missing or not text. */
function serviceId(value: unknown): string {
  if (value === undefined) throw new KintsugiError('bad-argument', 'service: missing', { hint: SERVICE_HINT })
  if (typeof value === 'string' && value !== '') return value
  throw new KintsugiError('bad-argument', `service: expected the id of a service (got ${shown(value)})`, {
    hint: SERVICE_HINT,
  })
}

const endpoints = (
  loop: HealingLoop,
  fleet: FleetControl,
  ledger: Ledger,
  now: () => number,
): NonNullable<RunningAgent['endpoints']> => ({
  'GET /system-status': async () => ({ ...(await systemStatus(fleet, ledger, now())) }),
  'GET /incidents': async (given) => {
    onlyKnown(Object.keys(given), ['limit'])
    const limit = wholeNumber('limit', given.limit, INCIDENT_LIMIT)
    return { incidents: await ledger.incidents({ since: 0, limit }) }
  },
  'POST /heal-service': async (given) => {
    onlyKnown(Object.keys(given), ['service'])
    return { ...(await healService(fleet, serviceId(given.service))) }
  },
  'POST /emergency-healing': async () => ({ healed: await loop.healAll() }),
})
