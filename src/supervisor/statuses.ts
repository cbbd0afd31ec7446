/** What a unit's state means for each of its services, as people and services see it. */
import { catalogueEntry, titleOf } from '../fleet/catalogue/catalogue.ts'
import { isRunning, type Unit } from '../fleet/healing/state.ts'
import type { ServiceState, ServiceStatus } from '../ports/fleet.ts'

export interface StatusFacts {
  readonly pid: number | null
  /** The pid of what it looks after, where that is not itself (the chain). */
  readonly inner: number | null
  readonly title: string
  readonly port: number | null
  /** ms since 1970 of a time of the reducer's clock. */
  sinceEpoch(since: number): number
  portOf(service: string): number | null
}

export function unitStatuses(
  unit: Unit,
  { pid, inner, title, port, sinceEpoch, portOf }: StatusFacts,
): ServiceStatus[] {
  const { spec, state } = unit
  const shared = {
    pid,
    cell: spec.id,
    restarts: unit.restarts,
    since: isRunning(state) ? sinceEpoch(state.since) : null,
  }
  if (spec.kind === 'infrastructure') {
    const own: ServiceStatus = {
      id: spec.id,
      kind: 'infrastructure',
      title,
      category: 'infrastructure',
      port,
      ...shared,
      ...describe(unit, spec.id),
    }
    return spec.id === 'localnet'
      ? [
          own,
          {
            ...own,
            id: 'chain',
            title: 'Embedded chain (anvil)',
            pid: inner,
            status: inner === null ? 'starting' : own.status,
          },
        ]
      : [own]
  }
  return spec.services.map((id) => {
    const { kind, category } = catalogueEntry(id)
    return {
      id: spec.instance === undefined ? id : spec.id,
      kind,
      title: spec.instance === undefined ? titleOf(id) : `${titleOf(id)}, instance ${spec.instance}`,
      category,
      port: portOf(id),
      ...shared,
      ...describe(unit, id),
      ...(spec.home === undefined ? {} : { home: spec.home }),
    }
  })
}

function describe(
  { state, readiness, everReady }: Unit,
  service: string,
): { status: ServiceState; detail?: string } {
  const reason = readiness[service]
  const detail =
    ('detail' in state && state.status !== 'degraded' ? state.detail : undefined) ?? reason ?? undefined
  return { status: statusOf(), ...(detail ? { detail } : {}) }

  function statusOf(): ServiceState {
    // One that waits for what it needs is on its way.
    if (!isRunning(state)) return state.status === 'stopped' && state.wanted ? 'starting' : state.status
    if (reason === null) return 'healthy'
    return everReady && reason !== undefined && state.status !== 'starting' ? 'degraded' : 'starting'
  }
}
