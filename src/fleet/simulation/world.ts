/**
 * A simulated machine: processes, messages and their delays, played in virtual time from a seed. The healing
 * reducer is the real one.
 */
import { type Random, seededRandom } from '../../std/random.ts'
import type { ExitCause } from '../exit-cause.ts'
import { HEARTBEAT_DEADLINE_MS, HEARTBEAT_MS, Heartbeats } from '../healing/heartbeat.ts'
import { nextFleet } from '../healing/reducer.ts'
import {
  type FleetEffect,
  type FleetEvent,
  type FleetState,
  type HealingPolicy,
  initialFleet,
  isRunning,
  type ServiceHealth,
  type Unit,
  type UnitSpec,
} from '../healing/state.ts'
import { EventQueue } from './event-queue.ts'
import { Invariants } from './invariants.ts'
import { MachineTime, type SimulatedProcess, SimulatedThread } from './machine.ts'

type Handlers = {
  readonly [T in FleetEffect['type']]: (effect: Extract<FleetEffect, { type: T }>, before: FleetState) => void
}

/** The supervisor's tick. */
export const TICK_MS = 50
/** While something happens, the supervisor looks at heartbeats this often. */
const LOOK_MS = 250
/** Work on a machine whose share of CPU may change is looked at again this often. */
const WORK_STEP_MS = 1_000
/** CPU that a process needs between two heartbeats. */
const MAX_BEAT_CPU_MS = 150
/** A process that hangs is reported within this much more than its deadline. */
const HANG_SLACK_MS = 400

/** A simulated machine with its fleet. */
export class World {
  readonly specs: readonly UnitSpec[]
  readonly random: Random
  readonly processes = new Map<string, SimulatedProcess>()
  readonly queue = new EventQueue()
  readonly violations: string[] = []
  readonly machine = new MachineTime()
  readonly heartbeats = new Heartbeats({
    now: () => this.now,
    factsOf: (name) => this.processes.get(name)?.thread.facts(this.now),
  })
  /** By service or infrastructure id: it fails until then. */
  readonly badUntil = new Map<string, number>()
  slowUntil = 0
  starvedUntil = 0
  diskFullUntil = 0
  now = 0
  /** Events that the reducer has handled. */
  steps = 0
  /** Processes that were spawned. */
  starts = 0
  /** Times that services were moved into a process of their own. */
  isolations = 0
  state: FleetState
  #lostMs = 0
  /** For how long the supervisor was suspended, in real time and in the machine's. */
  #suspended = { realMs: 0, machineMs: 0 }
  readonly #seed: number
  readonly #policy: HealingPolicy
  readonly #invariants: Invariants

  constructor(specs: readonly UnitSpec[], policy: HealingPolicy, seed: number) {
    this.specs = specs
    this.random = seededRandom(seed)
    this.state = initialFleet(specs, seed)
    this.#policy = policy
    this.#seed = seed
    this.#invariants = new Invariants(specs, (text) => this.violated(text))
  }

