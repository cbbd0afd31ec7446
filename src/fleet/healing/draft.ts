/** A copy of a fleet's state under change, and the effects so far. */
import { seededRandom } from '../../std/random.ts'
import type { FleetEffect, FleetState, HealingPolicy, Unit } from './state.ts'

export interface Step {
  readonly state: FleetState
  readonly effects: readonly FleetEffect[]
}

export class Draft {
  protected readonly now: number
  protected readonly policy: HealingPolicy
  protected readonly effects: FleetEffect[] = []
  protected units: FleetState['units']
  protected state: FleetState
  protected processes: number
  protected spares: FleetState['spares']
  protected seed: number

  constructor(state: FleetState, now: number, policy: HealingPolicy) {
    this.state = state
    this.now = now
    this.policy = policy
    this.units = state.units
    this.processes = state.processes
    this.spares = state.spares
    this.seed = state.seed
  }

  step(): Step {
    const state = this.state
    if (
      this.units === state.units &&
      this.spares === state.spares &&
      this.processes === state.processes &&
      this.seed === state.seed
    )
      return { state, effects: this.effects }
    return {
      state: {
        ...this.state,
        units: this.units,
        spares: this.spares,
        processes: this.processes,
        seed: this.seed,
      },
      effects: this.effects,
    }
  }

  protected spawn(unit: string | null, heapMb?: number): string {
    const process = `p${++this.processes}`
    this.effects.push({ type: 'spawn', process, unit, ...(heapMb === undefined ? {} : { heapMb }) })
    return process
  }

  protected takeSpare(): string | undefined {
    const found = Object.entries(this.spares).find(([, loaded]) => loaded)?.[0]
    if (found) this.dropSpare(found)
    return found
  }

  protected dropSpare(process: string): void {
    const { [process]: _, ...rest } = this.spares
    this.spares = rest
  }

  protected random(): () => number {
    const random = seededRandom(this.seed)
    this.seed = (this.seed + 0x9e3779b9) >>> 0
    return random
  }

  protected incident(
    { spec }: Unit,
    kind: string,
    detail: string,
    action: string,
    durationMs?: number,
  ): void {
    const services = spec.kind === 'cell' ? spec.services : [spec.id]
    this.effects.push({
      type: 'incident',
      unit: spec.id,
      services,
      kind,
      detail,
      action,
      ...(durationMs === undefined ? {} : { durationMs }),
    })
  }

  protected unit(id: string): Unit {
    const unit = this.units[id]
    if (!unit) throw new RangeError(`no unit is called ${id}`)
    return unit
  }

  protected unitOf(process: string): Unit | undefined {
    return Object.values(this.units).find(({ state }) => 'process' in state && state.process === process)
  }

  protected unitWhoseSuccessorIs(process: string): Unit | undefined {
    return Object.values(this.units).find(({ successor }) => successor?.process === process)
  }

  protected unitHosting(service: string): Unit | undefined {
    return Object.values(this.units).find(
      ({ spec }) => spec.services.includes(service) && spec.instance === undefined,
    )
  }

  protected write(unit: Unit): void {
    this.units = { ...this.units, [unit.spec.id]: unit }
  }

  protected remove(id: string): void {
    const { [id]: _, ...rest } = this.units
    this.units = rest
  }
}

/** Whether two readings of readiness say the same. */
export function same(
  a: Readonly<Record<string, string | null>>,
  b: Readonly<Record<string, string | null>>,
): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}
