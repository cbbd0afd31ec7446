/** The supervisor: hears what happens, asks the healing reducer what is to be done, and does it. */

import { isOverdue } from '../fleet/healing/heartbeat.ts'
import { nextFleet } from '../fleet/healing/reducer.ts'
import {
  type FleetEffect,
  type FleetEvent,
  type FleetState,
  initialFleet,
  isRunning,
  processesOf,
  type Unit,
} from '../fleet/healing/state.ts'
import type { CellVitals, FleetStatus, Incident, ServiceStatus } from '../ports/fleet.ts'
import { KintsugiError } from '../std/errors.ts'
import type { Driver } from './drivers/driver.ts'
import { ProcessLinks } from './links/process-links.ts'
import { FIRST_SOCKET_FD, type FromChild, type Harm, type Opening } from './links/protocol.ts'
import type { SupervisorEvent, SupervisorOptions, UnitPlan } from './options.ts'
import { takeInFlightCalls } from './persistence/in-flight-calls.ts'
import { readStateFile, writeStateFile } from './persistence/state-file.ts'
import { answersHealth, watchByProbe } from './probe.ts'
import { isStopped } from './process-identity.ts'
import { unitStatuses } from './statuses.ts'

const TICK_MS = 50
const RECENT_INCIDENTS = 200
const NAMES_SKIPPED = 1_000
/** The range of ports behind a service holds seven further ones. */
const MAX_INSTANCES = 8
const MIN_HEAP_MB = 128
const MAX_HEAP_MB = 16_384

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #driver: Driver
  readonly #plans: Map<string, UnitPlan>
  readonly #lines: ProcessLinks
  readonly #socketOrder: readonly string[]
  readonly #lastStatus = new Map<string, string>()
  readonly #incidents: Incident[] = []
  readonly #meant = new Set<string>()
  readonly #up = new Map<string, number>()
  #fleet: FleetState
  #timers: NodeJS.Timeout[] = []
  #lastTick = 0
  #readyMs: number | null = null
  #genesis: string | null = null
  #stopping = false
  #dirty = false
  #resuming = true

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#plans = new Map(options.units.map((unit) => [unit.spec.id, unit]))
    this.#socketOrder = Object.keys(options.plan.ports)
    this.#fleet = initialFleet(
      options.units.map((unit) => unit.spec),
      options.seed,
    )
    this.#lines = new ProcessLinks({
      monotonic: options.monotonic,
      expects: (process) => this.#resuming || processesOf(this.#fleet).includes(process),
      onMet: (process, pid) => this.#driver.met(process, pid),
      onMessage: (process, message) => this.#hear(process, message),
      // A process that ends hangs up first: its end is looked for at once.
      onHungUp: () => this.#driver.check(),
    })
    this.#driver = options.driver({
      onExit: (process, detail) => this.#exited(process, detail),
      onLost: () => options.onLost(),
    })
  }

  /** Starts the fleet, or goes on where an earlier supervisor left it. */
  async start(): Promise<void> {
    await this.#driver.ready()
    await this.#lines.listen(this.#options.linkPath)
    const remembered = readStateFile(this.#options.stateFile, this.#options.plan.startedAt)
    if (remembered) {
      // What the last supervisor started and did not write down any more keeps its name for itself.
      this.#fleet = { ...remembered.fleet, processes: remembered.fleet.processes + NAMES_SKIPPED }
      this.#genesis = remembered.genesis
      this.#readyMs = remembered.readyMs
      for (const process of processesOf(this.#fleet))
        this.#lines.of(process).inner = remembered.inner[process] ?? null
      for (const process of await this.#driver.resume(remembered.processes, processesOf(this.#fleet)))
        this.#exited(process, 'ended while nobody watched')
      for (const { spec, state } of Object.values(this.#fleet.units)) {
        if (state.status === 'healthy' || state.status === 'degraded') this.#up.set(spec.id, 0)
        if (isRunning(state)) this.#watchProbe(spec.id, state.process)
      }
    }
    this.#resuming = false
    this.#lastTick = this.#options.monotonic()
    this.#timers = [
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => void this.#poll(), this.#options.pollMs),
      setInterval(() => this.#remember(), TICK_MS),
    ]
    this.#tick()
  }

  #remember(): void {
    if (!this.#dirty || this.#resuming) return
    this.#dirty = !writeStateFile(this.#options.stateFile, {
      startedAt: this.#options.plan.startedAt,
      fleet: this.#fleet,
      processes: this.#driver.remember(),
      genesis: this.#genesis,
      readyMs: this.#readyMs,
      inner: this.#lines.inner(),
    })
  }

  // What people and services ask for.

  status(): FleetStatus {
    const { profile, mode, startedAt } = this.#options.plan
    const spares = Object.keys(this.#fleet.spares)
    return {
      profile,
      mode,
      startedAt,
      readyMs: this.#readyMs,
      spares: {
        warm: spares.filter((process) => this.#lines.known(process)?.warm).length,
        total: spares.length,
      },
      services: this.#statuses(),
    }
  }

  /** What has happened so far, for one who listens from now on. */
  story(): SupervisorEvent[] {
    const ready: SupervisorEvent[] =
      this.#readyMs === null
        ? []
        : [{ type: 'ready', afterMs: this.#readyMs, services: this.#statuses().length }]
    return [
      ...[...this.#up.keys()].flatMap((id) => (this.#plans.has(id) ? this.#unitUp(id) : [])),
      ...this.#statuses().map((service) => ({ type: 'service' as const, service })),
      ...ready,
    ]
  }

  #unitUp(id: string): SupervisorEvent {
    return {
      type: 'unit-up',
      unit: id,
      title: (this.#plans.get(id) as UnitPlan).title,
      afterMs: this.#up.get(id) ?? 0,
    }
  }

  incidents(): readonly Incident[] {
    return this.#incidents
  }

  /** How each process fares, by unit. */
  vitals(): Record<string, CellVitals> {
    return Object.fromEntries(
      Object.values(this.#fleet.units).flatMap(({ spec, state }) => {
        if (!('process' in state)) return []
        const line = this.#lines.known(state.process)
        return line?.vitals
          ? [
              [
                spec.id,
                {
                  ...line.vitals,
                  collected: line.collected,
                  process: state.process,
                  pid: this.#driver.pidOf(state.process),
                },
              ],
            ]
          : []
      }),
    )
  }

  /** The unit of a service, of a piece of infrastructure or of the chain. Throws `unknown-service`. */
  unitOf(service: string): Unit {
    const units = Object.values(this.#fleet.units)
    const unit =
      units.find(({ spec }) => spec.id === service) ??
      units.find(({ spec }) => spec.services.includes(service)) ??
      (service === 'chain' ? this.#fleet.units.localnet : undefined)
    if (unit) return unit
    throw new KintsugiError('unknown-service', `no service is called ${JSON.stringify(service)} here`, {
      hint: `known: ${this.#statuses()
        .map((item) => item.id)
        .join(', ')}`,
    })
  }

  restart(service: string, reason: string): ServiceStatus {
    this.#apply({ type: 'restart', unit: this.unitOf(service).spec.id, reason })
    return this.#statusOfService(service)
  }

  stopService(service: string, reason: string, forMs?: number): ServiceStatus {
    this.#apply({
      type: 'stop',
      unit: this.unitOf(service).spec.id,
      reason,
      ...(forMs === undefined ? {} : { forMs }),
    })
    return this.#statusOfService(service)
  }

  startService(service: string): ServiceStatus {
    this.#apply({ type: 'start', unit: this.unitOf(service).spec.id })
    return this.#statusOfService(service)
  }

  isolate(service: string, reason: string): ServiceStatus {
    this.unitOf(service)
    this.#apply({ type: 'isolate', service, reason })
    return this.#statusOfService(service)
  }

  bringHome(service: string): ServiceStatus {
    this.unitOf(service)
    this.#apply({ type: 'bring-home', service })
    return this.#statusOfService(service)
  }

  /** Throws `not-scalable` for what may run once only. */
  scale(service: string, instances: number): ServiceStatus[] {
    this.unitOf(service)
    if (!this.#options.scalable.includes(service))
      throw new KintsugiError('not-scalable', `${service} acts by itself, so only one of it may run`, {
        hint: `these may run several times: ${this.#options.scalable.join(', ')}`,
      })
    if (!Number.isInteger(instances) || instances < 1 || instances > MAX_INSTANCES)
      throw new KintsugiError(
        'bad-argument',
        `instances: expected a whole number from 1 to ${MAX_INSTANCES} (got ${instances})`,
      )
    this.#apply({ type: 'scale', service, instances })
    return this.#statuses().filter(({ id }) => id === service || id.startsWith(`${service}#`))
  }

  /** Gives a cell another limit of its heap, or the usual one (null). Throws `bad-argument`. */
  resize(cell: string, heapMb: number | null, reason: string): ServiceStatus {
    if (heapMb !== null && (!Number.isInteger(heapMb) || heapMb < MIN_HEAP_MB || heapMb > MAX_HEAP_MB))
      throw new KintsugiError(
        'bad-argument',
        `heapMb: expected a whole number from ${MIN_HEAP_MB} to ${MAX_HEAP_MB} (got ${heapMb})`,
      )
    const { spec } = this.unitOf(cell)
    if (spec.kind !== 'cell')
      throw new KintsugiError(
        'bad-argument',
        `cell: ${cell} is infrastructure, whose memory is its own affair`,
      )
    this.#apply({ type: 'resize', unit: spec.id, heapMb, reason })
    return this.#statusOfService(spec.services[0] as string)
  }

  /** Lets a process collect its garbage and tell what is left; the answer comes with its vitals. */
  collect(unit: string): void {
    const { state } = this.unitOf(unit)
    if (isRunning(state)) this.#lines.say(state.process, { type: 'collect' })
  }

  /** Harm on purpose: it is no failure of the unit's, so no breaker counts it. */
  harm(service: string, harm: Harm | { kind: 'kill' } | { kind: 'stop' }): number | null {
    const { state } = this.unitOf(service)
    if (!isRunning(state))
      throw new KintsugiError('not-running', `${service} is ${state.status}`, { retry: 'later' })
    const pid =
      service === 'chain'
        ? (this.#lines.known(state.process)?.inner ?? null)
        : this.#driver.pidOf(state.process)
    if (pid === null) throw new KintsugiError('not-running', `${service} has no process`, { retry: 'later' })
    this.#meant.add(state.process)
    if (harm.kind === 'kill') process.kill(pid, 'SIGKILL')
    else if (harm.kind === 'stop') process.kill(pid, 'SIGSTOP')
    else this.#lines.say(state.process, { type: 'chaos', harm })
    return pid
  }

  /** Stops everything: cells first, then what they stand on. Resolves when no process is left. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true
    for (const timer of this.#timers) clearInterval(timer)
    const deadline = this.#options.monotonic() + deadlineMs
    for (const process of Object.keys(this.#fleet.spares)) this.#driver.kill(process)
    for (const { standIn, successor } of Object.values(this.#fleet.units))
      for (const process of [standIn, successor?.process]) if (process) this.#driver.kill(process)
    const units = Object.values(this.#fleet.units)
    const waves = [
      units.filter(({ spec }) => spec.kind === 'cell'),
      ...['localnet', 'discovery', 'hub', 'database'].map((id) => units.filter(({ spec }) => spec.id === id)),
    ]
    const looking = setInterval(() => this.#driver.check(), TICK_MS)
    for (const [index, wave] of waves.entries()) {
      const grace = Math.max(500, (deadline - this.#options.monotonic()) * (index === 0 ? 0.75 : 0.5))
      await Promise.all(
        wave.map(({ spec, state }) =>
          'process' in state ? this.#end(spec.id, state.process, grace) : undefined,
        ),
      )
    }
    clearInterval(looking)
    this.#lines.close()
    this.#dirty = true
    this.#remember()
    this.#driver.end()
    this.#options.onEvent({ type: 'stopped' })
  }

  readonly #ends = new Map<string, () => void>()

  async #end(unit: string, process: string, graceMs: number): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#ends.set(process, resolve))
    this.#drain(unit, process)
    const timer = setTimeout(() => this.#driver.kill(process), graceMs)
    await ended
    clearTimeout(timer)
  }

  // What happens.

  #tick(): void {
    const now = this.#options.monotonic()
    // If we were late ourselves, so may be the heartbeats that wait in our queue.
    const lagMs = Math.max(0, now - this.#lastTick - TICK_MS)
    this.#lastTick = now
    this.#driver.check()
    this.#apply({ type: 'tick' })
    for (const process of processesOf(this.#fleet)) {
      const known = this.#lines.of(process)
      const silent = now - known.lastBeat
      if (
        this.#probeOf(process) ||
        !isOverdue({ lastBeat: known.lastBeat, now, lagMs, first: !known.beaten })
      )
        continue
      known.lastBeat = now
      const pid = this.#driver.pidOf(process)
      // One that was stopped from outside does not blame the calls that it was in.
      if (pid !== null && isStopped(pid)) this.#meant.add(process)
      this.#apply({
        type: 'hung',
        process,
        detail: `no heartbeat for ${Math.round(silent)} ms${pid !== null && isStopped(pid) ? ' (it is stopped)' : ''}`,
      })
    }
  }

  #probeOf(process: string): boolean {
    return Object.values(this.#fleet.units).some(
      ({ spec, state }) =>
        'process' in state && state.process === process && this.#plans.get(spec.id)?.probe !== undefined,
    )
  }

  #exited(process: string, detail: string): void {
    const done = this.#ends.get(process)
    if (done) done()
    if (this.#stopping) return
    const running = takeInFlightCalls(this.#options.callFolder, process)
    this.#lines.forget(process)
    // Who is killed from outside did nothing to deserve it; who was hung, or ended by itself, did.
    const byItself = !/SIGKILL|SIGTERM|SIGINT/.test(detail) || this.#hung.has(process)
    const suspects =
      byItself && !this.#meant.has(process) ? [...new Set(running.map((call) => call.service))] : []
    const calls =
      running.length > 0
        ? `; it was in ${running.map(({ service, tool, count }) => `${service} ${tool}${count > 1 ? ` (${count} calls)` : ''}`).join(', ')}`
        : ''
    this.#apply({
      type: 'exited',
      process,
      detail: `${detail}${calls}`,
      suspects,
      meant: this.#meant.delete(process),
    })
    this.#hung.delete(process)
  }
  readonly #hung = new Set<string>()

  #apply(event: FleetEvent): void {
    const { state, effects } = nextFleet(this.#fleet, event, this.#options.monotonic(), this.#options.policy)
    const before = this.#fleet
    this.#fleet = state
    if (event.type === 'hung') this.#hung.add(event.process)
    // Written down before it is done: a supervisor that dies in between leaves no process that the next one does not know.
    if (effects.some(({ type }) => type === 'spawn')) {
      this.#dirty = true
      this.#remember()
    }
    for (const effect of effects) this.#do(effect)
    if (state !== before) {
      this.#dirty = true
      this.#publish()
    }
  }

  #do(effect: FleetEffect): void {
    switch (effect.type) {
      case 'spawn':
        this.#lines.of(effect.process)
        this.#driver.spawn(effect.process, effect.unit, effect.heapMb)
        if (effect.unit !== null) this.#watchProbe(effect.unit, effect.process)
        break
      case 'host':
        this.#lines.say(effect.process, {
          type: 'host',
          unit: effect.unit,
          services: effect.services.map((id) => this.#opening(id, effect.instance)),
          hold: effect.hold,
        })
        break
      case 'begin':
        this.#lines.say(effect.process, { type: 'begin' })
        break
      case 'drain':
        this.#drain(
          Object.values(this.#fleet.units).find(
            ({ state }) => 'process' in state && state.process === effect.process,
          )?.spec.id ?? '',
          effect.process,
        )
        break
      case 'release':
        this.#lines.say(effect.process, { type: 'release', services: [...effect.services] })
        break
      case 'kill':
        this.#driver.kill(effect.process)
        break
      case 'stand-in':
        this.#lines.say(effect.process, {
          type: 'stand-in',
          services: effect.services.map((id) => this.#opening(id)),
          reason: effect.reason,
        })
        break
      case 'reconnect':
        this.#lines.say(effect.process, { type: 'reconnect', to: effect.to })
        break
      case 'incident':
        this.note({
          unit: effect.unit,
          services: effect.services,
          kind: effect.kind,
          detail: effect.detail,
          action: effect.action,
          at: this.#options.now(),
          durationMs: effect.durationMs ?? null,
        })
    }
  }

  #opening(id: string, instance?: number): Opening {
    const fd = this.#options.plan.heldSockets ? FIRST_SOCKET_FD + this.#socketOrder.indexOf(id) : null
    if (instance === undefined) return { id, fd }
    return {
      id,
      fd,
      port: this.#options.plan.instancePorts + this.#socketOrder.indexOf(id) * 8 + (instance - 2),
    }
  }

  #drain(unit: string, process: string): void {
    if (this.#plans.get(unit)?.probe) this.#driver.terminate(process, unit)
    else this.#lines.say(process, { type: 'stop' })
  }

  /** What was seen and done, for people and for the agent. */
  note(incident: Incident): void {
    this.#incidents.push(incident)
    if (this.#incidents.length > RECENT_INCIDENTS) this.#incidents.shift()
    this.#options.onEvent({ type: 'incident', ...incident })
  }

  #hear(process: string, message: FromChild): void {
    const line = this.#lines.of(process)
    line.lastBeat = this.#options.monotonic()
    line.beaten = true
    switch (message.type) {
      case 'heartbeat':
        if (message.vitals) line.vitals = message.vitals
        this.#apply({ type: 'health', process, services: message.services })
        break
      case 'warm':
        line.warm = true
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
      case 'chain': {
        line.inner = message.pid
        const replaced =
          message.genesis !== null && this.#genesis !== null && this.#genesis !== message.genesis
        if (message.genesis !== null) this.#genesis = message.genesis
        this.#dirty = true
        // A new chain is a new market: what holds a replica of the old one is started anew, on purpose.
        if (replaced) this.#apply({ type: 'dependency-replaced', unit: 'localnet' })
        break
      }
      case 'collected':
        line.collected = { at: this.#options.now(), bytes: Math.min(...message.heapUsed) }
        break
      case 'hello':
        break
    }
  }

  #watchProbe(unit: string, process: string): void {
    const probe = this.#plans.get(unit)?.probe
    if (!probe) return
    watchByProbe(probe, {
      status: () => {
        const state = this.#fleet.units[unit]?.state
        return state !== undefined && 'process' in state && state.process === process && !this.#stopping
          ? state.status
          : undefined
      },
      onAnswer: () => this.#apply({ type: 'health', process, services: [{ id: unit, ready: true }] }),
      onSilence: (reason) =>
        this.#apply({ type: 'hung', process, detail: `it did not answer twice: ${reason}` }),
    })
  }

  /** The last resort: asks every service on its port. One that beats its heart but has not answered twice is replaced. */
  async #poll(): Promise<void> {
    const { bindHost, ports } = this.#options.plan
    const units = Object.values(this.#fleet.units).filter(({ spec }) => spec.instance === undefined)
    await Promise.all(
      units.flatMap(({ spec, state }) =>
        spec.services.map(async (service) => {
          if (!isRunning(state)) return
          const line = this.#lines.of(state.process)
          const times = (await answersHealth(bindHost, ports[service] as number))
            ? 0
            : (line.unanswered.get(service) ?? 0) + 1
          line.unanswered.set(service, times)
          if (times >= 2 && this.#lines.known(state.process) === line)
            this.#apply({
              type: 'hung',
              process: state.process,
              detail: `${service} did not answer /health twice`,
            })
        }),
      ),
    )
  }

  // What it looks like from outside.

  #statuses(): ServiceStatus[] {
    return Object.values(this.#fleet.units).flatMap((unit) => this.#statusesOf(unit))
  }

  #statusOfService(service: string): ServiceStatus {
    const statuses = this.#statuses()
    return (
      statuses.find(({ id }) => id === service) ??
      (statuses.find(({ cell }) => cell === service) as ServiceStatus)
    )
  }

  #statusesOf(unit: Unit): ServiceStatus[] {
    const process = 'process' in unit.state ? unit.state.process : undefined
    const plan = this.#plans.get(unit.spec.id)
    return unitStatuses(unit, {
      pid: process === undefined ? null : this.#driver.pidOf(process),
      inner: process === undefined ? null : (this.#lines.known(process)?.inner ?? null),
      title: plan?.title ?? unit.spec.id,
      port: plan?.port ?? null,
      sinceEpoch: (since) => Math.round(this.#options.now() - (this.#options.monotonic() - since)),
      portOf: (id) =>
        unit.spec.instance === undefined
          ? (this.#options.plan.ports[id] ?? null)
          : (this.#opening(id, unit.spec.instance).port ?? null),
    })
  }

  #publish(): void {
    const services = this.#statuses()
    const ids = new Set(services.map(({ id }) => id))
    for (const service of services) {
      const text = `${service.status} ${service.pid} ${service.restarts} ${service.cell} ${service.detail ?? ''}`
      if (this.#lastStatus.get(service.id) === text) continue
      this.#lastStatus.set(service.id, text)
      this.#options.onEvent({ type: 'service', service })
    }
    for (const id of this.#lastStatus.keys()) if (!ids.has(id)) this.#lastStatus.delete(id)
    for (const { spec, state } of Object.values(this.#fleet.units)) {
      if (spec.kind !== 'infrastructure' || state.status !== 'healthy' || this.#up.has(spec.id)) continue
      this.#up.set(spec.id, this.#options.now() - this.#options.plan.startedAt)
      this.#options.onEvent(this.#unitUp(spec.id))
    }
    if (
      this.#readyMs === null &&
      services.length > 0 &&
      services.every((service) => service.status === 'healthy')
    ) {
      this.#readyMs = this.#options.now() - this.#options.plan.startedAt
      this.#options.onEvent({ type: 'ready', afterMs: this.#readyMs, services: services.length })
      this.#apply({ type: 'settled' })
    }
  }
}
