/**
 * The supervisor: receives events, applies the healing reducer, performs its effects and answers requests.
 */
import type { ExitCause } from '../fleet/exit-cause.ts'
import { Heartbeats } from '../fleet/healing/heartbeat.ts'
import { nextFleet } from '../fleet/healing/reducer.ts'
import {
  type FleetEvent,
  type FleetState,
  initialFleet,
  isRunning,
  nextWake,
  processesOf,
  type RestartCause,
  type Unit,
} from '../fleet/healing/state.ts'
import type { CellVitals, FleetStatus, Incident, ServiceStatus } from '../ports/fleet.ts'
import { KintsugiError } from '../std/errors.ts'
import { nearest } from '../std/nearest.ts'
import type { Driver } from './drivers/driver.ts'
import { EffectRunner } from './effect-runner.ts'
import { expectInteger } from './expect-integer.ts'
import { HangDetector } from './hang-detector.ts'
import { ProcessLinks } from './links/process-links.ts'
import type { FromChild, InternalFault } from './links/protocol.ts'
import { LostTime } from './lost-time.ts'
import type { SupervisorEvent, SupervisorOptions, UnitPlan } from './options.ts'
import { takeInFlightCalls } from './persistence/in-flight-calls.ts'
import { readStateFile, writeStateFile } from './persistence/state-file.ts'
import { StatusBoard } from './status-board.ts'
import { Surroundings } from './surroundings.ts'
import { threadFacts } from './thread-facts.ts'
import { Ticker } from './ticker.ts'

/** Ticks are at least this far apart: the interval at which exits are looked for that nobody reports. */
const MIN_TICK_MS = 50
/** Without anything due, ticks account for the time that the fleet had. */
const MAX_TICK_MS = 1_000
/** A change of state is stored within this time. */
const STORE_MS = 50
const MAX_RECENT_INCIDENTS = 200
/** Process names that a new supervisor skips: its predecessor may have used them without storing so. */
const NAMES_SKIPPED = 1_000
const MAX_INSTANCES = 8
const MIN_HEAP_MB = 128
const MAX_HEAP_MB = 16_384
/** Infrastructure in the order in which it stops, after all cells. */
const STOP_ORDER = ['localnet', 'discovery', 'hub', 'database']
const MIN_STOP_MS = 500

