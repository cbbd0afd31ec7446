/** Reading the recorded incidents of a span of time. */
import type { IncidentKind, IncidentRecord } from '../../fleet/incidents.ts'
import type { FleetControl } from '../../ports/fleet.ts'
import type { IncidentFilter, Ledger } from '../../ports/ledger.ts'

const MAX_INCIDENTS = 10_000

/** Incidents in order of time. */
export interface IncidentSpan {
  /**
   * Start of the span, in ms since 1970; later than requested if more incidents were recorded than are read.
   */
  readonly since: number
  readonly incidents: readonly IncidentRecord[]
}

/**
 * The incidents since a time, those of a service or kind where given; the span is cut to the latest `max`
 * incidents.
 */
export async function incidentsSince(
  ledger: Pick<Ledger, 'incidents'>,
  { kind, ...filter }: IncidentFilter & { readonly kind?: IncidentKind | undefined },
  max = MAX_INCIDENTS,
): Promise<IncidentSpan> {
  const incidents = await ledger.incidents({ ...filter, limit: max })
  const since = incidents.length < max ? filter.since : (incidents[0]?.at ?? filter.since)
  return {
    since,
    incidents: kind === undefined ? incidents : incidents.filter((incident) => incident.kind === kind),
  }
}

/**
 * The incidents since a time of a service, or of all. Throws `unknown-service` for a service that has no
 * incidents and is not in the fleet: a removed instance keeps its history.
 */
export async function incidentsOf(
  fleet: Pick<FleetControl, 'service'>,
  ledger: Pick<Ledger, 'incidents'>,
  { since, service }: { readonly since: number; readonly service: string | undefined },
): Promise<IncidentSpan> {
  if (service === undefined) return incidentsSince(ledger, { since })
  const span = await incidentsSince(ledger, { since, service })
  if (span.incidents.length === 0) await fleet.service(service)
  return span
}

/** Number of incidents by kind. */
export function countByKind(incidents: readonly Pick<IncidentRecord, 'kind'>[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { kind } of incidents) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}
