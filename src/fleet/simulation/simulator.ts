/**
 * A fleet in virtual time. The healing reducer is the real one; processes, faults and messages are played
 * from a seed. Invariants are checked at every step; once the faults stop, everything must become healthy.
 * The same seed plays the same run.
 */
import { HEALING, type HealingPolicy, nextWake, type UnitSpec } from '../healing/state.ts'
import { FAULTS, type Fault, injectFault, MAX_FAULT_MS } from './faults.ts'
import { TICK_MS, World } from './world.ts'

/** The parameters of a simulation. */
export interface SimulationOptions {
  readonly seed: number
  /** For how long faults are injected. */
  readonly hours: number
  /** Mean time between two faults, in ms. */
  readonly faultEveryMs: number
  readonly faults?: readonly Fault[]
  readonly units?: readonly UnitSpec[]
  readonly policy?: HealingPolicy
}

/** The outcome of one run. */
export interface SimulationReport {
  readonly seed: number
  readonly hours: number
  /** Injected faults by kind. */
  readonly faults: Readonly<Record<string, number>>
  /** Events that the reducer handled. */
  readonly steps: number
  /** Processes that were spawned. */
  readonly starts: number
  /** Times that services were moved into a process of their own. */
  readonly isolations: number
  /** Broken invariants, each with its time and seed; empty if all held. */
  readonly violations: readonly string[]
  /**
   * ms from the last fault's end until everything was healthy and isolated services were back in their cells.
   */
  readonly calmAfterMs: number
  /** Share of service time in which services were ready, while faults were injected. */
  readonly availability: number
}

const service = (id: string, services: readonly string[]): UnitSpec => ({
  id,
  kind: 'cell',
  services,
  after: ['database', 'hub'],
  follows: ['localnet'],
  fromSpare: true,
})
const infrastructure = (id: string, after: readonly string[] = []): UnitSpec => ({
  id,
  kind: 'infrastructure',
  services: [],
  after,
  fromSpare: false,
})

/** A fleet of the typical shape. */
export const SIMULATED_FLEET: readonly UnitSpec[] = [
  infrastructure('database'),
  infrastructure('hub'),
  infrastructure('localnet', ['database']),
  service('trading', ['t1', 't2', 't3', 't4', 't5', 't6', 't7', 't8']),
  service('analytics', ['a1', 'a2', 'a3', 'a4', 'a5']),
  service('coordination', ['c1', 'c2', 'c3', 'c4', 'c5', 'c6']),
  { ...service('executor', ['executor']), fromSpare: false },
  service('gateway', ['gateway']),
]

const FIRST_FAULT_MS = 60_000
const MAX_VIOLATIONS = 10
/**
 * Everything must be healthy this long after the last fault: the longest quarantine, and the return of
 * isolated services.
 */
const calmBoundMs = (policy: HealingPolicy) => policy.maxQuarantineMs + policy.homeMs * 2 + 120_000

/** Plays one run. */
export function simulate({
  seed,
  hours,
  faultEveryMs,
  faults = FAULTS,
  units = SIMULATED_FLEET,
  policy = HEALING,
}: SimulationOptions): SimulationReport {
  const world = new World(units, policy, seed)
  const counts: Record<string, number> = {}
  const endMs = hours * 3_600_000
  const boundMs = endMs + MAX_FAULT_MS + calmBoundMs(policy)
  const uptime = new UptimeMeter(world, endMs)
  let wake = 0
  let nextFault = FIRST_FAULT_MS
  world.tick()
  for (;;) {
    const at = Math.min(
      world.queue.nextAt(),
      wake,
      nextFault < endMs ? nextFault : Number.POSITIVE_INFINITY,
      world.now < endMs ? endMs : Number.POSITIVE_INFINITY,
    )
    if (at === Number.POSITIVE_INFINITY || at > boundMs) break
    uptime.advance(at)
    world.now = Math.max(world.now, at)
    if (nextFault <= world.now && nextFault < endMs) {
      const kind = injectFault(world, faults)
      counts[kind] = (counts[kind] ?? 0) + 1
      nextFault = world.now + Math.max(1, Math.round(-Math.log(1 - world.random()) * faultEveryMs))
    } else if (world.queue.nextAt() <= world.now) world.queue.take()()
    else if (wake <= world.now) world.tick()
    wake = Math.max(world.now + TICK_MS, nextWake(world.state, policy))
    if (world.now > endMs + MAX_FAULT_MS && isCalm(world)) break
    if (world.violations.length > MAX_VIOLATIONS) break
  }
  if (!isCalm(world)) world.violated(`not calm: ${describeUnrest(world, endMs)}`)
  return {
    seed,
    hours,
    faults: counts,
    steps: world.steps,
    starts: world.starts,
    isolations: world.isolations,
    violations: world.violations,
    calmAfterMs: Math.max(0, world.now - endMs),
    availability: uptime.availability,
  }
}

/** Adds up the time in which services were ready, until `endMs`. */
class UptimeMeter {
  readonly #world: World
  readonly #endMs: number
  #readyMs = 0
  #measuredMs = 0

  constructor(world: World, endMs: number) {
    this.#world = world
    this.#endMs = endMs
  }

  /** Time passes until `at` in the world's present state. */
  advance(at: number): void {
    const until = Math.min(at, this.#endMs)
    if (until <= this.#measuredMs) return
    this.#readyMs += (until - this.#measuredMs) * this.#world.readyServices()
    this.#measuredMs = until
  }

  get availability(): number {
    const services = this.#world.specs.flatMap((spec) => spec.services).length
    return this.#readyMs / (this.#endMs * services)
  }
}

const isCalm = ({ state: { units } }: World): boolean =>
  Object.values(units).every(({ state, spec }) => state.status === 'healthy' && spec.home === undefined)

function describeUnrest({ state: { units }, now }: World, endMs: number): string {
  const seconds = Math.round((now - endMs) / 1_000)
  const unwell = Object.values(units).filter(
    ({ state, spec }) => state.status !== 'healthy' || spec.home !== undefined,
  )
  return `${unwell.map(({ spec, state }) => `${spec.id} ${state.status}`).join(', ')} ${seconds} s after the last fault`
}
