/**
 * A fleet in virtual time: processes, machines' troubles and messages are played from a seed, the healing reducer is the real one.
 * What must never happen is checked at every step; what must happen in the end, once the troubles stop. The same seed plays the same run.
 */
import { type Random, seededRandom } from '../../std/random.ts'
import { isOverdue } from '../healing/heartbeat.ts'
import { nextFleet } from '../healing/reducer.ts'
import {
  type FleetEffect,
  type FleetEvent,
  type FleetState,
  HEALING,
  type HealingPolicy,
  initialFleet,
  isRunning,
  nextWake,
  type UnitSpec,
} from '../healing/state.ts'
import { EventQueue } from './event-queue.ts'

const FAULTS = [
  'crash',
  'hang',
  'slow',
  'leak',
  'lost-messages',
  'clock-jump',
  'disk-full',
  'bad-service',
  'bad-dependency',
] as const
export type Fault = (typeof FAULTS)[number]

export interface SimulationOptions {
  readonly seed: number
  /** How long troubles happen. */
  readonly hours: number
  /** Mean time between two of them, in ms. */
  readonly faultEveryMs: number
  readonly faults?: readonly Fault[]
  readonly units?: readonly UnitSpec[]
  readonly policy?: HealingPolicy
}

export interface SimulationReport {
  readonly seed: number
  readonly hours: number
  readonly faults: Readonly<Record<string, number>>
  readonly steps: number
  readonly starts: number
  /** Broken rules, each with the time at which it broke; empty where all held. */
  readonly violations: readonly string[]
  /** From the last trouble's end until everything was healthy and at home, in ms. */
  readonly calmAfterMs: number
  /** Share of service time in which services were ready, while troubles went on. */
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

/** A fleet of the usual shape. */
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

interface Process {
  readonly name: string
  readonly unit: string | null
  readonly bornAt: number
  services: string[]
  held: Set<string>
  aside: boolean
  hungAt: number | undefined
  drainsAt: number | undefined
  /** It does not find what it needs again by itself. */
  stuck: boolean
  /** Messages are lost until then. */
  deafUntil: number
}

const BEAT_MS = 1_000
/** The supervisor looks this often. */
const TICK_MS = 50
/** More starts of one unit than this are a storm, whatever the policy: ten failures, and as many again on purpose. */
const STORM_MS = 60_000
const STORM_STARTS = 24
/** Faults that go on end after at most this long. */
const LONG_MS = 90_000
/** Everything must be well this long after the last trouble: the longest wait aside, and the way home. */
const calmBound = (policy: HealingPolicy) => policy.quarantineMostMs + policy.homeMs * 2 + 120_000

export function simulate(options: SimulationOptions): SimulationReport {
  return new World(options).run()
}

class World {
  readonly #options: SimulationOptions
  readonly #policy: HealingPolicy
  readonly #random: Random
  readonly #specs: readonly UnitSpec[]
  readonly #processes = new Map<string, Process>()
  readonly #queue = new EventQueue()
  readonly #violations: string[] = []
  readonly #counts: Record<string, number> = {}
  readonly #startsOf = new Map<string, number[]>()
  #state: FleetState
  #now = 0
  #steps = 0
  #starts = 0
  #slowUntil = 0
  #diskFullUntil = 0
  readonly #badUntil = new Map<string, number>()
  #readyTime = 0
  #lastMeasure = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#policy = options.policy ?? HEALING
    this.#random = seededRandom(options.seed)
    this.#specs = options.units ?? SIMULATED_FLEET
    this.#state = initialFleet(this.#specs, options.seed)
  }

