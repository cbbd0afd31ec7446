/**
 * A copy of a fleet's state while one event is applied to it, and the effects so far. The rules of healing
 * are functions over a draft.
 */
import { seededRandom } from '../../std/random.ts'
import type { IncidentKind } from '../incidents.ts'
import type { FleetEffect, FleetState, HealingPolicy, Unit } from './state.ts'

/** The outcome of one event. */
export interface Step {
  readonly state: FleetState
  readonly effects: readonly FleetEffect[]
}

/** The state under change. */
export class Draft {
  /** ms of the monotonic clock. */
  readonly realNow: number
  readonly policy: HealingPolicy
  readonly effects: FleetEffect[] = []
  /** Everything but units, spares, the process count and the seed, which the fields below replace. */
  state: FleetState
  units: FleetState['units']
  spares: FleetState['spares']
  #processes: number
  #seed: number

  constructor(state: FleetState, realNow: number, policy: HealingPolicy) {
    this.state = state
    this.realNow = realNow
    this.policy = policy
    this.units = state.units
    this.spares = state.spares
    this.#processes = state.processes
    this.#seed = state.seed
  }

  /** ms of the fleet's time: all deadlines of the state are in it. */
  get now(): number {
    return this.realNow - this.state.lostMs
  }

  /** The next state, which is the same object if nothing changed, and the effects. */
  step(): Step {
    const { state, units, spares, effects } = this
    const unchanged =
      units === state.units &&
      spares === state.spares &&
      this.#processes === state.processes &&
      this.#seed === state.seed
    if (unchanged) return { state, effects }
    return { state: { ...state, units, spares, processes: this.#processes, seed: this.#seed }, effects }
  }

  /** Spawns a process for a unit, or a spare (null). Returns its name. */
  spawn(unit: string | null, heapMb?: number): string {
    const process = `p${++this.#processes}`
    this.effects.push({ type: 'spawn', process, unit, ...(heapMb === undefined ? {} : { heapMb }) })
    return process
  }

  kill(process: string): void {
    this.effects.push({ type: 'kill', process })
  }

  /** Takes a spare that has loaded its code out of the spares; undefined if there is none. */
  takeSpare(): string | undefined {
    const found = Object.entries(this.spares).find(([, loaded]) => loaded)?.[0]
    if (found) this.dropSpare(found)
    return found
  }

  dropSpare(process: string): void {
    const { [process]: _, ...rest } = this.spares
    this.spares = rest
  }

  /** A generator that differs on each call and depends on the state's seed only. */
  random(): () => number {
    const random = seededRandom(this.#seed)
    this.#seed = (this.#seed + 0x9e3779b9) >>> 0
    return random
  }

  incident({ spec }: Unit, kind: IncidentKind, detail: string, action: string, durationMs?: number): void {
    this.effects.push({
      type: 'incident',
      unit: spec.id,
      services: spec.kind === 'cell' ? spec.services : [spec.id],
      kind,
      detail,
      action,
      ...(durationMs === undefined ? {} : { durationMs }),
    })
  }

  /** Throws RangeError for an unknown unit. */
  unit(id: string): Unit {
    const unit = this.units[id]
    if (!unit) throw new RangeError(`unknown unit ${JSON.stringify(id)}`)
    return unit
  }

  unitOf(process: string): Unit | undefined {
    return Object.values(this.units).find(({ state }) => 'process' in state && state.process === process)
  }

  unitWithSuccessor(process: string): Unit | undefined {
    return Object.values(this.units).find(({ successor }) => successor?.process === process)
  }

  /** The unit of a service's first instance. */
  unitHosting(service: string): Unit | undefined {
    return Object.values(this.units).find(
      ({ spec }) => spec.services.includes(service) && spec.instance === undefined,
    )
  }

  write(unit: Unit): void {
    this.units = { ...this.units, [unit.spec.id]: unit }
  }

  remove(id: string): void {
    const { [id]: _, ...rest } = this.units
    this.units = rest
  }
}