  /** A random item; undefined if there is none. */
  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)]
  }

  violated(text: string): void {
    this.violations.push(`at ${(this.now / 1_000).toFixed(3)} s: ${text} (seed ${this.#seed})`)
  }

  /** The supervisor does not run for a while. */
  suspend(ms: number): void {
    for (const proc of this.processes.values())
      if (proc.hungAt === undefined) this.heartbeats.heard(proc.name)
    this.now += ms
    const { realMs, machineMs } = this.#suspended
    this.#suspended = { realMs: realMs + ms, machineMs: machineMs + ms * this.machine.share }
    this.heartbeats.late(ms)
    this.#invariants.suspended(ms)
    for (const proc of this.processes.values())
      if (proc.hungAt === undefined && this.heartbeats.overdue(proc.name))
        this.violated(`${proc.name} was reported as hung after the supervisor's own pause`)
    this.tick()
  }

  /** The supervisor's tick: it accounts for the time that the machine did not give the fleet. */
  tick(): void {
    this.heartbeats.account()
    const { lostMs } = this.heartbeats
    this.dispatch({ type: 'tick', lostMs: lostMs - this.#lostMs })
    this.#lostMs = lostMs
  }

  /** From now on, until a time, a runnable process gets this share of a CPU. */
  starve(share: number, until: number): void {
    const isStarved = this.machine.share < 1
    this.starvedUntil = Math.max(this.starvedUntil, until)
    this.#setShare(share)
    if (isStarved) return
    this.dispatch({ type: 'overload', detail: 'starved' })
    for (const proc of this.processes.values()) {
      if (proc.hungAt === undefined) this.heartbeats.heard(proc.name)
      this.#beatRegularly(proc)
    }
    const look = () => {
      if (this.now >= this.starvedUntil) {
        this.tick()
        this.#setShare(1)
        this.dispatch({ type: 'overload', detail: null })
        return
      }
      for (const proc of this.processes.values())
        if (proc.hungAt === undefined && this.heartbeats.overdue(proc.name)) {
          this.violated(`${proc.name} was reported as hung although it waited for a CPU`)
          this.heartbeats.begin(proc.name)
        }
      this.tick()
      this.queue.add(this.now + LOOK_MS, look)
    }
    look()
  }

  #setShare(share: number): void {
    this.machine.setShare(share, this.now)
    for (const proc of this.processes.values()) proc.thread.setShare(share, this.now)
  }

  /** Heartbeats while the machine is starved; on a calm one they are left out. */
  #beatRegularly(proc: SimulatedProcess): void {
    this.queue.add(this.now + HEARTBEAT_MS, () => {
      if (this.machine.share === 1) return
      this.#later(1 + this.random() * MAX_BEAT_CPU_MS, proc, () => {
        this.heartbeats.heard(proc.name)
        this.#beatRegularly(proc)
      })
    })
  }

  /** Applies an event, performs its effects and checks the invariants. */
  dispatch(event: FleetEvent): void {
    this.steps++
    const { state, effects } = nextFleet(this.state, event, this.now, this.#policy)
    const before = this.state
    this.state = state
    for (const effect of effects) {
      // The handler is looked up by the very type of the effect that it receives.
      const perform = this.#effects[effect.type] as (effect: FleetEffect, before: FleetState) => void
      perform(effect, before)
    }
    if (state !== before || effects.length > 0) this.#invariants.check(this.state, this.processes, this.now)
    if (!state.settled && Object.values(state.units).every((unit) => unit.state.status === 'healthy'))
      this.dispatch({ type: 'settled' })
  }

  /** A process exits; dependants may lose their connections with it. */
  exit(proc: SimulatedProcess, cause: ExitCause, suspects: readonly string[], hung = false): void {
    if (this.processes.get(proc.name) !== proc) return
    this.processes.delete(proc.name)
    this.heartbeats.forget(proc.name)
    this.dispatch({
      type: 'exited',
      process: proc.name,
      cause,
      calls: suspects.map((service) => ({ service, tool: 'tool', count: 1 })),
      hung,
      deliberate: false,
    })
    if (proc.unit === null || this.#specOf(proc.unit)?.kind !== 'infrastructure') return
    for (const other of [...this.processes.values()])
      if (other.services.length > 0) this.#later(this.#delay(20), other, () => this.#beat(other))
    for (const other of this.processes.values())
      if (other.services.length > 0 && this.random() < 0.05) other.stuck = true
  }

  /**
   * A process stops sending heartbeats: it sleeps for ever, or spins. It is reported once it had its
   * deadline, and must be ended soon after.
   */
  hang(proc: SimulatedProcess, how: 'spins' | 'sleeps'): void {
    const hungAt = this.now
    const timeOf = () =>
      how === 'sleeps'
        ? this.now - this.#suspended.realMs
        : this.machine.read(this.now) - this.#suspended.machineMs
    const before = timeOf()
    this.heartbeats.heard(proc.name)
    proc.hungAt = hungAt
    proc.thread.hang(how, hungAt)
    const isGone = () => this.processes.get(proc.name) !== proc
    const look = () => {
      if (isGone()) return
      const overdue = this.heartbeats.overdue(proc.name)
      if (!overdue) {
        this.queue.add(this.now + TICK_MS, look)
        return
      }
      const hadMs = timeOf() - before
      if (hadMs < HEARTBEAT_DEADLINE_MS - 1 || hadMs > HEARTBEAT_DEADLINE_MS + HANG_SLACK_MS)
        this.violated(`${proc.name} ${how} and was reported after ${hadMs} ms that it had`)
      this.dispatch({ type: 'hung', process: proc.name, detail: `no heartbeat for ${overdue.silentMs} ms` })
      this.queue.add(this.now + HEARTBEAT_MS * 10, () => {
        if (!isGone()) this.violated(`${proc.name} has hung since ${hungAt} and was not ended`)
      })
    }
    this.queue.add(hungAt + HEARTBEAT_DEADLINE_MS, look)
  }

  readonly #effects: Handlers = {
    spawn: ({ process, unit }) => this.#spawn(process, unit),
    host: (effect, before) => this.#host(effect, before),
    begin: ({ process: name }) => {
      const proc = this.processes.get(name)
      if (!proc) return
      proc.held.clear()
      this.#later(this.#delay(20), proc, () => this.#beat(proc))
    },
    drain: ({ process: name }) => {
      const proc = this.processes.get(name)
      if (!proc) return
      proc.draining = true
      this.#later(this.#delay(50), proc, () => {
        proc.services = []
        this.dispatch({ type: 'released', process: name })
      })
      this.#later(this.#delay(1_500), proc, () => this.exit(proc, { kind: 'exit', code: 0 }, []))
    },
    release: ({ process: name, services }) => {
      const proc = this.processes.get(name)
      if (proc) proc.services = proc.services.filter((id) => !services.includes(id))
    },
    kill: ({ process: name }) => {
      const proc = this.processes.get(name)
      if (!proc) return
      const killed: ExitCause = { kind: 'signal', signal: 'SIGKILL' }
      this.queue.add(this.now + 2, () => this.exit(proc, killed, [], proc.hungAt !== undefined))
    },
    'stand-in': ({ process: name }) => {
      const proc = this.processes.get(name)
      if (proc) proc.standsIn = true
    },
    reconnect: ({ process: name }) => {
      const proc = this.processes.get(name)
      if (!proc) return
      proc.reconnectAt = this.machine.read(this.now)
      if (!proc.stuck) this.#later(this.#delay(30), proc, () => this.#beat(proc))
    },
    overload: () => undefined,
    incident: ({ kind, unit }, before) => {
      if (kind === 'isolated') this.isolations++
      this.#checkPatience(kind, before.units[unit])
    },
  }

  #spawn(name: string, unit: string | null): void {
    this.starts++
    const proc: SimulatedProcess = {
      name,
      unit,
      bornAt: this.now,
      bornMachineAt: this.machine.read(this.now),
      thread: new SimulatedThread(this.now, this.machine.share),
      services: [],
      held: new Set(),
      standsIn: false,
      hungAt: undefined,
      draining: false,
      stuck: false,
      deafUntil: 0,
      reconnectAt: 0,
    }
    this.processes.set(name, proc)
    this.heartbeats.begin(name)
    if (this.machine.share < 1) this.#beatRegularly(proc)
    if (this.now < this.diskFullUntil) {
      this.queue.add(this.now + 30, () => this.exit(proc, { kind: 'exit', code: 1 }, []))
      return
    }
    const loadMs = this.#delay(this.now < this.slowUntil ? 8_000 : 250)
    if (unit === null) this.#later(loadMs, proc, () => this.dispatch({ type: 'loaded', process: name }))
    else if (this.#specOf(unit)?.kind === 'infrastructure') this.#startInfrastructure(proc, unit, loadMs)
  }

  #startInfrastructure(proc: SimulatedProcess, unit: string, loadMs: number): void {
    this.#invariants.started(unit, this.now)
    if (this.now < (this.badUntil.get(unit) ?? 0)) {
      this.#later(this.#delay(300), proc, () => this.exit(proc, { kind: 'exit', code: 1 }, []))
      return
    }
    this.#later(loadMs, proc, () => {
      this.#beat(proc)
      for (const other of this.processes.values())
        if (!other.stuck && other.services.length > 0)
          this.#later(this.#delay(900), other, () => this.#beat(other))
    })
  }

  #host({ process: name, unit, services, hold }: FleetEffect & { type: 'host' }, before: FleetState): void {
    const proc = this.processes.get(name)
    if (!proc) return
    const earlier = before.units[unit]?.state
    // Further services for a running process are no start, and neither is a successor.
    const moving = earlier !== undefined && 'process' in earlier && earlier.process === name
    if (!moving && !hold) this.#checkStart(unit)
    proc.services.push(...services)
    if (hold) for (const id of services) proc.held.add(id)
    const hostMs = this.now < this.slowUntil ? 4_000 : 60
    const took = this.#delay(hostMs + (proc.bornAt === this.now ? 250 : 0))
    const bad = services.find((id) => this.now < (this.badUntil.get(id) ?? 0))
    if (bad !== undefined) this.#failLater(proc, bad)
    this.#later(took, proc, () => this.#beat(proc))
  }

  /** No restart because of a deadline before the machine gave the process its time. */
  #checkPatience(kind: string, unit: Unit | undefined): void {
    if (!unit || !isRunning(unit.state)) return
    const proc = this.processes.get(unit.state.process)
    if (!proc) return
    const { reconnectMs, unwellMs } = this.#policy
    const hadMs =
      this.machine.read(this.now) - (kind === 'not-reconnected' ? proc.reconnectAt : proc.bornMachineAt)
    const needed = { 'not-reconnected': reconnectMs, 'stayed-unwell': unwellMs }[kind]
    if (needed !== undefined && hadMs < needed - LOOK_MS)
      this.violated(`${unit.spec.id}: ${kind} after ${Math.round(hadMs)} ms that it had`)
  }

  #checkStart(unit: string): void {
    this.#invariants.started(unit, this.now)
    for (const needed of this.#specOf(unit)?.after ?? []) {
      const status = this.state.units[needed]?.state.status
      if (status !== undefined && status !== 'healthy' && status !== 'degraded')
        this.violated(`${unit} was started while its dependency ${needed} was ${status}`)
    }
  }

  /**
   * A bad service fails at its start and reports so, or later while it serves, with a call in flight in seven
   * of ten cases.
   */
  #failLater(proc: SimulatedProcess, service: string): void {
    const early = this.random() < 0.5
    this.#later(this.#delay(early ? 60 : 2_500), proc, () => {
      if (early) this.dispatch({ type: 'failed', process: proc.name, service, detail: 'it threw' })
      const suspects = !early && this.random() < 0.7 ? [service] : []
      this.exit(proc, { kind: 'exit', code: 7 }, suspects)
    })
  }

  /** Sends a health report. A lost one is repeated with the next heartbeat. */
  #beat(proc: SimulatedProcess): void {
    if (this.processes.get(proc.name) !== proc || proc.hungAt !== undefined) return
    if (this.now < proc.deafUntil) {
      this.#later(HEARTBEAT_MS, proc, () => this.#beat(proc))
      return
    }
    const services = this.#healthOf(proc)
    if (services.length === 0) return
    this.dispatch({ type: 'health', process: proc.name, services })
    // Repeated reports that all is well are left out.
    if (services.some(({ ready }) => !ready)) this.#later(HEARTBEAT_MS, proc, () => this.#beat(proc))
  }

  #healthOf(proc: SimulatedProcess): ServiceHealth[] {
    const { unit, services, held, stuck } = proc
    if (services.length === 0 && unit !== null && this.#specOf(unit)?.kind === 'infrastructure')
      return [{ id: unit, ready: true }]
    const missing = ['database', 'hub'].find(
      (id) => id !== unit && this.#specOf(id) !== undefined && !this.#isAvailable(id),
    )
    const reason = missing ?? (stuck ? 'its connection' : undefined)
    return services.map((id) => {
      if (held.has(id)) return { id, ready: false, held: true, reason: 'held' }
      if (reason === undefined) return { id, ready: true }
      return { id, ready: false, reason: `${reason} is unavailable` }
    })
  }

  #isAvailable(unit: string): boolean {
    const state = this.state.units[unit]?.state
    const proc = state && 'process' in state ? this.processes.get(state.process) : undefined
    if (proc === undefined || proc.hungAt !== undefined) return false
    return state?.status === 'healthy' || state?.status === 'degraded'
  }

  /** The number of services that are ready, first instances only. */
  readyServices(): number {
    let ready = 0
    for (const { state, readiness, spec } of Object.values(this.state.units)) {
      if (!isRunning(state) || spec.instance !== undefined) continue
      const proc = this.processes.get(state.process)
      if (proc && proc.hungAt === undefined)
        for (const id of spec.services) if (readiness[id] === null) ready++
    }
    return ready
  }

  #specOf(unit: string): UnitSpec | undefined {
    return this.state.units[unit]?.spec
  }

  #delay(typicalMs: number): number {
    return Math.max(1, Math.round(typicalMs * (0.5 + this.random())))
  }

  /** Runs work that takes `ms` on a free CPU, unless the process has exited or hangs by then. */
  #later(ms: number, proc: SimulatedProcess, work: () => void): void {
    const due = this.machine.read(this.now) + ms
    proc.thread.work(1, this.now)
    const attempt = () => {
      if (this.processes.get(proc.name) !== proc || proc.hungAt !== undefined) return
      const leftMs = due - this.machine.read(this.now)
      if (leftMs > 0.5)
        this.queue.add(this.now + Math.min(WORK_STEP_MS, leftMs / this.machine.share), attempt)
      else {
        proc.thread.work(-1, this.now)
        work()
      }
    }
    this.queue.add(
      this.now + (this.machine.share === 1 ? ms : Math.min(WORK_STEP_MS, ms / this.machine.share)),
      attempt,
    )
  }
}
