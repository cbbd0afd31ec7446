/** The fleet as people and services see it: statuses, vitals, and the events that announce their changes. */
import type { FleetState, Unit } from '../fleet/healing/state.ts'
import type { CellVitals, FleetStatus, ServiceStatus } from '../ports/fleet.ts'
import type { AlarmBoard } from './alarm-board.ts'
import type { Driver } from './drivers/driver.ts'
import type { Externals } from './externals.ts'
import type { ProcessLinks } from './links/process-links.ts'
import type { SupervisorEvent, SupervisorOptions, UnitPlan } from './options.ts'
import { unitStatuses } from './statuses.ts'

/** The sources of statuses. */
export interface StatusBoardOptions
  extends Pick<SupervisorOptions, 'plan' | 'now' | 'monotonic' | 'onEvent'> {
  readonly plans: ReadonlyMap<string, UnitPlan>
  readonly links: ProcessLinks
  readonly driver: Driver
  /** The present state. */
  fleet(): FleetState
  /** The rows of external services, and the alarms. */
  readonly externals: Externals
  readonly alarms: AlarmBoard
  /** The port of a further instance of a service. */
  instancePort(service: string, instance: number): number | null
}

/** Statuses, and the events that announce their changes. */
export class StatusBoard {
  readonly #options: StatusBoardOptions
  /** By service: the last announced status. */
  readonly #announced = new Map<string, string>()
  /** By infrastructure: ms from the start until it was first healthy. */
  readonly #upAfterMs = new Map<string, number>()
  /** ms from the start until everything was healthy; null before. */
  readyMs: number | null = null

  constructor(options: StatusBoardOptions) {
    this.#options = options
  }

  /** Units that were healthy under an earlier supervisor are not announced again. */
  resume(readyMs: number | null): void {
    this.readyMs = readyMs
    for (const { spec, state } of Object.values(this.#options.fleet().units))
      if (state.status === 'healthy' || state.status === 'degraded') this.#upAfterMs.set(spec.id, 0)
  }

  status(): FleetStatus {
    const { plan, fleet, links } = this.#options
    const { overload } = fleet()
    const spares = Object.keys(fleet().spares)
    return {
      profile: plan.profile,
      mode: plan.mode,
      startedAt: plan.startedAt,
      readyMs: this.readyMs,
      spares: {
        warm: spares.filter((process) => links.known(process)?.warm).length,
        total: spares.length,
      },
      ...(overload ? { overload: { since: this.#toEpoch(overload.at), detail: overload.detail } } : {}),
      services: this.services(),
      alarms: this.#options.alarms.current(),
    }
  }

  services(): ServiceStatus[] {
    const { fleet, externals } = this.#options
    return [
      ...Object.values(fleet().units).flatMap((unit) => this.#statusesOf(unit)),
      ...externals.statuses(),
    ]
  }

  /** The status of a service, or of the first one in a cell. */
  service(id: string): ServiceStatus {
    const services = this.services()
    return (
      services.find((service) => service.id === id) ??
      (services.find(({ cell }) => cell === id) as ServiceStatus)
    )
  }

  /** Measurements by unit, of processes that have reported some. */
  vitals(): Record<string, CellVitals> {
    const { fleet, links, driver } = this.#options
    return Object.fromEntries(
      Object.values(fleet().units).flatMap(({ spec, state }) => {
        if (!('process' in state)) return []
        const { process } = state
        const link = links.known(process)
        if (!link?.vitals) return []
        const { vitals, collected } = link
        return [[spec.id, { ...vitals, collected, process, pid: driver.pidOf(process) }]]
      }),
    )
  }

  /** The events so far, for a new listener. */
  story(): SupervisorEvent[] {
    const services = this.services()
    const up = [...this.#upAfterMs.keys()].filter((id) => this.#options.plans.has(id))
    return [
      ...up.map((id) => this.#unitUp(id)),
      ...services.map((service) => ({ type: 'service' as const, service })),
      ...(this.readyMs === null
        ? []
        : [{ type: 'ready' as const, afterMs: this.readyMs, services: services.length }]),
    ]
  }

  /** Announces what has changed. Returns whether everything is healthy for the first time. */
  publish(): boolean {
    const { fleet, plan, now, onEvent } = this.#options
    const services = this.services()
    this.#publishServices(services)
    for (const { spec, state } of Object.values(fleet().units)) {
      if (spec.kind !== 'infrastructure' || state.status !== 'healthy' || this.#upAfterMs.has(spec.id))
        continue
      this.#upAfterMs.set(spec.id, now() - plan.startedAt)
      onEvent(this.#unitUp(spec.id))
    }
    const ready = services.length > 0 && services.every(({ status }) => status === 'healthy')
    if (this.readyMs !== null || !ready) return false
    this.readyMs = now() - plan.startedAt
    onEvent({ type: 'ready', afterMs: this.readyMs, services: services.length })
    return true
  }

  #publishServices(services: readonly ServiceStatus[]): void {
    const ids = new Set(services.map(({ id }) => id))
    for (const service of services) {
      const { id, status, pid, restarts, cell, detail = '' } = service
      const text = `${status} ${pid} ${restarts} ${cell} ${detail}`
      if (this.#announced.get(id) === text) continue
      this.#announced.set(id, text)
      this.#options.onEvent({ type: 'service', service })
    }
    for (const id of this.#announced.keys()) if (!ids.has(id)) this.#announced.delete(id)
  }

  /** A time of the monotonic clock as ms since 1970. */
  #toEpoch(at: number): number {
    const { now, monotonic } = this.#options
    return Math.round(now() - (monotonic() - at))
  }

  #unitUp(id: string): SupervisorEvent {
    const title = this.#options.plans.get(id)?.title ?? id
    return { type: 'unit-up', unit: id, title, afterMs: this.#upAfterMs.get(id) ?? 0 }
  }

  #statusesOf(unit: Unit): ServiceStatus[] {
    const { plans, plan, links, driver, instancePort } = this.#options
    const { spec, state } = unit
    const process = 'process' in state ? state.process : undefined
    const unitPlan = plans.get(spec.id)
    return unitStatuses(unit, {
      pid: process === undefined ? null : driver.pidOf(process),
      managedPid: process === undefined ? null : (links.known(process)?.managedPid ?? null),
      title: unitPlan?.title ?? spec.id,
      port: unitPlan?.port ?? null,
      toEpoch: (at) => this.#toEpoch(at),
      portOf: (id) =>
        spec.instance === undefined ? (plan.ports[id] ?? null) : instancePort(id, spec.instance),
    })
  }
}
