/**
 * OpenTelemetry with its MCP conventions: a span and a duration per operation, sent over OTLP. Loaded only
 * with a collector.
 */
import {
  type Context,
  type Histogram,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import type { Operation, OperationKind, Telemetry } from '../../ports/telemetry.ts'

const SCOPE = 'kintsugi'
const METRICS_MS = 15_000
/** Histogram buckets of the conventions, in s. */
const BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

/** The collector, and the identity of the process. */
export interface TelemetryOptions {
  /**
   * The collector's base address; `/v1/traces` and `/v1/metrics` follow. Headers come from
   * OTEL_EXPORTER_OTLP_HEADERS.
   */
  readonly endpoint: string
  readonly version: string
  /** Name of the process. */
  readonly instance: string
}

/** Exports spans and their durations over OTLP. */
export class OpenTelemetry implements Telemetry {
  readonly #tracers: TracerProvider
  readonly #meters: MeterProvider
  readonly #tracer: Tracer
  readonly #durations: Readonly<Record<OperationKind, Histogram>>
  readonly #propagator = new W3CTraceContextPropagator()

  constructor({ endpoint, version, instance }: TelemetryOptions) {
    const base = endpoint.replace(/\/$/, '')
    const resource = resourceFromAttributes({
      'service.name': process.env.OTEL_SERVICE_NAME || 'kintsugi',
      'service.version': version,
      'service.instance.id': instance,
    })
    this.#tracers = new TracerProvider({
      resource,
      spanProcessors: [
        new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${base}/v1/traces` }) }),
      ],
    })
    this.#meters = new MeterProvider({
      resource,
      readers: [
        new PeriodicExportingMetricReader({
          exporter: new OTLPMetricExporter({ url: `${base}/v1/metrics` }),
          exportIntervalMillis: METRICS_MS,
        }),
      ],
    })
    this.#tracer = this.#tracers.getTracer(SCOPE, version)
    const meter = this.#meters.getMeter(SCOPE, version)
    const duration = (kind: OperationKind) =>
      meter.createHistogram(`mcp.${kind}.operation.duration`, {
        unit: 's',
        advice: { explicitBucketBoundaries: BUCKETS },
      })
    this.#durations = { server: duration('server'), client: duration('client') }
  }

  begin(
    kind: OperationKind,
    method: string,
    target: string,
    extraAttributes: Readonly<Record<string, string | number | undefined>>,
    parent: string | null,
  ): Operation {
    const attributes: Record<string, string | number> = { 'mcp.method.name': method }
    if (method === 'tools/call')
      Object.assign(attributes, { 'gen_ai.tool.name': target, 'gen_ai.operation.name': 'execute_tool' })
    for (const [name, value] of Object.entries(extraAttributes))
      if (value !== undefined) attributes[name] = value
    const span = this.#tracer.startSpan(
      `${method} ${target}`,
      { kind: kind === 'server' ? SpanKind.SERVER : SpanKind.CLIENT, attributes },
      this.#parent(parent),
    )
    const startedAt = performance.now()
    return {
      traceparent: this.#traceparent(span),
      end: (error) => {
        const failed = error === undefined ? {} : { 'error.type': error }
        if (error !== undefined)
          span.setAttributes(failed).setStatus({ code: SpanStatusCode.ERROR, message: error })
        span.end()
        const { 'mcp.method.name': name, 'gen_ai.tool.name': tool, 'server.address': service } = attributes
        this.#durations[kind].record((performance.now() - startedAt) / 1_000, {
          'mcp.method.name': name as string,
          ...(tool === undefined ? {} : { 'gen_ai.tool.name': tool }),
          ...(service === undefined ? {} : { 'server.address': service }),
          ...failed,
        })
      },
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#tracers.shutdown(), this.#meters.shutdown()])
  }

  #parent(traceparent: string | null): Context {
    if (traceparent === null) return ROOT_CONTEXT
    return this.#propagator.extract(
      ROOT_CONTEXT,
      { traceparent },
      { get: (carrier, key) => (carrier as Record<string, string>)[key], keys: () => ['traceparent'] },
    )
  }

  #traceparent(span: Span): string {
    const carrier: Record<string, string> = {}
    this.#propagator.inject(trace.setSpan(ROOT_CONTEXT, span), carrier, {
      set: (into, key, value) => void ((into as Record<string, string>)[key] = value),
    })
    return carrier.traceparent as string
  }
}
