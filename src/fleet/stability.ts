/** How stable services were, from what was written down: failures, how long they lasted, how often they came. */

export interface IncidentRecord {
  readonly unit: string
  readonly services: readonly string[]
  readonly kind: string
  readonly detail: string
  readonly action: string
  /** ms since 1970. */
  readonly at: number
  /** For `recovered`: how long it took. */
  readonly durationMs: number | null
}

export interface Stability {
  readonly service: string
  readonly failures: number
  /** ms; null where it did not fail, or did not recover. */
  readonly meanTimeToRecovery: number | null
  /** ms; null with fewer than one failure. */
  readonly meanTimeBetweenFailures: number | null
  readonly downMs: number
  /** 0 to 1. */
  readonly availability: number
  /** More failures within an hour than can be chance. */
  readonly flapping: boolean
  /** Share of the allowed downtime that is used, 1 is all of it. */
  readonly errorBudgetUsed: number
  readonly leaks: number
  readonly isolations: number
}

/** Kinds of incidents that mean that a service did not answer. */
const FAILURES = new Set(['exited', 'quarantined'])
const FLAPPING = 5
const HOUR_MS = 3_600_000

/** Over the span from `since` to `until`. `objective` is the availability that is aimed at, such as 0.999. */
export function stabilityOf(
  service: string,
  incidents: readonly IncidentRecord[],
  since: number,
  until: number,
  objective: number,
): Stability {
  const own = incidents.filter(
    (incident) => incident.services.includes(service) && incident.at >= since && incident.at <= until,
  )
  const failures = own.filter(({ kind }) => FAILURES.has(kind))
  const recoveries = own.flatMap(({ kind, durationMs }) =>
    kind === 'recovered' && durationMs !== null ? [durationMs] : [],
  )
  const span = Math.max(1, until - since)
  const last = own.at(-1)
  // A failure without a recovery lasts until now.
  const lasting = last && FAILURES.has(last.kind) ? until - last.at : 0
  const downMs = Math.min(span, recoveries.reduce((sum, ms) => sum + ms, 0) + lasting)
  const most = failures.reduce(
    (count, { at }) =>
      Math.max(count, failures.filter((other) => other.at >= at && other.at < at + HOUR_MS).length),
    0,
  )
  return {
    service,
    failures: failures.length,
    meanTimeToRecovery:
      recoveries.length === 0 ? null : recoveries.reduce((sum, ms) => sum + ms, 0) / recoveries.length,
    meanTimeBetweenFailures: failures.length === 0 ? null : (span - downMs) / failures.length,
    downMs,
    availability: 1 - downMs / span,
    flapping: most >= FLAPPING,
    errorBudgetUsed: downMs / span / (1 - objective),
    leaks: own.filter(({ kind, detail }) => kind === 'restarted' && detail.includes('memory')).length,
    isolations: own.filter(({ kind }) => kind === 'isolated').length,
  }
}
