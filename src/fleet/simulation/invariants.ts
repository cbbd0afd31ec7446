/** Invariants of a simulated fleet, checked after every step. */
import { type FleetState, type UnitSpec, unitProcesses } from '../healing/state.ts'
import type { SimulatedProcess } from './machine.ts'

/**
 * More starts of one unit than this within `STORM_MS` are a restart storm under any policy: ten failures, and
 * as many requested restarts.
 */
const STORM_STARTS = 24
const STORM_MS = 60_000
/** A process that belongs to no unit must be ended within this time. */
const ORPHAN_MS = 10_000

/** The rules of one simulated run. */
export class Invariants {
  readonly #specs: readonly UnitSpec[]
  readonly #onViolation: (text: string) => void
  readonly #starts = new Map<string, number[]>()
  /** By process: since when it has belonged to no unit. */
  readonly #orphans = new Map<string, number>()

  constructor(specs: readonly UnitSpec[], onViolation: (text: string) => void) {
    this.#specs = specs
    this.#onViolation = onViolation
  }

  /** Counts a start of a unit. */
  started(unit: string, now: number): void {
    const recent = (this.#starts.get(unit) ?? []).filter((at) => at > now - STORM_MS)
    recent.push(now)
    this.#starts.set(unit, recent)
    if (recent.length > STORM_STARTS)
      this.#onViolation(`${unit} was started ${recent.length} times within ${STORM_MS / 1_000} s`)
  }

  /** The supervisor did not run for a while: that time does not count for orphans. */
  suspended(ms: number): void {
    for (const [proc, since] of this.#orphans) this.#orphans.set(proc, since + ms)
  }

  check(state: FleetState, processes: ReadonlyMap<string, SimulatedProcess>, now: number): void {
    this.#checkServices(state)
    const owned = this.#checkProcesses(state)
    this.#checkServing(processes)
    this.#checkOrphans(state, processes, owned, now)
  }

  /** Each service belongs to exactly one unit. */
  #checkServices({ units }: FleetState): void {
    const unitOf = new Map<string, string>()
    for (const { spec } of Object.values(units)) {
      if (spec.instance !== undefined) continue
      for (const id of spec.services) {
        if (unitOf.has(id)) this.#onViolation(`${id} belongs to ${unitOf.get(id)} and ${spec.id}`)
        unitOf.set(id, spec.id)
      }
    }
    for (const spec of this.#specs)
      for (const id of spec.services) if (!unitOf.has(id)) this.#onViolation(`${id} belongs to no unit`)
  }

  /** Each process has one role. Returns the processes of units. */
  #checkProcesses({ units, spares }: FleetState): Set<string> {
    const owned = new Set<string>()
    for (const unit of Object.values(units))
      for (const name of unitProcesses(unit)) {
        if (owned.has(name) || name in spares) this.#onViolation(`${name} is used twice`)
        owned.add(name)
      }
    return owned
  }

  /**
   * Two processes serve the same service only while one of them drains, waits for its predecessor, or is a
   * stand-in.
   */
  #checkServing(processes: ReadonlyMap<string, SimulatedProcess>): void {
    const serving = new Map<string, string>()
    for (const proc of processes.values()) {
      if (proc.draining || proc.standsIn) continue
      for (const id of proc.services) {
        if (proc.held.has(id)) continue
        const other = serving.get(id)
        if (other !== undefined) this.#onViolation(`${id} runs in ${other} and in ${proc.name}`)
        serving.set(id, proc.name)
      }
    }
  }

  #checkOrphans(
    { spares }: FleetState,
    processes: ReadonlyMap<string, SimulatedProcess>,
    owned: ReadonlySet<string>,
    now: number,
  ): void {
    for (const proc of processes.keys()) {
      if (!owned.has(proc) && !(proc in spares)) this.#orphans.set(proc, this.#orphans.get(proc) ?? now)
      else this.#orphans.delete(proc)
    }
    for (const [proc, since] of this.#orphans) {
      if (!processes.has(proc)) this.#orphans.delete(proc)
      else if (now - since > ORPHAN_MS) {
        this.#onViolation(`${proc} runs and belongs to no unit`)
        this.#orphans.delete(proc)
      }
    }
  }
}
