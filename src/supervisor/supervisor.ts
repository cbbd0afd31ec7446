/** The supervisor: holds the sockets, owns the processes, and does what the healing reducer says. */
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, closeSync, mkdirSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { catalogueEntry, titleOf } from '../fleet/catalogue.ts'
import { type HealingPolicy, initialUnit, nextUnit, type UnitEffect, type UnitEvent, type UnitState } from '../fleet/healing.ts'
import type { FleetStatus, ServiceState, ServiceStatus } from '../ports/fleet.ts'
import { KintsugiError } from '../std/errors.ts'
import { FIRST_SOCKET_FD, type FromChild, HEARTBEAT_DEADLINE_MS, type ServiceHealth, type ToChild } from './protocol.ts'

/** A listening address that outlives the processes that answer on it. */
interface BoundSocket {
  fd(): number
  close(): void
}

export interface UnitPlan {
  readonly id: string
  readonly kind: 'infrastructure' | 'cell'
  readonly title: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Services it hosts; empty for infrastructure. */
  readonly services: readonly string[]
  readonly port: number | null
  /** Whether a warm spare may take its place. */
  readonly fromSpare: boolean
  /** Units that must be up before it starts. */
  readonly after: readonly string[]
  /** Started again, on purpose, when the embedded chain was replaced. */
  readonly onNewChain: boolean
  /** How one knows that it is up, where it does not say so itself. */
  readonly probe?: () => Promise<void>
  readonly stopSignal: NodeJS.Signals
  /** A descriptor handed on unread, at this position in the child. */
  readonly extraFd?: { readonly fd: number; readonly variable: string }
}

export interface SupervisorOptions {
  readonly plan: { readonly profile: string; readonly mode: string; readonly startedAt: number; readonly ports: Readonly<Record<string, number>>; readonly bindHost: string }
  readonly units: readonly UnitPlan[]
  readonly spare: Pick<UnitPlan, 'command' | 'args' | 'env'>
  readonly spares: number
  readonly logFolder: string
  readonly healing: HealingPolicy
  readonly pollMs: number
  now(): number
  random(): number
  onEvent(event: SupervisorEvent): void
}

export type SupervisorEvent =
  | { type: 'service'; service: ServiceStatus }
  | { type: 'incident'; unit: string; kind: string; detail: string; at: number }
  | { type: 'ready'; afterMs: number; services: number }
  | { type: 'unit-up'; unit: string; title: string; afterMs: number }

interface Unit {
  readonly plan: UnitPlan
  state: UnitState
  child: ChildProcess | undefined
  restarts: number
  lastBeat: number
  health: Map<string, ServiceHealth>
  everReady: Set<string>
  /** The pid of what it looks after, where that is not the child itself (the chain). */
  inner: number | null
  stoppedOnPurpose: boolean
  standIn: ChildProcess | undefined
  /** Polls in a row that a service left unanswered. */
  unanswered: Map<string, number>
}

