/** The telemetry of a process: an OpenTelemetry collector, by OTEL_EXPORTER_OTLP_ENDPOINT. */
import type { Telemetry } from '../../ports/telemetry.ts'
import type { Environment } from './environment.ts'

/**
 * Telemetry of the process named `instance`; undefined without a collector, whose client is then not loaded.
 */
export async function openTelemetry({ plan }: Environment, instance: string): Promise<Telemetry | undefined> {
  const { telemetryUrl } = plan.settings
  if (telemetryUrl === null) return undefined
  const { OpenTelemetry } = await import('../../adapters/telemetry/open-telemetry.ts')
  return new OpenTelemetry({ endpoint: telemetryUrl, version: plan.version, instance })
}
