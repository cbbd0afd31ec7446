/**
 * Load and scale: instances of a service, when they are added and removed, how calls are divided among them,
 * and what may fail next.
 */
import * as z from 'zod'
import { BALANCING, balancingOf, changeBalancing } from '../../engine/operations/balancing.ts'
import { changeScalingPolicy, scalingPolicyOf } from '../../engine/operations/scaling.ts'
import { defineServer } from '../../mcp/define.ts'
import { page, paged, paginate, service } from '../../mcp/fields.ts'
import { breakerState } from '../../views/breakers.ts'
import { predictions, predictionsTool } from '../../views/predictions.ts'
import { scalingPolicy } from '../../views/scaling.ts'
import { instance } from '../../views/service-state.ts'

const strategy = () =>
  z.enum(BALANCING).describe('in turn, fewest running calls, or fewest errors and lowest latency')
/** Only one instance of it may run. */
const SINGLETON = 'mcp_coordinator_server'
const SCALABLE = 'mcp_liquidity_server'
const UNKNOWN = [{ service: 'nobody' }, 'unknown-service'] as const
const SCALING = { service: z.string(), policy: scalingPolicy.schema }
const BALANCED = { service: z.string(), strategy: strategy() }

export default defineServer({
  id: 'enhanced_mcp_server_manager',
  needs: ['fleet', 'ledger', 'bus'],
  tools: ({ read, write }) => ({
    instances: read({
      description: 'The instances of a service, or of every service of which several instances may run.',
      keywords: 'how many copies run, replicas, which ports they listen on',
      input: { service: service().optional(), ...page(200, 20) },
      output: {
        scalable: z.array(z.string()).describe('ids of the services of which several instances may run'),
        ...paged('instances', instance.schema),
      },
      examples: [{}, { service: SCALABLE }],
      refusals: [UNKNOWN],
      run: async ({ service: id, ...paging }, { fleet }) => {
        const scalable = await fleet.scalable()
        const wanted = id === undefined ? scalable : [(await fleet.service(id)).id]
        const { services } = await fleet.status()
        const found = services.filter((each) => wanted.includes(each.id.split('#')[0] ?? ''))
        return { scalable, ...paginate('instances', found.map(instance.of), paging) }
      },
    }),
    scale_service: write({
      description:
        'Sets how many instances of a service run. Each further instance has a port of its own; all share the port of the service.',
      keywords: 'more or fewer copies, add an instance, replicas, scale up and down',
      idempotent: true,
      input: { service: service(), instances: z.int().min(1).max(8).describe('wanted number (1 to 8)') },
      output: { instances: z.array(instance.schema) },
      examples: [{ service: SCALABLE, instances: 1 }],
      refusals: [[{ service: SINGLETON, instances: 2 }, 'not-scalable']],
      run: async ({ service: id, instances }, { fleet }) => ({
        instances: (await fleet.scale(id, instances)).map(instance.of),
      }),
    }),
    get_scaling_policy: read({
      description: 'When instances of a service are added and removed by load.',
      keywords: 'show the autoscaling limits, smallest and largest number of instances',
      input: { service: service() },
      output: SCALING,
      examples: [{ service: SCALABLE }],
      refusals: [UNKNOWN, [{ service: SINGLETON }, 'not-scalable']],
      run: async ({ service: id }, context) => ({ service: id, policy: await scalingPolicyOf(context, id) }),
    }),
    scaling_policy: write({
      description:
        'Changes when instances of a service are added and removed by load. Fields that are left out stay as they are.',
      keywords: 'set autoscaling limits, let it grow under load, minimum and maximum number of instances',
      idempotent: true,
      input: { service: service(), policy: scalingPolicy.schema.partial() },
      output: SCALING,
      examples: [{ service: SCALABLE, policy: { maxInstances: 3 } }],
      refusals: [
        [{ service: SINGLETON, policy: {} }, 'not-scalable'],
        [{ service: SCALABLE, policy: { minInstances: 4, maxInstances: 2 } }, 'bad-argument'],
        [{ service: SCALABLE, policy: { maxInstancs: 5 } }, 'bad-argument'],
      ],
      run: async ({ service: id, policy }, context) => ({
        service: id,
        policy: await changeScalingPolicy(context, id, policy),
      }),
    }),
    get_balancing_strategy: read({
      description: 'How the gateway divides calls among the instances of a service.',
      keywords: 'show the load balancing, how calls are distributed',
      input: { service: service() },
      output: BALANCED,
      examples: [{ service: SCALABLE }],
      refusals: [UNKNOWN],
      run: async ({ service: id }, context) => ({ service: id, strategy: await balancingOf(context, id) }),
    }),
    balancing_strategy: write({
      description: 'Sets how the gateway divides calls among the instances of a service.',
      keywords: 'round robin, least loaded, healthiest, how calls are distributed',
      idempotent: true,
      input: { service: service(), strategy: strategy() },
      output: BALANCED,
      examples: [{ service: SCALABLE, strategy: 'round-robin' }],
      refusals: [[{ service: 'nobody', strategy: 'healthiest' }, 'unknown-service']],
      run: ({ service: id, strategy: wanted }, context) => changeBalancing(context, id, wanted),
    }),
    circuit_breakers: read({
      description:
        'The circuit breakers of the gateway that are not closed: calls of these services or tools are refused, or tried one at a time.',
      keywords: 'which tools are blocked because they failed, open breakers, retry budget',
      input: page(200, 20),
      output: breakerState.schema,
      examples: [{}],
      run: async (paging, { bus }) => breakerState.of(await bus.get('gateway:breakers'), paging),
    }),
    predict_failures: read({
      description:
        'What may fail next: services and cells that left their learned normal, and restarts that wait for an idle moment.',
      keywords: 'what will fail next, early signs of trouble, leaks',
      input: {},
      output: predictions.schema,
      examples: [{}],
      run: (_input, { fleet, signal }) => predictionsTool.call(fleet, {}, { signal }),
    }),
  }),
})
