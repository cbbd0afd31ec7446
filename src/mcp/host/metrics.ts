/** Prometheus metrics of one service. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** The metrics of every service, and their registry. */
export interface BaseMetrics {
  readonly registry: Registry
  /** Seconds. */
  readonly uptime: Gauge
}

/** The metrics of a service with tools. */
export interface ServiceMetrics extends BaseMetrics {
  /** Calls by tool and outcome: `ok`, `input-needed` or an error code. */
  readonly calls: Counter<'tool' | 'outcome'>
  /** Seconds. */
  readonly duration: Histogram<'tool'>
  readonly inFlight: Gauge
}

/** Creates the metrics that every service has, in a registry of their own. */
export function baseMetrics(service: string): BaseMetrics {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  return {
    registry,
    uptime: new Gauge({
      name: 'kintsugi_uptime_seconds',
      help: 'Seconds since the service started',
      registers: [registry],
    }),
  }
}

/** Creates the metrics of a service with tools, in a registry of their own. */
export function serviceMetrics(service: string): ServiceMetrics {
  const base = baseMetrics(service)
  const registers = [base.registry]
  return {
    ...base,
    calls: new Counter({
      name: 'kintsugi_tool_calls_total',
      help: 'Tool calls by outcome',
      labelNames: ['tool', 'outcome'],
      registers,
    }),
    duration: new Histogram({
      name: 'kintsugi_tool_duration_seconds',
      help: 'Duration of tool calls',
      labelNames: ['tool'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    }),
    inFlight: new Gauge({ name: 'kintsugi_calls_in_flight', help: 'Tool calls running now', registers }),
  }
}

/** The response of `GET /metrics`. Set the gauges first. */
export const metricsResponse = async ({ registry }: BaseMetrics): Promise<Response> =>
  new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } })
