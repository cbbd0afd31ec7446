/** Prometheus metrics of one service. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** The metrics of a service and their registry. */
export interface ServiceMetrics {
  readonly registry: Registry
  /** Calls by tool and outcome: `ok`, `input-needed` or an error code. */
  readonly calls: Counter<'tool' | 'outcome'>
  /** Seconds. */
  readonly duration: Histogram<'tool'>
  readonly inFlight: Gauge
  /** Seconds. */
  readonly uptime: Gauge
}

/** Creates the metrics of a service in a registry of their own. */
export function serviceMetrics(service: string): ServiceMetrics {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  const registers = [registry]
  return {
    registry,
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
    uptime: new Gauge({
      name: 'kintsugi_uptime_seconds',
      help: 'Seconds since the service started',
      registers,
    }),
  }
}