  run(): SimulationReport {
    const { hours, faultEveryMs, seed } = this.#options
    const end = hours * 3_600_000
    let wake = 0
    let nextFault = 60_000
    let availability = 0
    const bound = end + LONG_MS + calmBound(this.#policy)
    this.#dispatch({ type: 'tick' })
    for (;;) {
      const at = Math.min(
        this.#queue.nextAt(),
        wake,
        nextFault < end ? nextFault : Number.POSITIVE_INFINITY,
        this.#now < end ? end : Number.POSITIVE_INFINITY,
      )
      if (at === Number.POSITIVE_INFINITY || at > bound) break
      if (at >= end && availability === 0) {
        this.#measure(end)
        availability = this.#readyTime / (end * this.#specs.flatMap((spec) => spec.services).length)
      } else this.#measure(at)
      this.#now = Math.max(this.#now, at)
      if (nextFault <= this.#now && nextFault < end) {
        this.#fault()
        nextFault = this.#now + Math.max(1, Math.round(-Math.log(1 - this.#random()) * faultEveryMs))
      } else if (this.#queue.nextAt() <= this.#now) this.#queue.take()()
      else if (wake <= this.#now) this.#dispatch({ type: 'tick' })
      wake = Math.max(this.#now + TICK_MS, nextWake(this.#state, this.#policy))
      if (this.#now > end + LONG_MS && this.#calm()) break
      if (this.#violations.length > 10) break
    }
    if (!this.#calm()) {
      const away = Object.values(this.#state.units).filter(
        ({ state, spec }) => state.status !== 'healthy' || spec.home !== undefined,
      )
      this.#violated(
        `not calm ${Math.round((this.#now - end) / 1_000)} s after the last trouble: ${away.map(({ spec, state }) => `${spec.id} ${state.status}`).join(', ')}`,
      )
    }
    return {
      seed,
      hours,
      faults: this.#counts,
      steps: this.#steps,
      starts: this.#starts,
      violations: this.#violations,
      calmAfterMs: Math.max(0, this.#now - end),
      availability,
    }
  }

  #calm(): boolean {
    return Object.values(this.#state.units).every(
      ({ state, spec }) => state.status === 'healthy' && spec.home === undefined,
    )
  }

  /** Adds up the time in which services were ready, as the world has it. */
  #measure(at: number): void {
    const span = at - this.#lastMeasure
    if (span <= 0) return
    let ready = 0
    for (const { state, readiness, spec } of Object.values(this.#state.units)) {
      if (!isRunning(state) || spec.instance !== undefined) continue
      const proc = this.#processes.get(state.process)
      if (proc && proc.hungAt === undefined)
        for (const id of spec.services) if (readiness[id] === null) ready++
    }
    this.#readyTime += span * ready
    this.#lastMeasure = at
  }

  #dispatch(event: FleetEvent): void {
    this.#steps++
    const { state, effects } = nextFleet(this.#state, event, this.#now, this.#policy)
    const before = this.#state
    this.#state = state
    for (const effect of effects) this.#perform(effect, before)
    if (state !== before || effects.length > 0) this.#check()
    if (!state.settled && Object.values(state.units).every((unit) => unit.state.status === 'healthy'))
      this.#dispatch({ type: 'settled' })
  }

  #perform(effect: FleetEffect, before: FleetState): void {
    switch (effect.type) {
      case 'spawn':
        this.#spawn(effect.process, effect.unit)
        break
      case 'host':
        this.#host(effect, before)
        break
      case 'begin': {
        const proc = this.#processes.get(effect.process)
        if (proc) {
          proc.held.clear()
          this.#later(this.#delay(20), proc, () => this.#beat(proc))
        }
        break
      }
      case 'drain': {
        const proc = this.#processes.get(effect.process)
        if (!proc) break
        proc.drainsAt = this.#now
        this.#later(this.#delay(50), proc, () => {
          proc.services = []
          this.#dispatch({ type: 'released', process: proc.name })
        })
        this.#later(this.#delay(1_500), proc, () => this.#exit(proc, 'ended with code 0', []))
        break
      }
      case 'release': {
        const proc = this.#processes.get(effect.process)
        if (proc) proc.services = proc.services.filter((id) => !effect.services.includes(id))
        break
      }
      case 'kill': {
        const proc = this.#processes.get(effect.process)
        if (proc) this.#queue.add(this.#now + 2, () => this.#exit(proc, 'ended by SIGKILL', []))
        break
      }
      case 'stand-in': {
        const proc = this.#processes.get(effect.process)
        if (proc) proc.aside = true
        break
      }
      case 'reconnect': {
        const proc = this.#processes.get(effect.process)
        if (proc && !proc.stuck) this.#later(this.#delay(30), proc, () => this.#beat(proc))
        break
      }
      case 'incident':
        break
    }
  }

  #spawn(name: string, unit: string | null): void {
    this.#starts++
    const proc: Process = {
      name,
      unit,
      bornAt: this.#now,
      services: [],
      held: new Set(),
      aside: false,
      hungAt: undefined,
      drainsAt: undefined,
      stuck: false,
      deafUntil: 0,
    }
    this.#processes.set(name, proc)
    if (this.#now < this.#diskFullUntil) {
      this.#queue.add(this.#now + 30, () =>
        this.#exit(proc, 'ended with code 1: no space left on device', []),
      )
      return
    }
    const load = this.#delay(this.#now < this.#slowUntil ? 8_000 : 250)
    if (unit === null) this.#later(load, proc, () => this.#dispatch({ type: 'loaded', process: name }))
    else if (this.#specOf(unit)?.kind === 'infrastructure') {
      this.#countStart(unit)
      if (this.#now < (this.#badUntil.get(unit) ?? 0))
        this.#later(this.#delay(300), proc, () => this.#exit(proc, 'ended with code 1', []))
      else
        this.#later(load, proc, () => {
          this.#beat(proc)
          for (const other of this.#processes.values())
            if (!other.stuck && other.services.length > 0)
              this.#later(this.#delay(900), other, () => this.#beat(other))
        })
    }
  }

