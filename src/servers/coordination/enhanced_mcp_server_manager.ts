/** Load and scale: instances of a service, the policy that adds and takes them, how calls are divided among them, and what may fail next. */
import * as z from 'zod'
import { BALANCING, BALANCING_SETTING, type Balancing } from '../../engine/operations/balancing.ts'
import {
  DEFAULT_SCALING,
  predictions,
  SCALING_SETTING,
  type ScalingPolicy,
} from '../../engine/operations/healer.ts'
import { defineServer } from '../../mcp/define.ts'
import { KintsugiError } from '../../std/errors.ts'

const service = z.string().min(1).max(100).describe('an id such as mcp_liquidity_server')
const instance = z.object({
  id: z.string(),
  status: z.string(),
  pid: z.int().nullable(),
  port: z.int().nullable(),
  cell: z.string(),
})
const policy = z.object({
  least: z.int().min(1).max(8).default(DEFAULT_SCALING.least),
  most: z.int().min(1).max(8).default(DEFAULT_SCALING.most),
  outAt: z
    .number()
    .min(0.1)
    .max(1_000)
    .default(DEFAULT_SCALING.outAt)
    .describe('calls running per instance at which one is added'),
  inAt: z
    .number()
    .min(0)
    .max(1_000)
    .default(DEFAULT_SCALING.inAt)
    .describe('calls running per instance at which one is taken away'),
  outAfterMs: z.int().min(1_000).max(3_600_000).default(DEFAULT_SCALING.outAfterMs),
  inAfterMs: z.int().min(1_000).max(3_600_000).default(DEFAULT_SCALING.inAfterMs),
})

export default defineServer({
  id: 'enhanced_mcp_server_manager',
  needs: ['fleet', 'ledger', 'bus'],
  tools: ({ read, write }) => ({
    instances: read({
      description: 'The instances of a service, or of every service that may run several times.',
      keywords: 'how many copies run, replicas, where they listen',
      input: { service: service.optional() },
      output: { scalable: z.array(z.string()), instances: z.array(instance) },
      examples: [{}],
      run: async ({ service: id }, { fleet }) => {
        const scalable = [...(await fleet.scalable())]
        const wanted = id === undefined ? scalable : [id]
        const { services } = await fleet.status()
        const found = services.filter((each) => wanted.includes(each.id.split('#')[0] as string))
        return {
          scalable,
          instances: found.map(({ id: own, status, pid, port, cell }) => ({
            id: own,
            status,
            pid,
            port,
            cell,
          })),
        }
      },
    }),
    scale_service: write({
      description:
        'Sets how many instances of a service run. Each further one has a port of its own; the port of the service is shared by all.',
      keywords: 'more or fewer copies, add an instance, replicas, scale up and down',
      input: { service, instances: z.int().min(1).max(8) },
      output: { instances: z.array(instance) },
      examples: [{ service: 'mcp_liquidity_server', instances: 1 }],
      run: async ({ service: id, instances }, { fleet }) => ({
        instances: (await fleet.scale(id, instances)).map(({ id: own, status, pid, port, cell }) => ({
          id: own,
          status,
          pid,
          port,
          cell,
        })),
      }),
    }),
    scaling_policy: write({
      description:
        'Reads, or with a policy sets, when instances of a service are added and taken away by load.',
      keywords: 'autoscaling limits, let it grow under load, least and most instances',
      input: { service, policy: policy.optional() },
      output: { service: z.string(), policy },
      examples: [{ service: 'mcp_liquidity_server' }],
      run: async ({ service: id, policy: wanted }, { fleet, ledger }) => {
        if (!(await fleet.scalable()).includes(id))
          throw new KintsugiError('not-scalable', `service: ${id} acts by itself, so only one of it may run`)
        const all = (await ledger.setting<Record<string, ScalingPolicy>>(SCALING_SETTING)) ?? {}
        if (!wanted) return { service: id, policy: all[id] ?? DEFAULT_SCALING }
        if (wanted.least > wanted.most)
          throw new KintsugiError(
            'bad-argument',
            `policy.least: expected at most policy.most, ${wanted.most} (got ${wanted.least})`,
          )
        await ledger.saveSetting(SCALING_SETTING, { ...all, [id]: wanted })
        return { service: id, policy: wanted }
      },
    }),
    balancing_strategy: write({
      description:
        'Reads, or with a strategy sets, how the gateway divides calls among the instances of a service.',
      keywords: 'round robin, least loaded, healthiest, how calls are distributed',
      input: { service, strategy: z.enum(BALANCING).optional() },
      output: { service: z.string(), strategy: z.enum(BALANCING) },
      examples: [{ service: 'mcp_liquidity_server' }],
      run: async ({ service: id, strategy }, { ledger }) => {
        const all = (await ledger.setting<Record<string, Balancing>>(BALANCING_SETTING)) ?? {}
        if (strategy) await ledger.saveSetting(BALANCING_SETTING, { ...all, [id]: strategy })
        return { service: id, strategy: strategy ?? all[id] ?? BALANCING[0] }
      },
    }),
    circuit_breakers: read({
      description:
        'The breakers of the gateway that are not closed: calls of these services or tools are refused, or tried one at a time.',
      keywords: 'which tools are blocked because they failed, open breakers, retry budget',
      input: {},
      output: {
        observedAt: z
          .int()
          .nullable()
          .describe('ms since 1970; null where the gateway has not said anything yet'),
        breakers: z.array(
          z.object({
            name: z.string(),
            state: z.enum(['open', 'half-open']),
            failures: z.int(),
            retryInMs: z.int(),
          }),
        ),
        retryBudget: z.object({ used: z.number(), most: z.number() }).nullable(),
      },
      examples: [{}],
      run: async (_input, { bus }) => {
        const report = await bus.get('gateway:breakers')
        return report
          ? { ...report, breakers: [...report.breakers] }
          : { observedAt: null, breakers: [], retryBudget: null }
      },
    }),
    predict_failures: read({
      description:
        'What may fail next: services and cells away from their learned normal, and restarts that wait for a quiet moment.',
      keywords: 'what will fail next, early signs of trouble, leaks',
      input: {},
      output: predictions,
      examples: [{}],
      run: (_input, { fleet, signal }) =>
        fleet.call({
          service: 'self_healing_agent',
          tool: 'predictions',
          arguments: {},
          effect: 'read',
          signal,
        }) as Promise<{ unusual: []; restartsWaiting: [] }>,
    }),
  }),
})
