/** Aggregates health, predicts failures, heals, scales, rebalances. Crashes and hangs are mended without it; what it adds is slower and looks further. */
import * as z from 'zod'
import {
  Healer,
  type HealingAction,
  predictions,
  SCALING,
  SCALING_SETTING,
  type ScalingPolicy,
} from '../engine/operations/healer.ts'
import { incident } from '../engine/operations/incidents.ts'
import { diagnose, healService } from '../engine/operations/remedies.ts'
import { CELL_HEAP_MB } from '../fleet/catalogue/profiles.ts'
import { type AgentDecision, defineAgent } from '../mcp/define.ts'
import { limit } from '../mcp/fields.ts'
import { messageOf } from '../std/errors.ts'

const OBSERVE_MS = 1_000
/** A planned restart waits this long for a moment in which no call runs. */
const QUIET_MS = 15_000
const MAX_DECISIONS = 200
/** What the running agent watches, for its tools. */
let watching: (() => { unusual: ReturnType<Healer['unusual']>; restartsWaiting: string[] }) | undefined

export default defineAgent({
  id: 'self_healing_agent',
  duty: 'Aggregates health, predicts failures, heals, scales and rebalances; explains what it saw and did',
  needs: ['fleet', 'ledger'],
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
        'What is away from its learned normal now, and restarts that wait for a quiet moment: what may fail next.',
      keywords: 'unusual behaviour, suspected leaks, what may fail next, warnings',
      input: {},
      output: predictions,
      examples: [{}],
      run: () => watching?.() ?? { unusual: [], restartsWaiting: [] },
    }),
    heal_service: write({
      description:
        'Finds out what is wrong with a service and mends it: starts what is stopped or set aside, restarts what is degraded; leaves alone what is healthy.',
      keywords: 'repair, fix what is broken or degraded, make it well again',
      input: { service: z.string().min(1).max(100) },
      output: { service: z.string(), before: z.string(), action: z.string(), reason: z.string() },
      examples: [{ service: 'mcp_monitoring_server' }],
      run: ({ service }, { fleet }) => healService(fleet, service),
    }),
  }),
  start: async ({ fleet, ledger }, { now, log }) => {
    const decisions: AgentDecision[] = []
    const scalable = await fleet.scalable()
    let scaling: Record<string, ScalingPolicy> = {}
    const healer = new Healer({
      scalable,
      usualHeapBytes: CELL_HEAP_MB * 2 ** 20,
      scaling: (service) => scaling[service] ?? SCALING,
    })
    const waiting = new Map<string, { until: number; reason: string }>()
    let count = 0

    const decide = (summary: string, reasons: string[]) => {
      decisions.unshift({ id: `healing-${++count}`, at: now(), summary, reasons })
      if (decisions.length > MAX_DECISIONS) decisions.pop()
      log.info({ reasons }, summary)
    }
    const act = async (action: HealingAction) => {
      switch (action.type) {
        case 'collect':
          await fleet.collect(action.cell)
          break
        case 'restart':
          if (action.urgent) await restart(action.cell, action.reason)
          else if (!waiting.has(action.cell))
            waiting.set(action.cell, { until: now() + QUIET_MS, reason: action.reason })
          break
        case 'warn': {
          const who = action.service ?? action.cell
          decide(`warning: ${who}`, [action.detail])
          await fleet.note({
            unit: action.cell,
            services: action.service === null ? [] : [action.service],
            kind: 'warning',
            detail: action.detail,
            action: 'none yet',
            at: now(),
            durationMs: null,
          })
          break
        }
        case 'scale':
          decide(`${action.service}: ${action.instances} instances`, [action.reason])
          await fleet.scale(action.service, action.instances)
          await fleet.note({
            unit: action.service,
            services: [action.service],
            kind: 'scaled',
            detail: action.reason,
            action: `${action.instances} instances`,
            at: now(),
            durationMs: null,
          })
          break
        case 'isolate':
          decide(`${action.service} into a process of its own`, [action.reason])
          await fleet.isolate(action.service, action.reason)
          break
        case 'resize':
          decide(
            `${action.cell} gets ${action.heapMb === null ? 'the usual heap' : `a heap of ${action.heapMb} MB`}`,
            [action.reason],
          )
          await fleet.resize(action.cell, action.heapMb, action.reason)
      }
    }
    const restart = async (cell: string, reason: string) => {
      waiting.delete(cell)
      decide(`${cell} is restarted`, [reason])
      await fleet.restart(cell, reason)
    }
    let busy = false
    const observe = async () => {
      if (busy) return
      busy = true
      try {
        scaling =
          (await ledger.setting<Record<string, ScalingPolicy>>(SCALING_SETTING).catch(() => undefined)) ??
          scaling
        const vitals = await fleet.vitals()
        for (const action of healer.observe(vitals, now())) await act(action)
        for (const [cell, { until, reason }] of waiting) {
          const running = Object.values(vitals[cell]?.services ?? {}).reduce(
            (sum, service) => sum + service.running,
            0,
          )
          if (running === 0 || now() >= until) await restart(cell, reason)
        }
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'the fleet could not be observed')
      } finally {
        busy = false
      }
    }
    watching = () => ({ unusual: healer.unusual(), restartsWaiting: [...waiting.keys()] })
    const timer = setInterval(() => void observe(), OBSERVE_MS)
    return {
      stop: () => clearInterval(timer),
      decisions: (most) => decisions.slice(0, most),
      state: () => ({ decisions: count, ...watching?.() }),
      endpoints: {
        'GET /system-status': () => systemStatus(fleet, ledger, now()),
        'GET /incidents': async ({ limit: most }) => ({
          incidents: await ledger.incidents({ since: 0, limit: Math.min(1_000, Number(most) || 100) }),
        }),
        'POST /heal-service': async ({ service }) => healService(fleet, String(service ?? '')),
        'POST /emergency-healing': async () => {
          const unwell = diagnose((await fleet.status()).services)
          decide('emergency healing', [`${unwell.length} services are not healthy`])
          const healed = []
          for (const { service } of unwell)
            healed.push(
              await healService(fleet, service).catch((error) => ({ service, error: messageOf(error) })),
            )
          return { healed }
        },
      },
      coordinate: async ({ description, arguments: given }) => {
        const service = String(given.service ?? description.split(/\s+/).at(-1))
        return healService(fleet, service)
      },
    }
  },
})

async function systemStatus(
  fleet: Parameters<typeof healService>[0],
  ledger: import('../ports/ledger.ts').Ledger,
  now: number,
) {
  const { services } = await fleet.status()
  const unwell = diagnose(services)
  const incidents = await ledger.incidents({ since: now - 3_600_000, limit: 10_000 }).catch(() => [])
  const lastHour: Record<string, number> = {}
  for (const { kind } of incidents) lastHour[kind] = (lastHour[kind] ?? 0) + 1
  const healthy = services.length - unwell.length
  const overall: 'healthy' | 'degraded' | 'critical' =
    unwell.length === 0 ? 'healthy' : healthy * 2 < services.length ? 'critical' : 'degraded'
  return { overall, services: { total: services.length, healthy }, unwell, lastHour }
}