  #specOf(unit: string): UnitSpec | undefined {
    return this.#state.units[unit]?.spec
  }

  #host({ process: name, unit, services, hold }: FleetEffect & { type: 'host' }, before: FleetState): void {
    const proc = this.#processes.get(name)
    if (!proc) return
    const earlier = before.units[unit]?.state
    // More services for a process that runs already are no start, and neither is a successor.
    const moving = earlier !== undefined && 'process' in earlier && earlier.process === name
    if (!moving && !hold) this.#countStart(unit)
    for (const needed of this.#specOf(unit)?.after ?? []) {
      const status = this.#state.units[needed]?.state.status
      if (!hold && !moving && status !== undefined && status !== 'healthy' && status !== 'degraded')
        this.#violated(`${unit} was started while ${needed}, which it needs, was ${status}`)
    }
    proc.services.push(...services)
    if (hold) for (const id of services) proc.held.add(id)
    const took = this.#delay(
      (this.#now < this.#slowUntil ? 4_000 : 60) + (proc.bornAt === this.#now ? 250 : 0),
    )
    const bad = services.find((id) => this.#now < (this.#badUntil.get(id) ?? 0))
    if (bad !== undefined) {
      // One half breaks down at its start, and says who; the other while it serves, and says so seven times of ten.
      const early = this.#random() < 0.5
      this.#later(this.#delay(early ? 60 : 2_500), proc, () => {
        if (early) this.#dispatch({ type: 'failed', process: name, service: bad, detail: 'it threw' })
        this.#exit(proc, 'ended with code 7', !early && this.#random() < 0.7 ? [bad] : [])
      })
    }
    this.#later(took, proc, () => this.#beat(proc))
  }

  #countStart(unit: string): void {
    const recent = (this.#startsOf.get(unit) ?? []).filter((at) => at > this.#now - STORM_MS)
    recent.push(this.#now)
    this.#startsOf.set(unit, recent)
    if (recent.length > STORM_STARTS)
      this.#violated(`${unit} was started ${recent.length} times within ${STORM_MS / 1_000} s`)
  }

  /** What a process says of itself; lost where messages are. A lost one is said again with the next beat. */
  #beat(proc: Process): void {
    if (this.#processes.get(proc.name) !== proc || proc.hungAt !== undefined) return
    if (this.#now < proc.deafUntil) {
      this.#later(BEAT_MS, proc, () => this.#beat(proc))
      return
    }
    const missing = ['database', 'hub'].find(
      (id) => id !== proc.unit && this.#specOf(id) !== undefined && !this.#alive(id),
    )
    const services =
      proc.services.length === 0 && proc.unit !== null && this.#specOf(proc.unit)?.kind === 'infrastructure'
        ? [{ id: proc.unit, ready: true }]
        : proc.services.map((id) => {
            if (proc.held.has(id)) return { id, ready: false, held: true, reason: 'held' }
            const reason = missing ?? (proc.stuck ? 'lost its connection' : undefined)
            return {
              id,
              ready: reason === undefined,
              ...(reason === undefined ? {} : { reason: `${reason} is away` }),
            }
          })
    if (services.length === 0) return
    this.#dispatch({ type: 'health', process: proc.name, services })
    // Beats that say the same again are left out; those of one that is not well are not.
    if (services.some(({ ready }) => !ready)) this.#later(BEAT_MS, proc, () => this.#beat(proc))
  }

  #alive(unit: string): boolean {
    const state = this.#state.units[unit]?.state
    const proc = state && 'process' in state ? this.#processes.get(state.process) : undefined
    return (
      proc !== undefined &&
      proc.hungAt === undefined &&
      (state?.status === 'healthy' || state?.status === 'degraded')
    )
  }

  #exit(proc: Process, detail: string, suspects: string[]): void {
    if (this.#processes.get(proc.name) !== proc) return
    this.#processes.delete(proc.name)
    this.#dispatch({ type: 'exited', process: proc.name, detail, suspects, meant: false })
    if (proc.unit !== null && this.#specOf(proc.unit)?.kind === 'infrastructure') {
      for (const other of [...this.#processes.values()])
        if (other.services.length > 0) this.#later(this.#delay(20), other, () => this.#beat(other))
      // Some do not find back by themselves.
      for (const other of this.#processes.values())
        if (other.services.length > 0 && this.#random() < 0.05) other.stuck = true
    }
  }

  #fault(): void {
    const kinds = this.#options.faults ?? FAULTS
    const kind = kinds[Math.floor(this.#random() * kinds.length)] as Fault
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1
    const all = [...this.#processes.values()]
    const proc = all[Math.floor(this.#random() * all.length)]
    const until = this.#now + this.#random() * LONG_MS
    switch (kind) {
      case 'crash':
        if (proc)
          this.#exit(
            proc,
            'ended by SIGSEGV',
            this.#random() < 0.2 && proc.services[0] !== undefined ? [proc.services[0]] : [],
          )
        break
      case 'hang':
        if (proc && proc.hungAt === undefined) {
          proc.hungAt = this.#now
          this.#watch(proc)
        }
        break
      case 'slow':
        this.#slowUntil = until
        break
      case 'leak': {
        const units = Object.values(this.#state.units).filter(({ spec }) => spec.kind === 'cell')
        const unit = units[Math.floor(this.#random() * units.length)]
        if (unit) this.#dispatch({ type: 'restart', unit: unit.spec.id, reason: 'its memory grows' })
        break
      }
      case 'lost-messages':
        if (proc) proc.deafUntil = this.#now + this.#random() * 10_000
        break
      case 'clock-jump': {
        // The supervisor itself was away: whatever happened meanwhile is heard late, and beats look old.
        const away = Math.round(this.#random() * 30_000)
        this.#now += away
        // Ends of that time are heard of now: nobody is blamed for the while.
        for (const [process, since] of this.#orphans) this.#orphans.set(process, since + away)
        for (const each of this.#processes.values())
          if (isOverdue({ lastBeat: this.#now - BEAT_MS, now: this.#now, lagMs: 30_000 }))
            this.#violated(`${each.name} was called hung after the supervisor's own pause`)
        this.#dispatch({ type: 'tick' })
        break
      }
      case 'disk-full':
        this.#diskFullUntil = this.#now + this.#random() * 20_000
        break
      case 'bad-service': {
        const services = this.#specs.flatMap((spec) => spec.services)
        const service = services[Math.floor(this.#random() * services.length)] as string
        this.#badUntil.set(service, until)
        const host = all.find((each) => each.services.includes(service) && each.hungAt === undefined)
        if (host) this.#exit(host, 'ended with code 7', [])
        break
      }
      case 'bad-dependency': {
        const specs = this.#specs.filter((spec) => spec.kind === 'infrastructure')
        const spec = specs[Math.floor(this.#random() * specs.length)]
        const state = spec && this.#state.units[spec.id]?.state
        if (spec) this.#badUntil.set(spec.id, this.#now + this.#random() * 20_000)
        const running = state && isRunning(state) ? this.#processes.get(state.process) : undefined
        if (running) this.#exit(running, 'ended by SIGKILL', [])
        break
      }
    }
  }

  /** A process that hangs beats no more: it is found when its last beat is too old. */
  #watch(proc: Process): void {
    const lastBeat = Math.max(proc.bornAt, Math.floor((proc.hungAt as number) / BEAT_MS) * BEAT_MS)
    const look = () => {
      if (this.#processes.get(proc.name) !== proc) return
      if (isOverdue({ lastBeat, now: this.#now, lagMs: 0 })) {
        this.#dispatch({
          type: 'hung',
          process: proc.name,
          detail: `no heartbeat for ${this.#now - lastBeat} ms`,
        })
        // Whatever it is, and wherever it stands: it does not stay.
        this.#queue.add(this.#now + BEAT_MS * 10, () => {
          if (this.#processes.get(proc.name) === proc)
            this.#violated(`${proc.name} hangs since ${proc.hungAt} and nobody ended it`)
        })
      } else this.#queue.add(this.#now + 50, look)
    }
    this.#queue.add(lastBeat + 3_000, look)
  }

  #delay(typical: number): number {
    return Math.max(1, Math.round(typical * (0.5 + this.#random())))
  }

  /** Later, unless the process is gone or hangs by then. */
  #later(ms: number, proc: Process, work: () => void): void {
    this.#queue.add(this.#now + ms, () => {
      if (this.#processes.get(proc.name) === proc && proc.hungAt === undefined) work()
    })
  }

  /** What must hold at every moment. */
  #check(): void {
    const { units } = this.#state
    const homes = new Map<string, string>()
    const owner = new Map<string, string>()
    for (const unit of Object.values(units)) {
      if (unit.spec.instance === undefined) {
        for (const id of unit.spec.services) {
          if (homes.has(id)) this.#violated(`${id} belongs to ${homes.get(id)} and ${unit.spec.id}`)
          homes.set(id, unit.spec.id)
        }
      }
      for (const name of [
        'process' in unit.state ? unit.state.process : undefined,
        unit.successor?.process,
        unit.standIn,
      ]) {
        if (name === undefined) continue
        if (owner.has(name) || name in this.#state.spares) this.#violated(`${name} is used twice`)
        owner.set(name, unit.spec.id)
      }
    }
    for (const spec of this.#specs)
      for (const id of spec.services) if (!homes.has(id)) this.#violated(`${id} belongs to nobody`)
    // Nobody serves the same service twice, but for a successor that holds back.
    const serving = new Map<string, string>()
    for (const proc of this.#processes.values()) {
      if (proc.drainsAt !== undefined || proc.aside) continue
      for (const id of proc.services) {
        if (proc.held.has(id)) continue
        const other = serving.get(id)
        if (other !== undefined) this.#violated(`${id} runs in ${other} and in ${proc.name}`)
        serving.set(id, proc.name)
      }
    }
    for (const process of this.#processes.keys()) {
      if (!owner.has(process) && !(process in this.#state.spares))
        this.#orphans.set(process, this.#orphans.get(process) ?? this.#now)
      else this.#orphans.delete(process)
    }
    for (const [process, since] of this.#orphans) {
      if (!this.#processes.has(process)) this.#orphans.delete(process)
      else if (this.#now - since > 10_000) {
        this.#violated(`${process} runs and belongs to nobody`)
        this.#orphans.delete(process)
      }
    }
  }
  readonly #orphans = new Map<string, number>()

  #violated(text: string): void {
    this.#violations.push(`at ${(this.#now / 1_000).toFixed(3)} s: ${text} (seed ${this.#options.seed})`)
  }
}
