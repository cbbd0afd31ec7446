/**
 * Queries of the metrics of the fleet: samples by name, the calls of a service, processes by resource use.
 */
import type { FleetControl, ServiceStatus } from '../../ports/fleet.ts'
import type { MetricsSource, Sample } from '../../ports/metrics.ts'
import { messageOf } from '../../std/errors.ts'

/** A sample, with the service that it is from. */
export interface ServiceSample extends Sample {
  readonly service: string
}

/** The samples of all running services, and the services that did not answer. */
export interface Scrape {
  readonly samples: readonly ServiceSample[]
  readonly failed: readonly { readonly service: string; readonly reason: string }[]
}

/** Scrapes every service that answers on a port of its own. */
export async function scrapeAll(
  fleet: Pick<FleetControl, 'status'>,
  metrics: Pick<MetricsSource, 'scrape'>,
): Promise<Scrape> {
  const failed: { service: string; reason: string }[] = []
  const scrapes = (await fleet.status()).services.filter(answers).map(async ({ id }) => {
    try {
      return (await metrics.scrape(id)).map((sample) => ({ ...sample, service: id }))
    } catch (error) {
      failed.push({ service: id, reason: messageOf(error) })
      return []
    }
  })
  return { samples: (await Promise.all(scrapes)).flat(), failed }
}

const answers = ({ port, kind, status }: ServiceStatus) =>
  port !== null && kind !== 'infrastructure' && (status === 'healthy' || status === 'degraded')

/** Selects samples: those with this name that have all of the labels. */
export interface SampleFilter {
  readonly metric: string
  readonly labels: Readonly<Record<string, string>>
}

/** The samples that match. */
export function selectSamples<S extends Sample>(
  samples: readonly S[],
  { metric, labels }: SampleFilter,
): S[] {
  return samples.filter(
    (sample) =>
      sample.name === metric &&
      Object.entries(labels).every(([name, value]) => sample.labels[name] === value),
  )
}

/** One sample per service: the sum of its samples that match, with the labels of the filter. */
export function sumByService(samples: readonly ServiceSample[], filter: SampleFilter): ServiceSample[] {
  const totals = new Map<string, number>()
  for (const { service, value } of selectSamples(samples, filter))
    totals.set(service, (totals.get(service) ?? 0) + value)
  return [...totals].map(([service, value]) => ({
    service,
    name: filter.metric,
    labels: filter.labels,
    value,
  }))
}

/** The tool calls of a service since its start. */
export interface CallSummary {
  readonly calls: number
  readonly errors: number
  /** Null without a call. */
  readonly meanMs: number | null
}

/** Outcomes of calls that did not fail. */
const SUCCESSES = new Set(['ok', 'input-needed'])

/** The tool calls of a service, from its samples. */
export function callSummary(samples: readonly Sample[]): CallSummary {
  const total = (name: string, counts: (sample: Sample) => boolean = () => true) =>
    samples.reduce((sum, sample) => (sample.name === name && counts(sample) ? sum + sample.value : sum), 0)
  const durations = total('kintsugi_tool_duration_seconds_count')
  return {
    calls: total('kintsugi_tool_calls_total'),
    errors: total('kintsugi_tool_calls_total', ({ labels }) => !SUCCESSES.has(labels.outcome ?? '')),
    meanMs: durations === 0 ? null : (1_000 * total('kintsugi_tool_duration_seconds_sum')) / durations,
  }
}

/** A process of the fleet, and its resource use. */
export interface ProcessUsage {
  readonly pid: number
  readonly cell: string
  readonly services: readonly string[]
  readonly residentBytes: number
  readonly cpuSeconds: number
}

/** The processes of the fleet, those that use most first. Processes that have ended are left out. */
export function processesBy(
  by: 'memory' | 'cpu',
  services: readonly ServiceStatus[],
  metrics: Pick<MetricsSource, 'process'>,
): ProcessUsage[] {
  const hosted = Map.groupBy(
    services.filter(({ pid }) => pid !== null),
    ({ pid }) => pid as number,
  )
  const used = ({ residentBytes, cpuSeconds }: ProcessUsage) => (by === 'memory' ? residentBytes : cpuSeconds)
  return [...hosted]
    .flatMap(([pid, group]) => {
      const usage = metrics.process(pid)
      const cell = group[0]?.cell ?? ''
      return usage ? [{ pid, cell, services: group.map(({ id }) => id), ...usage }] : []
    })
    .sort((a, b) => used(b) - used(a))
}
