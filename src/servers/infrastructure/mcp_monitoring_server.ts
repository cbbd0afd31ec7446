/** Machine and service metrics: the live scrape of every running service, and the machine itself. */
import * as z from 'zod'
import { defineServer } from '../../mcp/define.ts'
import { limit } from '../../mcp/fields.ts'
import type { FleetControl, ServiceStatus } from '../../ports/fleet.ts'
import type { MetricsSource, Sample } from '../../ports/metrics.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'

const sample = z.object({
  service: z.string(),
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  value: z.number(),
})

/** Services that answer on a port of their own now. */
async function running(fleet: FleetControl): Promise<ServiceStatus[]> {
  return (await fleet.status()).services.filter(
    (service) =>
      service.port !== null &&
      service.kind !== 'infrastructure' &&
      (service.status === 'healthy' || service.status === 'degraded'),
  )
}

async function scrapeAll(
  fleet: FleetControl,
  metrics: MetricsSource,
): Promise<{ samples: (Sample & { service: string })[]; failed: { service: string; reason: string }[] }> {
  const failed: { service: string; reason: string }[] = []
  const scrapes = (await running(fleet)).map(async ({ id }) => {
    try {
      return (await metrics.scrape(id)).map((item) => ({ ...item, service: id }))
    } catch (error) {
      failed.push({ service: id, reason: messageOf(error) })
      return []
    }
  })
  return { samples: (await Promise.all(scrapes)).flat(), failed }
}

export default defineServer({
  id: 'mcp_monitoring_server',
  needs: ['fleet', 'metrics'],
  tools: ({ read }) => ({
    query_metrics: read({
      description:
        'Samples of a metric over all running services, from a live scrape. Give a metric name, and labels to select by; sum adds the selected samples up per service. For PromQL run Prometheus against the /metrics addresses.',
      keywords: 'prometheus metric values by name, calls per second, raw numbers',
      input: {
        metric: z.string().min(1).max(200).describe('a metric name, for example kintsugi_tool_calls_total'),
        labels: z.record(z.string(), z.string()).default({}),
        sum: z.boolean().default(false),
        limit: limit(2_000, 200),
      },
      output: {
        observedAt: z.int(),
        samples: z.array(sample),
        total: z.int(),
        failed: z.array(z.object({ service: z.string(), reason: z.string() })),
        known: z.array(z.string()).describe('metric names there are, where nothing matched'),
      },
      examples: [{ metric: 'kintsugi_uptime_seconds' }],
      run: async ({ metric, labels, sum, limit: most }, { fleet, metrics, now }) => {
        const { samples, failed } = await scrapeAll(fleet, metrics)
        const selected = samples.filter(
          (item) =>
            item.name === metric &&
            Object.entries(labels).every(([name, value]) => item.labels[name] === value),
        )
        const totals = new Map<string, number>()
        for (const item of selected) totals.set(item.service, (totals.get(item.service) ?? 0) + item.value)
        const shown = sum
          ? [...totals].map(([service, value]) => ({ service, name: metric, labels, value }))
          : selected
        return {
          observedAt: now(),
          samples: shown.slice(0, most),
          total: shown.length,
          failed,
          known: shown.length > 0 ? [] : [...new Set(samples.map((item) => item.name))].sort(),
        }
      },
    }),
    service_metrics: read({
      description: 'All metrics of one service now, with its state, process and memory.',
      keywords: 'latency, error rate, number of calls of one service',
      input: {
        service: z.string().min(1).max(100).describe('an id such as mcp_price_feed_server'),
      },
      output: {
        service: z.string(),
        status: z.string(),
        observedAt: z.int(),
        process: z.object({ pid: z.int(), cpuSeconds: z.number(), residentBytes: z.int() }).nullable(),
        samples: z.array(sample),
      },
      examples: [{ service: 'mcp_monitoring_server' }],
      run: async ({ service }, { fleet, metrics, now }) => {
        const { services } = await fleet.status()
        const found = services.find((item) => item.id === service)
        if (!found)
          throw new KintsugiError('unknown-service', `no service is called ${JSON.stringify(service)}`, {
            hint: `known: ${services.map((item) => item.id).join(', ')}`,
          })
        const usage = found.pid === null ? undefined : metrics.process(found.pid)
        const samples =
          found.port === null ? [] : (await metrics.scrape(service)).map((item) => ({ ...item, service }))
        return {
          service,
          status: found.status,
          observedAt: now(),
          process: found.pid !== null && usage ? { pid: found.pid, ...usage } : null,
          samples,
        }
      },
    }),
    top_services: read({
      description:
        'The processes of the fleet ordered by memory or processor time, with the services that each hosts: what uses the machine.',
      keywords: 'which service uses the most memory or cpu, slowest, most errors, ranking',
      input: { by: z.enum(['memory', 'cpu']).default('memory'), limit: limit(100, 10) },
      output: {
        observedAt: z.int(),
        processes: z.array(
          z.object({
            pid: z.int(),
            cell: z.string(),
            services: z.array(z.string()),
            residentBytes: z.int(),
            cpuSeconds: z.number(),
          }),
        ),
      },
      examples: [{ by: 'memory', limit: 5 }],
      run: async ({ by, limit: most }, { fleet, metrics, now }) => {
        const cells = new Map<number, { pid: number; cell: string; services: string[] }>()
        for (const service of (await fleet.status()).services) {
          if (service.pid === null) continue
          const entry = cells.get(service.pid)
          if (entry) entry.services.push(service.id)
          else cells.set(service.pid, { pid: service.pid, cell: service.cell, services: [service.id] })
        }
        const processes = [...cells.values()].flatMap((entry) => {
          const usage = metrics.process(entry.pid)
          return usage ? [{ ...entry, ...usage }] : []
        })
        processes.sort((a, b) =>
          by === 'memory' ? b.residentBytes - a.residentBytes : b.cpuSeconds - a.cpuSeconds,
        )
        return { observedAt: now(), processes: processes.slice(0, most) }
      },
    }),
    host_resources: read({
      description: 'The machine: processors, load, memory in all and available, uptime.',
      keywords: 'cpu, memory, disk of the machine, load, is the disk full',
      input: {},
      output: {
        observedAt: z.int(),
        cpuCount: z.int(),
        loadAverage: z.array(z.number()),
        memoryTotal: z.int().describe('bytes'),
        memoryAvailable: z.int().describe('bytes'),
        uptimeSeconds: z.number(),
      },
      examples: [{}],
      run: (_input, { metrics, now }) => {
        const host = metrics.host()
        return { observedAt: now(), ...host, loadAverage: [...host.loadAverage] }
      },
    }),
  }),
})
