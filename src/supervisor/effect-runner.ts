/** Performs the effects of the healing reducer: through the driver, and by messages to processes. */
import type { FleetEffect, FleetState } from '../fleet/healing/state.ts'
import type { Incident } from '../ports/fleet.ts'
import type { Driver } from './drivers/driver.ts'
import type { ProcessLinks } from './links/process-links.ts'
import { FIRST_SOCKET_FD, type Opening } from './links/protocol.ts'
import type { SupervisorOptions, UnitPlan } from './options.ts'

/** The range of ports for further instances holds this many per service. */
const PORTS_PER_SERVICE = 8

/** The targets of effects. */
export interface EffectRunnerOptions {
  readonly plan: SupervisorOptions['plan']
  readonly plans: ReadonlyMap<string, UnitPlan>
  readonly links: ProcessLinks
  readonly driver: Driver
  /** The present state. */
  fleet(): FleetState
  /** ms since 1970. */
  now(): number
  /** A process was spawned for a unit. */
  onSpawned(unit: string, process: string): void
  onIncident(incident: Incident): void
}

type Handlers = {
  readonly [T in FleetEffect['type']]: (effect: Extract<FleetEffect, { type: T }>) => void
}

/** Performs effects. */
export class EffectRunner {
  readonly #options: EffectRunnerOptions
  readonly #socketOrder: readonly string[]
  readonly #handlers: Handlers

  constructor(options: EffectRunnerOptions) {
    this.#options = options
    this.#socketOrder = Object.keys(options.plan.ports)
    this.#handlers = this.#createHandlers()
  }

  perform(effect: FleetEffect): void {
    // The handler is looked up by the very type of the effect that it receives.
    const handle = this.#handlers[effect.type] as (effect: FleetEffect) => void
    handle(effect)
  }

  /** Has a process finish its calls and exit. */
  drain(unit: string, process: string): void {
    const { plans, driver, links } = this.#options
    if (plans.get(unit)?.probe) driver.terminate(process, unit)
    else links.send(process, { type: 'stop' })
  }

  /** The address at which an instance of a service listens; the first one without `instance`. */
  opening(id: string, instance?: number): Opening {
    const { heldSockets, instancePorts } = this.#options.plan
    const index = this.#socketOrder.indexOf(id)
    const fd = heldSockets ? FIRST_SOCKET_FD + index : null
    if (instance === undefined) return { id, fd }
    return { id, fd, port: instancePorts + index * PORTS_PER_SERVICE + (instance - 2) }
  }

  #createHandlers(): Handlers {
    const { links, driver, onSpawned, onIncident, fleet, now } = this.#options
    return {
      spawn: ({ process, unit, heapMb }) => {
        links.of(process)
        driver.spawn(process, unit, heapMb)
        if (unit !== null) onSpawned(unit, process)
      },
      host: ({ process, unit, services, hold, instance }) =>
        links.send(process, {
          type: 'host',
          unit,
          services: services.map((id) => this.opening(id, instance)),
          hold,
        }),
      begin: ({ process }) => links.send(process, { type: 'begin' }),
      drain: ({ process }) => this.drain(unitIdOf(fleet(), process), process),
      release: ({ process, services }) => links.send(process, { type: 'release', services: [...services] }),
      kill: ({ process }) => driver.kill(process),
      'stand-in': ({ process, services, reason }) =>
        links.send(process, {
          type: 'stand-in',
          services: services.map((id) => this.opening(id)),
          reason,
        }),
      reconnect: ({ process, to }) => links.send(process, { type: 'reconnect', to }),
      overload: ({ on }) => links.broadcast({ type: 'overload', on }),
      incident: ({ type: _, durationMs = null, ...incident }) =>
        onIncident({ ...incident, durationMs, at: now() }),
    }
  }
}

/** The id of the unit that a process belongs to; empty if none. */
function unitIdOf({ units }: FleetState, process: string): string {
  const unit = Object.values(units).find(({ state }) => 'process' in state && state.process === process)
  return unit?.spec.id ?? ''
}
