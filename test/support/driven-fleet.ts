/** A fleet that a test drives by hand: effects are collected, the test reports the behaviour of processes. */
import type { ExitCause } from '../../src/fleet/exit-cause.ts'
import { nextFleet } from '../../src/fleet/healing/reducer.ts'
import {
  type FleetEffect,
  type FleetEvent,
  type FleetState,
  HEALING,
  type HealingPolicy,
  initialFleet,
  type Unit,
  type UnitSpec,
} from '../../src/fleet/healing/state.ts'
import type { IncidentKind } from '../../src/fleet/incidents.ts'

export const cellSpec = (
  id: string,
  services: readonly string[],
  extra: Partial<UnitSpec> = {},
): UnitSpec => ({ id, kind: 'cell', services, after: [], fromSpare: true, ...extra })

export const infrastructureSpec = (id: string): UnitSpec => ({
  id,
  kind: 'infrastructure',
  services: [],
  after: [],
  fromSpare: false,
})

export interface Exit {
  readonly cause?: ExitCause
  /** Services with one call in flight each. */
  readonly calls?: readonly string[]
  readonly hung?: boolean
  readonly deliberate?: boolean
}

/** The event of a process that exited; by default with code 7 and no calls in flight. */
export const exitOf = (
  process: string,
  { cause = { kind: 'exit', code: 7 }, calls = [], hung = false, deliberate = false }: Exit = {},
): FleetEvent => ({
  type: 'exited',
  process,
  cause,
  calls: calls.map((service) => ({ service, tool: 'ask', count: 1 })),
  hung,
  deliberate,
})

export class DrivenFleet {
  readonly effects: FleetEffect[] = []
  readonly #policy: HealingPolicy
  state: FleetState
  now = 0

  constructor(specs: readonly UnitSpec[], policy: HealingPolicy = HEALING) {
    this.#policy = policy
    this.state = initialFleet(specs, 1)
    this.send({ type: 'tick' })
  }

  /** Applies an event and returns its effects. */
  send(event: FleetEvent, at = this.now): readonly FleetEffect[] {
    this.now = at
    const { state, effects } = nextFleet(this.state, event, at, this.#policy)
    this.state = state
    this.effects.push(...effects)
    return effects
  }

  tick(at: number): readonly FleetEffect[] {
    return this.send({ type: 'tick' }, at)
  }

  unit(id: string): Unit {
    const unit = this.state.units[id]
    if (!unit) throw new Error(`no unit ${id}`)
    return unit
  }

  /** The unit's process. Throws if it has none. */
  process(id: string): string {
    const { state } = this.unit(id)
    if (!('process' in state)) throw new Error(`${id} is ${state.status}`)
    return state.process
  }

  /** All services of a unit report that they are ready. */
  ready(id: string, at = this.now): readonly FleetEffect[] {
    const { spec } = this.unit(id)
    const services = spec.kind === 'cell' ? spec.services : [id]
    return this.report(
      id,
      services.map((service) => ({ id: service, ready: true })),
      at,
    )
  }

  report(
    id: string,
    services: readonly { id: string; ready: boolean; reason?: string }[],
    at = this.now,
  ): readonly FleetEffect[] {
    return this.send({ type: 'health', process: this.process(id), services }, at)
  }

  exit(id: string, at = this.now, exit: Exit = {}): readonly FleetEffect[] {
    return this.send(exitOf(this.process(id), exit), at)
  }

  incidents(): IncidentKind[] {
    return this.effects.flatMap((effect) => (effect.type === 'incident' ? [effect.kind] : []))
  }
}