/** Runs one fleet. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #driver: Driver
  readonly #links: ProcessLinks
  readonly #effects: EffectRunner
  readonly #board: StatusBoard
  readonly #hangs: HangDetector
  readonly #heartbeats: Heartbeats
  readonly #surroundings: Surroundings
  readonly #incidents: Incident[] = []
  /** Processes whose exit is deliberate: fault injection, or a stop from outside. */
  readonly #deliberate = new Set<string>()
  /** Processes that were reported as hung. */
  readonly #hung = new Set<string>()
  /** By process: called when it has exited, while the fleet stops. */
  readonly #onEnd = new Map<string, () => void>()
  #fleet: FleetState
  readonly #ticker: Ticker
  #polling: NodeJS.Timeout | undefined
  #storing: NodeJS.Timeout | undefined
  #lost: LostTime | undefined
  #genesis: string | null = null
  #stopping = false
  #dirty = false
  #resuming = true
  #oomKills: number | undefined

  constructor(options: SupervisorOptions) {
    const plans: ReadonlyMap<string, UnitPlan> = new Map(options.units.map((unit) => [unit.spec.id, unit]))
    this.#options = options
    this.#oomKills = options.oomKills()
    this.#fleet = initialFleet(
      options.units.map((unit) => unit.spec),
      options.seed,
    )
    this.#ticker = new Ticker({
      now: options.monotonic,
      onTick: (lateMs) => {
        this.#heartbeats.late(lateMs)
        this.#tick()
      },
    })
    this.#heartbeats = new Heartbeats({
      now: options.monotonic,
      factsOf: (process) => {
        const pid = this.#driver.pidOf(process)
        return pid === null ? undefined : threadFacts(pid)
      },
    })
    this.#links = new ProcessLinks({
      heartbeats: this.#heartbeats,
      expects: (process) => this.#resuming || processesOf(this.#fleet).includes(process),
      greeting: () => ({ type: 'overload', on: this.#fleet.overload !== undefined }),
      onMet: (process, pid) => {
        this.#driver.met(process, pid)
        this.#surroundings.greet(process)
      },
      onMessage: (process, message) => this.#receive(process, message),
      // A process that exits closes its link first: its exit is checked at once.
      onHungUp: () => this.#driver.check() && this.#tickAt(this.#options.monotonic() + MIN_TICK_MS),
    })
    this.#driver = options.driver({
      onExit: (process, cause) => this.#exited(process, cause),
      onLost: () => options.onLost(),
    })
    const shared = { plan: options.plan, plans, links: this.#links, driver: this.#driver }
    const fleet = () => this.#fleet
    this.#hangs = new HangDetector({
      ...shared,
      fleet,
      heartbeats: this.#heartbeats,
      onHung: (process, detail, stopped) => this.#reportHung(process, detail, stopped),
      onAnswer: (unit, process) =>
        this.#apply({ type: 'health', process, services: [{ id: unit, ready: true }] }),
    })
    this.#effects = new EffectRunner({
      ...shared,
      fleet,
      now: options.now,
      onSpawned: (unit, process) => this.#hangs.watch(unit, process),
      onIncident: (incident) => this.note(incident),
    })
    this.#surroundings = new Surroundings({
      ...options,
      links: this.#links,
      fleet,
      onIncident: (incident) => this.note(incident),
      onChange: () => this.#publish(),
    })
    this.#board = new StatusBoard({
      ...shared,
      externals: this.#surroundings.externals,
      alarms: this.#surroundings.alarms,
      fleet,
      now: options.now,
      monotonic: options.monotonic,
      onEvent: (event) => options.onEvent(event),
      instancePort: (service, instance) => this.#effects.opening(service, instance).port ?? null,
    })
  }

  /** Starts the fleet, or continues with the one that an earlier supervisor of the same run left. */
  async start(): Promise<void> {
    await this.#driver.ready()
    await this.#links.listen(this.#options.linkPath)
    await this.#resume()
    this.#resuming = false
    const { monotonic } = this.#options
    this.#lost = new LostTime(this.#heartbeats, monotonic, this.#fleet.overload !== undefined)
    this.#polling = setInterval(() => void this.#hangs.poll(), this.#options.pollMs)
    this.#surroundings.start()
    this.#tick()
  }

  async #resume(): Promise<void> {
    const stored = readStateFile(this.#options.stateFile, this.#options.plan.startedAt)
    if (!stored) return
    this.#fleet = { ...stored.fleet, processes: stored.fleet.processes + NAMES_SKIPPED }
    this.#genesis = stored.genesis
    const processes = processesOf(this.#fleet)
    for (const process of processes) this.#links.of(process).managedPid = stored.managedPids[process] ?? null
    this.#board.resume(stored.readyMs)
    for (const process of await this.#driver.resume(stored.processes, processes))
      this.#exited(process, { kind: 'unobserved' })
    for (const { spec, state } of Object.values(this.#fleet.units))
      if (isRunning(state)) this.#hangs.watch(spec.id, state.process)
  }

  #storeSoon(): void {
    this.#dirty = true
    this.#storing ??= setTimeout(() => {
      this.#storing = undefined
      this.#store()
    }, STORE_MS)
  }

  /** Stores the state if it has changed; tries again later if it cannot be written. */
  #store(): void {
    if (!this.#dirty || this.#resuming) return
    const isWritten = writeStateFile(this.#options.stateFile, {
      startedAt: this.#options.plan.startedAt,
      fleet: this.#fleet,
      processes: this.#driver.remember(),
      genesis: this.#genesis,
      readyMs: this.#board.readyMs,
      managedPids: this.#links.managedPids(),
    })
    this.#dirty = !isWritten
    if (!isWritten && !this.#stopping) this.#storeSoon()
  }

  // Requests.

  status(): FleetStatus {
    return this.#board.status()
  }

  /** The events so far, for a new listener. */
  story(): SupervisorEvent[] {
    return this.#board.story()
  }

  /** The latest incidents, oldest first. */
  incidents(): readonly Incident[] {
    return this.#incidents
  }

  /** Measurements by unit. */
  vitals(): Record<string, CellVitals> {
    return this.#board.vitals()
  }

  /** Records and announces an incident. */
  note(incident: Incident): void {
    this.#incidents.push(incident)
    if (this.#incidents.length > MAX_RECENT_INCIDENTS) this.#incidents.shift()
    this.#options.onEvent({ type: 'incident', ...incident })
  }

  /** The unit of a service, of a piece of infrastructure or of the chain. Throws `unknown-service`. */
  unitOf(service: string): Unit {
    const units = Object.values(this.#fleet.units)
    const unit =
      units.find(({ spec }) => spec.id === service) ??
      units.find(({ spec }) => spec.services.includes(service)) ??
      (service === 'chain' ? this.#fleet.units.localnet : undefined)
    if (unit) return unit
    this.#surroundings.externals.refuse(service)
    const similar = nearest(
      service,
      this.#board.services().map(({ id }) => id),
    )
    throw new KintsugiError('unknown-service', `unknown service ${JSON.stringify(service.slice(0, 100))}`, {
      hint: similar.length === 0 ? 'the status lists all services' : `did you mean ${similar.join(' or ')}?`,
    })
  }

  restart(service: string, reason: string, cause: RestartCause = 'requested'): ServiceStatus {
    this.#apply({ type: 'restart', unit: this.unitOf(service).spec.id, reason, cause })
    return this.#board.service(service)
  }

  /** Stops a service, for good or for `forMs`. */
  stopService(service: string, reason: string, forMs?: number): ServiceStatus {
    const unit = this.unitOf(service).spec.id
    this.#apply({ type: 'stop', unit, reason, ...(forMs === undefined ? {} : { forMs }) })
    return this.#board.service(service)
  }

  startService(service: string): ServiceStatus {
    this.#apply({ type: 'start', unit: this.unitOf(service).spec.id })
    return this.#board.service(service)
  }

  isolate(service: string, reason: string): ServiceStatus {
    this.unitOf(service)
    this.#apply({ type: 'isolate', service, reason })
    return this.#board.service(service)
  }

  bringHome(service: string): ServiceStatus {
    this.unitOf(service)
    this.#apply({ type: 'bring-home', service })
    return this.#board.service(service)
  }

  /**
   * Throws `not-scalable` for a service of which only one instance may run, `bad-argument` for a number out
   * of range.
   */
  scale(service: string, instances: number): ServiceStatus[] {
    const { spec } = this.unitOf(service)
    const { scalable } = this.#options
    if (!scalable.includes(service))
      throw new KintsugiError(
        'not-scalable',
        spec.kind === 'cell'
          ? `${service}: only one instance may run, because it acts without being called or holds state that instances cannot share`
          : `${service}: infrastructure runs as one process and cannot be scaled`,
        {
          hint: `scalable services: ${scalable.join(', ')}`,
        },
      )
    expectInteger('instances', instances, 1, MAX_INSTANCES)
    this.#apply({ type: 'scale', service, instances })
    return this.#board.services().filter(({ id }) => id === service || id.startsWith(`${service}#`))
  }

  /** Gives a cell another heap limit, or the default one (null). Throws `bad-argument`. */
  resize(cell: string, heapMb: number | null, reason: string): ServiceStatus {
    if (heapMb !== null) expectInteger('heapMb', heapMb, MIN_HEAP_MB, MAX_HEAP_MB)
    const { spec } = this.unitOf(cell)
    if (spec.kind !== 'cell')
      throw new KintsugiError('bad-argument', `cell: expected a cell (got infrastructure: ${cell})`)
    this.#apply({ type: 'resize', unit: spec.id, heapMb, reason })
    return this.#board.service(spec.services[0] as string)
  }

  /** Has a process collect garbage; the heap that is left comes with its vitals. */
  collect(unit: string): void {
    const { state } = this.unitOf(unit)
    if (isRunning(state)) this.#links.send(state.process, { type: 'collect' })
  }

  /**
   * Injects a fault into a service's process; it counts toward no limit. Returns the pid. Throws
   * `not-running`.
   */
  injectFault(service: string, fault: InternalFault | { kind: 'kill' } | { kind: 'stop' }): number {
    const { state } = this.unitOf(service)
    const notRunning = (why: string) =>
      new KintsugiError('not-running', `${service} ${why}`, { retry: 'later' })
    if (!isRunning(state)) throw notRunning(`is ${state.status}`)
    const pid =
      service === 'chain'
        ? (this.#links.known(state.process)?.managedPid ?? null)
        : this.#driver.pidOf(state.process)
    if (pid === null) throw notRunning('has no process')
    this.#deliberate.add(state.process)
    if (fault.kind === 'kill') process.kill(pid, 'SIGKILL')
    else if (fault.kind === 'stop') process.kill(pid, 'SIGSTOP')
    else this.#links.send(state.process, { type: 'chaos', fault })
    return pid
  }

  /** Stops everything, cells first, within `deadlineMs`. Resolves when no process is left. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true
    this.#hangs.end()
    this.#surroundings.stop()
    this.#ticker.stop()
    for (const timer of [this.#polling, this.#storing]) clearTimeout(timer)
    const deadline = this.#options.monotonic() + deadlineMs
    const units = Object.values(this.#fleet.units)
    for (const process of Object.keys(this.#fleet.spares)) this.#driver.kill(process)
    for (const { standIn, successor } of units)
      for (const process of [standIn, successor?.process]) if (process) this.#driver.kill(process)
    const waves = [
      units.filter(({ spec }) => spec.kind === 'cell'),
      ...STOP_ORDER.map((id) => units.filter(({ spec }) => spec.id === id)),
    ]
    const checking = setInterval(() => this.#driver.check(), MIN_TICK_MS)
    for (const [index, wave] of waves.entries()) {
      const leftMs = deadline - this.#options.monotonic()
      const graceMs = Math.max(MIN_STOP_MS, leftMs * (index === 0 ? 0.75 : 0.5))
      await Promise.all(
        wave.map(({ spec, state }) =>
          'process' in state ? this.#end(spec.id, state.process, graceMs) : undefined,
        ),
      )
    }
    clearInterval(checking)
    this.#links.close()
    this.#dirty = true
    this.#store()
    this.#driver.end()
    this.#options.onEvent({ type: 'stopped' })
  }

  async #end(unit: string, process: string, graceMs: number): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#onEnd.set(process, resolve))
    this.#effects.drain(unit, process)
    const timer = setTimeout(() => this.#driver.kill(process), graceMs)
    await ended
    clearTimeout(timer)
  }

  // Events.

  /** Ticks at `at` at the latest. */
  #tickAt(at: number): void {
    if (!this.#stopping && !this.#resuming) this.#ticker.at(at)
  }

  #tick(): void {
    if (this.#stopping) return
    const mustCheck = this.#driver.check()
    const { lostMs = 0, overload = null } = this.#lost?.account() ?? {}
    this.#apply({ type: 'tick', lostMs })
    // A fleet that starts loads the machine by itself.
    if (this.#fleet.settled) this.#apply({ type: 'overload', detail: overload })
    this.#hangs.checkHeartbeats()
    const soon = this.#options.monotonic() + (mustCheck ? MIN_TICK_MS : MAX_TICK_MS)
    this.#tickAt(Math.min(soon, this.#nextDueAt()))
  }

  /** When a deadline of the fleet or a heartbeat is due, not before the shortest tick. */
  #nextDueAt(): number {
    const due = Math.min(nextWake(this.#fleet, this.#options.policy), this.#heartbeats.nextDueAt())
    return Math.max(due, this.#options.monotonic() + MIN_TICK_MS)
  }

  #reportHung(process: string, detail: string, stopped: boolean): void {
    // The calls of a process that was stopped from outside are no suspects.
    if (stopped) this.#deliberate.add(process)
    this.#hung.add(process)
    this.#apply({ type: 'hung', process, detail })
  }

  #exited(process: string, observed: ExitCause): void {
    this.#onEnd.get(process)?.()
    const cause = this.#causeOf(observed)
    if (this.#stopping) return
    const calls = takeInFlightCalls(this.#options.callFolder, process)
    this.#links.forget(process)
    const hung = this.#hung.delete(process)
    const deliberate = this.#deliberate.delete(process)
    this.#apply({ type: 'exited', process, cause, calls, hung, deliberate })
  }

  /** A kill by the kernel for lack of memory looks like any other kill; its count tells them apart. */
  #causeOf(observed: ExitCause): ExitCause {
    const before = this.#oomKills
    this.#oomKills = this.#options.oomKills()
    const isOutOfMemory = before !== undefined && (this.#oomKills ?? before) > before
    const isKilled = observed.kind === 'signal' && observed.signal === 'SIGKILL'
    return isKilled && isOutOfMemory ? { kind: 'out-of-memory' } : observed
  }

  #apply(event: FleetEvent): void {
    const before = this.#fleet
    const { state, effects } = nextFleet(before, event, this.#options.monotonic(), this.#options.policy)
    this.#fleet = state
    // Stored before it is done: a supervisor that dies in between leaves no process that the next one does
    // not know.
    if (effects.some(({ type }) => type === 'spawn')) {
      this.#dirty = true
      this.#store()
    }
    for (const effect of effects) this.#effects.perform(effect)
    if (state === before) return
    this.#tickAt(this.#nextDueAt())
    this.#storeSoon()
    this.#publish()
  }

  /** Announces the statuses, and tells the processes for what they wait. */
  #publish(): void {
    this.#surroundings.tell()
    if (this.#board.publish()) this.#apply({ type: 'settled' })
  }

  #receive(process: string, message: FromChild): void {
    const link = this.#links.of(process)
    this.#heartbeats.heard(process)
    switch (message.type) {
      case 'heartbeat':
        if (message.vitals) link.vitals = message.vitals
        if (message.progress) this.#surroundings.alarms.observe(message.progress)
        this.#apply({ type: 'health', process, services: message.services })
        break
      case 'warm':
        link.warm = true
        break
      case 'loaded':
        this.#apply({ type: 'loaded', process })
        break
      case 'released':
        this.#apply({ type: 'released', process })
        break
      case 'failed':
        this.#apply({ type: 'failed', process, service: message.service, detail: message.message })
        break
      case 'chain':
        link.managedPid = message.pid
        this.#chainReported(message.genesis)
        break
      case 'collected':
        link.collected = { at: this.#options.now(), bytes: Math.min(...message.heapUsed) }
        break
      case 'hello':
        break
    }
  }

  /** A new chain is a new market: processes that replicate the old one restart. */
  #chainReported(genesis: string | null): void {
    const replaced = genesis !== null && this.#genesis !== null && this.#genesis !== genesis
    if (genesis !== null) this.#genesis = genesis
    this.#storeSoon()
    if (replaced) this.#apply({ type: 'dependency-replaced', unit: 'localnet' })
  }
}