const TICK_MS = 50
const POLL_TIMEOUT_MS = 2_000

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #units = new Map<string, Unit>()
  readonly #sockets = new Map<string, BoundSocket>()
  readonly #socketOrder: string[] = []
  #spares: { child: ChildProcess; loaded: boolean }[] = []
  #timer: NodeJS.Timeout | undefined
  #pollTimer: NodeJS.Timeout | undefined
  #lastTick = 0
  #readyMs: number | null = null
  #genesis: string | null = null
  #lastStatus = new Map<string, string>()
  #stopping = false

  constructor(options: SupervisorOptions) {
    this.#options = options
    for (const plan of options.units) {
      this.#units.set(plan.id, {
        plan,
        state: initialUnit,
        child: undefined,
        restarts: 0,
        lastBeat: 0,
        health: new Map(),
        everReady: new Set(),
        inner: null,
        stoppedOnPurpose: false,
        standIn: undefined,
        unanswered: new Map(),
      })
    }
  }

  /** Binds every port, and looks whether those that others will bind are free. Throws `port-taken` naming all that are not. */
  bind(wanted: readonly { port: number; name: string }[]): void {
    const taken: string[] = []
    const refused = (error: unknown, port: number, name: string) => {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error
      taken.push(`${port} (${name})${code === 'EACCES' ? ', which this user may not open' : ''}`)
    }
    const BoundSocket = (net as unknown as { BoundSocket: new (options: { host: string; port: number }) => BoundSocket }).BoundSocket
    for (const service of [...this.#units.values()].flatMap((unit) => unit.plan.services)) {
      const port = this.#options.plan.ports[service] as number
      try {
        this.#sockets.set(service, new BoundSocket({ host: this.#options.plan.bindHost, port }))
        this.#socketOrder.push(service)
      } catch (error) {
        refused(error, port, service)
      }
    }
    for (const { port, name } of wanted) {
      try {
        new BoundSocket({ host: '127.0.0.1', port }).close()
      } catch (error) {
        refused(error, port, name)
      }
    }
    if (taken.length === 0) return
    for (const socket of this.#sockets.values()) socket.close()
    throw new KintsugiError('port-taken', `${taken.length === 1 ? 'a port is' : `${taken.length} ports are`} taken: ${taken.join(', ')}`, {
      hint: 'stop what uses them (`ss -ltnp` tells), or move the whole fleet with --port-offset 1000',
    })
  }

  start(): void {
    this.#lastTick = this.#options.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#pollTimer = setInterval(() => void this.#poll(), this.#options.pollMs)
    this.#tick()
  }

  /** The last resort: asks every service on its port. One that beats its heart but has not answered twice is replaced. */
  async #poll(): Promise<void> {
    await Promise.all(
      [...this.#units.values()].flatMap((unit) =>
        unit.plan.services.map(async (service) => {
          const child = unit.child
          if (unit.state.status !== 'running' || !child) return
          const url = `http://${this.#options.plan.bindHost.includes(':') ? `[${this.#options.plan.bindHost}]` : this.#options.plan.bindHost}:${this.#options.plan.ports[service]}/health`
          const answered = await fetch(url, { signal: AbortSignal.timeout(POLL_TIMEOUT_MS) }).then(
            (response) => response.ok,
            () => false,
          )
          if (answered || unit.child !== child) {
            unit.unanswered.delete(service)
            return
          }
          const times = (unit.unanswered.get(service) ?? 0) + 1
          unit.unanswered.set(service, times)
          if (times < 2) return
          unit.unanswered.delete(service)
          this.#incident(unit, 'unanswered', `${service} did not answer /health twice`)
          this.#apply(unit, { type: 'hung' })
        }),
      ),
    )
  }

  status(): FleetStatus {
    return {
      profile: this.#options.plan.profile,
      mode: this.#options.plan.mode,
      startedAt: this.#options.plan.startedAt,
      readyMs: this.#readyMs,
      services: [...this.#units.values()].flatMap((unit) => this.#statusOf(unit)),
    }
  }

  /** Restarts the process of a service, through a spare where one may take over. Throws `unknown-service`. */
  restart(service: string): ServiceStatus {
    const unit = [...this.#units.values()].find(
      (candidate) => candidate.plan.id === service || candidate.plan.services.includes(service) || (service === 'chain' && candidate.plan.id === 'localnet'),
    )
    if (!unit)
      throw new KintsugiError('unknown-service', `no service is called ${JSON.stringify(service)} here`, {
        hint: `known: ${this.status()
          .services.map((item) => item.id)
          .join(', ')}`,
      })
    unit.restarts++
    this.#apply(unit, { type: 'restart' })
    const statuses = this.#statusOf(unit)
    return statuses.find((item) => item.id === service) ?? (statuses[0] as ServiceStatus)
  }

  /** Stops everything: cells first, then what they stand on. Resolves when no process is left. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true
    clearInterval(this.#timer)
    clearInterval(this.#pollTimer)
    const deadline = this.#options.now() + deadlineMs
    for (const spare of this.#spares) spare.child.kill('SIGKILL')
    const waves = [
      [...this.#units.values()].filter((unit) => unit.plan.kind === 'cell'),
      ...['localnet', 'discovery', 'hub', 'database'].map((id) => [...this.#units.values()].filter((unit) => unit.plan.id === id)),
    ]
    for (const [index, wave] of waves.entries()) {
      await Promise.all(wave.map((unit) => this.#end(unit, Math.max(500, (deadline - this.#options.now()) * (index === 0 ? 0.75 : 0.5)))))
    }
    for (const socket of this.#sockets.values()) socket.close()
  }

  async #end(unit: Unit, graceMs: number): Promise<void> {
    unit.standIn?.kill('SIGKILL')
    const child = unit.child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    unit.state = { status: 'stopping', failures: [], quick: 0, restart: false, killAt: Number.POSITIVE_INFINITY }
    this.#terminate(unit)
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await ended
    clearTimeout(timer)
  }

  #tick(): void {
    const now = this.#options.now()
    // If we were late ourselves, so may be the heartbeats that wait in our queue.
    const lag = Math.max(0, now - this.#lastTick - TICK_MS)
    this.#lastTick = now
    for (const unit of this.#units.values()) {
      const { state, plan } = unit
      if (state.status === 'stopped' && !unit.stoppedOnPurpose && state.failures.length === 0 && plan.after.every((id) => this.#isUp(id))) this.#apply(unit, { type: 'start' })
      else this.#apply(unit, { type: 'tick' })
      if (unit.state.status === 'running' && !plan.probe && now - unit.lastBeat > HEARTBEAT_DEADLINE_MS + lag) {
        this.#incident(unit, 'hung', `no heartbeat for ${now - unit.lastBeat} ms`)
        unit.lastBeat = now
        this.#apply(unit, { type: 'hung' })
      }
    }
    this.#fillSpares()
    this.#publishChanges()
  }

  #isUp(id: string): boolean {
    return this.#units.get(id)?.state.status === 'running' || !this.#units.has(id)
  }

  #apply(unit: Unit, event: UnitEvent): void {
    const before = unit.state.status
    const { state, effects } = nextUnit(unit.state, event, this.#options.now(), this.#options.healing, this.#options.random)
    unit.state = state
    for (const effect of effects) this.#do(unit, effect)
    if (before !== unit.state.status) this.#publishChanges()
  }

  #do(unit: Unit, effect: UnitEffect): void {
    switch (effect.type) {
      case 'spawn':
        unit.standIn?.kill('SIGKILL')
        unit.standIn = undefined
        this.#spawn(unit)
        break
      case 'terminate':
        this.#terminate(unit)
        break
      case 'kill':
        unit.child?.kill('SIGKILL')
        break
      case 'quarantine':
        this.#incident(unit, 'quarantined', `it failed ${unit.state.failures.length} times within ${this.#options.healing.windowMs / 1_000} s and is set aside`)
        this.#standIn(unit)
    }
  }

  #terminate(unit: Unit): void {
    if (unit.child?.connected) unit.child.send({ type: 'stop' } satisfies ToChild)
    else unit.child?.kill(unit.plan.stopSignal)
  }

  #spawn(unit: Unit): void {
    const { plan } = unit
    unit.health = new Map()
    unit.inner = null
    unit.lastBeat = this.#options.now()
    const spare = plan.fromSpare ? this.#takeSpare() : undefined
    const child = spare ?? this.#launch(plan, plan.id, plan.kind === 'cell' ? this.#socketOrder : [])
    unit.child = child
    child.removeAllListeners('message')
    child.removeAllListeners('exit')
    child.on('message', (message: FromChild) => this.#receive(unit, child, message))
    child.on('error', () => undefined)
    child.on('exit', (code, signal) => {
      if (unit.child !== child) return
      unit.child = undefined
      const detail = signal ? `ended by ${signal}` : `ended with code ${code}`
      const failed = unit.state.status !== 'stopping'
      if (failed && !this.#stopping) {
        unit.restarts++
        this.#incident(unit, 'exited', detail)
      }
      if (!this.#stopping) this.#apply(unit, { type: 'exited', detail })
    })
    if (plan.kind === 'cell') child.send({ type: 'host', cell: plan.id, services: plan.services.map((id) => ({ id, fd: this.#fdOf(id) })) } satisfies ToChild)
    if (plan.probe) void this.#probe(unit, child, plan.probe)
    else if (plan.kind === 'cell') this.#apply(unit, { type: 'up' })
  }

  async #probe(unit: Unit, child: ChildProcess, probe: () => Promise<void>): Promise<void> {
    while (unit.child === child && unit.state.status === 'starting') {
      try {
        await probe()
        if (unit.child === child) this.#up(unit)
        return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
    }
  }

  #up(unit: Unit): void {
    if (unit.state.status !== 'starting') return
    this.#apply(unit, { type: 'up' })
    this.#options.onEvent({ type: 'unit-up', unit: unit.plan.id, title: unit.plan.title, afterMs: this.#options.now() - this.#options.plan.startedAt })
  }

  #receive(unit: Unit, child: ChildProcess, message: FromChild): void {
    if (unit.child !== child) return
    unit.lastBeat = this.#options.now()
    if (message.type === 'heartbeat') {
      for (const health of message.services) {
        unit.health.set(health.id, health)
        if (health.ready) unit.everReady.add(health.id)
      }
      if (unit.plan.kind === 'infrastructure' && message.services.every((health) => health.ready)) this.#up(unit)
      this.#publishChanges()
    } else if (message.type === 'chain') {
      unit.inner = message.pid
      const replaced = message.genesis !== null && this.#genesis !== null && this.#genesis !== message.genesis
      if (message.genesis !== null) this.#genesis = message.genesis
      if (replaced) this.#replaceChainUsers()
    } else if (message.type === 'failed') {
      this.#incident(unit, 'failed', message.message)
    }
  }

  /** A new chain is a new market: what holds a replica of the old one is started anew, on purpose. */
  #replaceChainUsers(): void {
    // A spare follows the old market: it is of no use any more.
    for (const spare of this.#spares) spare.child.kill('SIGKILL')
    for (const unit of this.#units.values()) if (unit.plan.onNewChain) this.#apply(unit, { type: 'restart' })
  }

  #launch(plan: Pick<UnitPlan, 'command' | 'args' | 'env'> & Partial<UnitPlan>, name: string, sockets: readonly string[]): ChildProcess {
    mkdirSync(this.#options.logFolder, { recursive: true })
    const log = openSync(join(this.#options.logFolder, `${name}.log`), 'a', 0o600)
    const fds = sockets.map((id) => (this.#sockets.get(id) as BoundSocket).fd())
    const extra = plan.extraFd ? [plan.extraFd.fd] : []
    const env = plan.extraFd ? { ...plan.env, [plan.extraFd.variable]: String(FIRST_SOCKET_FD + fds.length) } : plan.env
    const child = spawn(plan.command, [...plan.args], {
      env,
      stdio: ['ignore', log, log, plan.probe ? 'ignore' : 'ipc', ...fds, ...extra],
      ...(plan.uid === undefined ? {} : { uid: plan.uid }),
      ...(plan.gid === undefined ? {} : { gid: plan.gid }),
    })
    closeSync(log)
    return child
  }

  #fdOf(service: string): number {
    return FIRST_SOCKET_FD + this.#socketOrder.indexOf(service)
  }

  #fillSpares(): void {
    if (this.#stopping || this.#readyMs === null) return
    while (this.#spares.length < this.#options.spares) {
      const child = this.#launch(this.#options.spare, 'spare', this.#socketOrder)
      const spare = { child, loaded: false }
      this.#spares.push(spare)
      child.on('message', (message: FromChild) => {
        if (message.type === 'loaded') spare.loaded = true
      })
      child.on('error', () => undefined)
      child.on('exit', () => {
        this.#spares = this.#spares.filter((item) => item !== spare)
      })
    }
  }

  #takeSpare(): ChildProcess | undefined {
    const index = this.#spares.findIndex((spare) => spare.loaded && spare.child.connected)
    return index < 0 ? undefined : this.#spares.splice(index, 1)[0]?.child
  }

  #standIn(unit: Unit): void {
    if (unit.plan.services.length === 0) return
    const child = this.#takeSpare() ?? this.#launch(this.#options.spare, 'spare', this.#socketOrder)
    child.removeAllListeners('exit')
    child.on('error', () => undefined)
    unit.standIn = child
    const reason = 'detail' in unit.state ? (unit.state.detail ?? '') : ''
    child.send({ type: 'stand-in', services: unit.plan.services.map((id) => ({ id, fd: this.#fdOf(id) })), reason } satisfies ToChild)
  }

  #statusOf(unit: Unit): ServiceStatus[] {
    const { plan, state } = unit
    const shared = { pid: unit.child?.pid ?? null, cell: plan.id, restarts: unit.restarts, since: state.status === 'running' || state.status === 'starting' ? state.since : null }
    const unitDetail = 'detail' in state ? state.detail : undefined
    if (plan.kind === 'infrastructure') {
      const health = unit.health.get(plan.id)
      const status = this.#stateOf(unit, plan.probe ? true : health?.ready === true, plan.id)
      const detail = unitDetail ?? health?.reason
      const own: ServiceStatus = {
        id: plan.id,
        kind: 'infrastructure',
        title: plan.title,
        category: 'infrastructure',
        status,
        port: plan.port,
        ...shared,
        ...(detail ? { detail } : {}),
      }
      if (plan.id !== 'localnet') return [own]
      return [own, { ...own, id: 'chain', title: 'Embedded chain (anvil)', pid: unit.inner, status: unit.inner === null ? 'starting' : status }]
    }
    return plan.services.map((id) => {
      const entry = catalogueEntry(id)
      const health = unit.health.get(id)
      const detail = unitDetail ?? health?.reason
      return {
        id,
        kind: entry.kind,
        title: titleOf(id),
        category: entry.category,
        status: this.#stateOf(unit, health?.ready === true, id),
        port: this.#options.plan.ports[id] ?? null,
        ...shared,
        ...(detail ? { detail } : {}),
      }
    })
  }

  #stateOf(unit: Unit, ready: boolean, service: string): ServiceState {
    const { status } = unit.state
    if (status !== 'running') return status
    if (ready) return 'healthy'
    return unit.everReady.has(service) && unit.health.has(service) ? 'degraded' : 'starting'
  }

  #publishChanges(): void {
    const services = [...this.#units.values()].flatMap((unit) => this.#statusOf(unit))
    for (const service of services) {
      const text = `${service.status} ${service.pid} ${service.restarts} ${service.detail ?? ''}`
      if (this.#lastStatus.get(service.id) === text) continue
      this.#lastStatus.set(service.id, text)
      this.#options.onEvent({ type: 'service', service })
    }
    if (this.#readyMs === null && services.length > 0 && services.every((service) => service.status === 'healthy')) {
      this.#readyMs = this.#options.now() - this.#options.plan.startedAt
      this.#options.onEvent({ type: 'ready', afterMs: this.#readyMs, services: services.length })
    }
  }

  #incident(unit: Unit, kind: string, detail: string): void {
    this.#options.onEvent({ type: 'incident', unit: unit.plan.id, kind, detail, at: this.#options.now() })
  }
}
