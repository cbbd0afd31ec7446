/** The status of each service of a unit, derived from the unit's state. */
import { catalogueEntry, titleOf } from '../fleet/catalogue/catalogue.ts'
import { isRunning, type Unit } from '../fleet/healing/state.ts'
import type { ServiceState, ServiceStatus } from '../ports/fleet.ts'

/** Facts that are not in the unit's state. */
export interface StatusFacts {
  readonly pid: number | null
  /** The pid of the program that the process manages (the chain). */
  readonly managedPid: number | null
  readonly title: string
  readonly port: number | null
  /** Converts a time of the monotonic clock to ms since 1970. */
  toEpoch(at: number): number
  portOf(service: string): number | null
}

/**
 * The statuses of a unit's services, or of a piece of infrastructure; the local market comes with its chain.
 */
export function unitStatuses(unit: Unit, facts: StatusFacts): ServiceStatus[] {
  const { spec, state } = unit
  const shared = {
    pid: facts.pid,
    cell: spec.id,
    restarts: unit.restarts,
    since: isRunning(state) && unit.startedAt !== undefined ? facts.toEpoch(unit.startedAt) : null,
  }
  if (spec.kind === 'infrastructure') return infrastructureStatuses(unit, shared, facts)
  return spec.services.map((id) => {
    const { kind, category } = catalogueEntry(id)
    const first = spec.instance === undefined
    return {
      id: first ? id : spec.id,
      kind,
      title: first ? titleOf(id) : `${titleOf(id)}, instance ${spec.instance}`,
      category,
      port: facts.portOf(id),
      ...shared,
      ...serviceState(unit, id),
      ...(spec.home === undefined ? {} : { home: spec.home }),
    }
  })
}

function infrastructureStatuses(
  unit: Unit,
  shared: Pick<ServiceStatus, 'pid' | 'cell' | 'restarts' | 'since'>,
  { title, port, managedPid }: StatusFacts,
): ServiceStatus[] {
  const { id } = unit.spec
  const own: ServiceStatus = {
    id,
    kind: 'infrastructure',
    title,
    category: 'infrastructure',
    port,
    ...shared,
    ...serviceState(unit, id),
  }
  if (id !== 'localnet') return [own]
  const status = managedPid === null ? 'starting' : own.status
  return [own, { ...own, id: 'chain', title: 'Embedded chain (anvil)', pid: managedPid, status }]
}

function serviceState(unit: Unit, service: string): { status: ServiceState; detail?: string } {
  const { state, readiness } = unit
  const reason = readiness[service]
  const unitDetail = 'detail' in state && state.status !== 'degraded' ? state.detail : undefined
  const detail = unitDetail ?? reason ?? undefined
  return { status: statusOf(unit, reason), ...(detail ? { detail } : {}) }
}

/** `reason`: null if the service is ready, undefined if it has not reported. */
function statusOf({ state }: Unit, reason: string | null | undefined): ServiceState {
  // A unit that waits for a dependency is starting.
  if (!isRunning(state)) return state.status === 'stopped' && state.wanted ? 'starting' : state.status
  if (reason === null) return 'healthy'
  return reason !== undefined && state.status !== 'starting' ? 'degraded' : 'starting'
}
