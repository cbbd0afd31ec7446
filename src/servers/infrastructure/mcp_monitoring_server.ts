/** Machine and service metrics: the live scrape of every running service, and the machine itself. */
import * as z from 'zod'
import {
  callSummary,
  processesBy,
  scrapeAll,
  selectSamples,
  sumByService,
} from '../../engine/operations/metrics-query.ts'
import { defineServer } from '../../mcp/define.ts'
import { at, page, paged, paginate, service, time } from '../../mcp/fields.ts'
import {
  callTotals,
  hostResources,
  ownUsage,
  processUsage,
  sample,
  serviceSample,
} from '../../views/metrics.ts'

export default defineServer({
  id: 'mcp_monitoring_server',
  needs: ['fleet', 'metrics'],
  tools: ({ read }) => ({
    query_metrics: read({
      description:
        'Samples of a metric over all running services, from a live scrape. Takes a metric name, and labels to select by; `sum` adds up the selected samples of each service. For PromQL run Prometheus against the /metrics addresses.',
      keywords: 'prometheus metric values by name, calls per second, raw numbers',
      input: {
        metric: z.string().min(1).max(200).describe('a metric name, for example kintsugi_tool_calls_total'),
        labels: z.record(z.string(), z.string()).default({}).describe('labels that a sample must have'),
        sum: z.boolean().default(false),
        ...page(2_000, 20),
      },
      output: {
        ...time('observedAt'),
        ...paged('samples', serviceSample.schema),
        failed: z
          .array(z.object({ service: z.string(), reason: z.string() }))
          .describe('services that did not answer'),
        known: z.array(z.string()).describe('the metric names that exist, if nothing matched'),
      },
      examples: [{ metric: 'kintsugi_uptime_seconds' }],
      run: async ({ metric, labels, sum, ...paging }, { fleet, metrics, now }) => {
        const { samples, failed } = await scrapeAll(fleet, metrics)
        const found = (sum ? sumByService : selectSamples)(samples, { metric, labels })
        return {
          ...at('observedAt', now()),
          ...paginate('samples', found.map(serviceSample.of), paging),
          failed,
          known: found.length > 0 ? [] : [...new Set(samples.map(({ name }) => name))].sort(),
        }
      },
    }),
    service_metrics: read({
      description:
        'The metrics of one service now: its state, calls, errors and mean duration, its process and memory, then all samples.',
      keywords: 'latency, error rate, number of calls of one service',
      input: { service: service(), ...page(2_000, 15) },
      output: {
        service: z.string(),
        status: z.string(),
        ...time('observedAt'),
        calls: callTotals.schema.describe('tool calls since the start of the service'),
        process: ownUsage.schema.nullable().describe('null while it does not run'),
        ...paged('samples', sample.schema),
      },
      examples: [{ service: 'mcp_monitoring_server' }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: wanted, ...paging }, { fleet, metrics, now }) => {
        const { id, status, pid, port } = await fleet.service(wanted)
        const usage = pid === null ? undefined : metrics.process(pid)
        const samples = port === null ? [] : await metrics.scrape(id)
        return {
          service: id,
          status,
          ...at('observedAt', now()),
          calls: callTotals.of(callSummary(samples)),
          process: pid !== null && usage ? ownUsage.of(pid, usage) : null,
          ...paginate('samples', samples.map(sample.of), paging),
        }
      },
    }),
    top_services: read({
      description:
        'The processes of the fleet ordered by memory or processor time, with the services that each hosts: what uses the machine.',
      keywords: 'which service uses the most memory or cpu, slowest, most errors, ranking',
      input: { by: z.enum(['memory', 'cpu']).default('memory'), ...page(100, 8) },
      output: { ...time('observedAt'), ...paged('processes', processUsage.schema) },
      examples: [{ by: 'memory', limit: 5 }, { by: 'cpu' }],
      run: async ({ by, ...paging }, { fleet, metrics, now }) => {
        const processes = processesBy(by, (await fleet.status()).services, metrics)
        return {
          ...at('observedAt', now()),
          ...paginate('processes', processes.map(processUsage.of), paging),
        }
      },
    }),
    host_resources: read({
      description: 'The machine: processors, load, memory in all and available, uptime.',
      keywords: 'cpu, memory, disk of the machine, load, is the disk full',
      input: {},
      output: { ...time('observedAt'), ...hostResources.schema.shape },
      examples: [{}],
      run: (_input, { metrics, now }) => ({
        ...at('observedAt', now()),
        ...hostResources.of(metrics.host()),
      }),
    }),
  }),
})
