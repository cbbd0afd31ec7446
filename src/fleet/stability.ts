/** Stability of services, from their recorded incidents: failures, downtime, availability. */
import { type IncidentRecord, isFailure } from './incidents.ts'

/** Figures of one service over a span of time. */
export interface Stability {
  readonly service: string
  readonly failures: number
  /** Null without a recovery. */
  readonly meanTimeToRecoveryMs: number | null
  /** Uptime per failure; null without a failure. */
  readonly meanTimeBetweenFailuresMs: number | null
  readonly downMs: number
  /** Share of the span in which the service was up, 0 to 1. */
  readonly availability: number
  /** Whether `FLAPPING` failures came within an hour. */
  readonly flapping: boolean
  /** Downtime as a share of what the objective allows; above 1 the objective is missed. */
  readonly errorBudgetUsed: number
  readonly leaks: number
  readonly isolations: number
}

const FLAPPING = 5
const HOUR_MS = 3_600_000

/**
 * The stability of a service from `since` to `until`, in ms since 1970. `incidents` are in order of time.
 * `objective` is the targeted availability, such as 0.999. A failure without a recovery lasts until the end
 * of the span.
 */
export function stabilityOf(
  service: string,
  incidents: readonly IncidentRecord[],
  since: number,
  until: number,
  objective: number,
): Stability {
  const own = incidents.filter(({ services, at }) => services.includes(service) && at >= since && at <= until)
  const failures = own.filter(({ kind }) => isFailure(kind)).map(({ at }) => at)
  const recoveries = own.flatMap(({ kind, durationMs }) =>
    kind === 'recovered' && durationMs !== null ? [durationMs] : [],
  )
  const spanMs = Math.max(1, until - since)
  const recoveredMs = recoveries.reduce((sum, ms) => sum + ms, 0)
  const downMs = Math.min(spanMs, recoveredMs + openFailureMs(own, until))
  return {
    service,
    failures: failures.length,
    meanTimeToRecoveryMs: recoveries.length === 0 ? null : recoveredMs / recoveries.length,
    meanTimeBetweenFailuresMs: failures.length === 0 ? null : (spanMs - downMs) / failures.length,
    downMs,
    availability: 1 - downMs / spanMs,
    flapping: maxFailuresPerHour(failures) >= FLAPPING,
    errorBudgetUsed: downMs / spanMs / (1 - objective),
    leaks: own.filter(({ kind }) => kind === 'leak').length,
    isolations: own.filter(({ kind }) => kind === 'isolated').length,
  }
}

/** How long the service has been down at the end: since the first failure after its last recovery. */
function openFailureMs(own: readonly IncidentRecord[], until: number): number {
  const lastRecovery = own.findLastIndex(({ kind }) => kind === 'recovered')
  const open = own.slice(lastRecovery + 1).find(({ kind }) => isFailure(kind))
  return open === undefined ? 0 : until - open.at
}

function maxFailuresPerHour(failures: readonly number[]): number {
  const counts = failures.map((at) => failures.filter((other) => other >= at && other < at + HOUR_MS).length)
  return Math.max(0, ...counts)
}
