/** The health of the whole fleet at a glance. */
import type { FleetControl } from '../../ports/fleet.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { countByKind, type IncidentSpan, incidentsSince } from './incident-log.ts'
import { type Diagnosis, diagnose } from './remedies.ts'

const HOUR_MS = 3_600_000
const NONE: Pick<IncidentSpan, 'incidents'> = { incidents: [] }

export interface SystemStatus {
  /** `critical`: less than half of the services are healthy. */
  readonly overall: 'healthy' | 'degraded' | 'critical'
  readonly services: { readonly total: number; readonly healthy: number }
  readonly unwell: readonly Diagnosis[]
  /** Incidents of the last hour, by kind; empty if the ledger is unavailable. */
  readonly lastHour: Readonly<Record<string, number>>
}

/**
 * Reads the fleet's state and the ledger's incidents; `now` in ms since 1970. Throws what `fleet.status`
 * throws.
 */
export async function systemStatus(
  fleet: Pick<FleetControl, 'status'>,
  ledger: Pick<Ledger, 'incidents'>,
  now: number,
): Promise<SystemStatus> {
  const { services } = await fleet.status()
  const unwell = diagnose(services)
  const { incidents } = await incidentsSince(ledger, { since: now - HOUR_MS }).catch(() => NONE)
  const healthy = services.length - unwell.length
  const overall = unwell.length === 0 ? 'healthy' : healthy * 2 < services.length ? 'critical' : 'degraded'
  return { overall, services: { total: services.length, healthy }, unwell, lastHour: countByKind(incidents) }
}
