/**
 * Carries out the healer's decisions: observes the fleet each second, acts, and keeps the decisions with
 * their reasons.
 */
import type { CellVitals, FleetControl } from '../../ports/fleet.ts'
import type { Ledger } from '../../ports/ledger.ts'
import type { Log } from '../../ports/service.ts'
import { messageOf } from '../../std/errors.ts'
import { type Departure, Healer, type HealingAction } from './healer.ts'
import { diagnose, type HealingResult, healService } from './remedies.ts'
import { DEFAULT_SCALING, type ScalingPolicy, scalingPolicies } from './scaling.ts'

/** A planned restart waits this long for a moment without a running call, in ms. */
const MAX_WAIT_MS = 15_000
const MAX_DECISIONS = 200
/** Scaling policies are read again after this time, in ms. */
const SCALING_MS = 10_000

/** A decision and its reasons. */
export interface HealingDecision {
  readonly id: string
  /** ms since 1970. */
  readonly at: number
  readonly summary: string
  readonly reasons: readonly string[]
}

/** The outlook: possible next failures. */
export interface Outlook {
  /** Series outside their normal range. */
  readonly unusual: readonly Departure[]
  /** Cells that wait for a restart. */
  readonly restartsWaiting: readonly string[]
}

export interface HealingLoopOptions {
  readonly fleet: FleetControl
  readonly ledger: Pick<Ledger, 'setting'>
  /** Services of which several instances may run. */
  readonly scalable: readonly string[]
  /** Heap limit of a cell that was not resized, in bytes. */
  readonly defaultHeapBytes: number
  now(): number
  readonly log: Log
}

export class HealingLoop {
  readonly #options: HealingLoopOptions
  readonly #healer: Healer
  /** Newest first. */
  readonly #decisions: HealingDecision[] = []
  /** Planned restarts, by cell. `until` in ms since 1970. */
  readonly #waiting = new Map<string, { readonly until: number; readonly reason: string }>()
  #scaling: Readonly<Record<string, ScalingPolicy>> = {}
  #count = 0
  #busy = false
  #scalingReadAt = Number.NEGATIVE_INFINITY

  constructor(options: HealingLoopOptions) {
    this.#options = options
    this.#healer = new Healer({
      scalable: options.scalable,
      defaultHeapBytes: options.defaultHeapBytes,
      scaling: (service) => this.#scaling[service] ?? DEFAULT_SCALING,
    })
  }

  /** Decisions since the start. */
  get count(): number {
    return this.#count
  }

  /** The last decisions, newest first. */
  decisions(limit: number): readonly HealingDecision[] {
    return this.#decisions.slice(0, limit)
  }

  /** The outlook: possible next failures. */
  outlook(): Outlook {
    return { unusual: this.#healer.unusual(), restartsWaiting: [...this.#waiting.keys()] }
  }

  /** Reads the vitals and acts on them. Does nothing while an earlier round runs; logs failures. */
  async observe(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    const { fleet, now, log } = this.#options
    try {
      await this.#readScaling()
      const vitals = await fleet.vitals()
      for (const action of this.#healer.observe(vitals, now())) await this.#act(action)
      await this.#restartIdle(vitals)
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'the fleet could not be observed')
    } finally {
      this.#busy = false
    }
  }

  /** Heals every service that is not healthy; reports the error of each that cannot be healed. */
  async healAll(): Promise<(HealingResult | { service: string; error: string })[]> {
    const { fleet } = this.#options
    const unwell = diagnose((await fleet.status()).services)
    this.#decide('emergency healing', [`${unwell.length} services are not healthy`])
    const healed = []
    for (const { service } of unwell)
      healed.push(await healService(fleet, service).catch((error) => ({ service, error: messageOf(error) })))
    return healed
  }

  async #readScaling(): Promise<void> {
    const now = this.#options.now()
    if (now - this.#scalingReadAt < SCALING_MS) return
    this.#scalingReadAt = now
    const saved = await scalingPolicies(this.#options.ledger).catch(() => undefined)
    if (saved) this.#scaling = saved
  }

  async #act(action: HealingAction): Promise<void> {
    const { fleet, now } = this.#options
    switch (action.type) {
      case 'collect':
        return fleet.collect(action.cell)
      case 'restart':
        if (action.urgent) return this.#restart(action.cell, action.reason)
        if (!this.#waiting.has(action.cell))
          this.#waiting.set(action.cell, { until: now() + MAX_WAIT_MS, reason: action.reason })
        return
      case 'warn':
        return this.#warn(action)
      case 'scale':
        return this.#scale(action)
      case 'isolate':
        this.#decide(`${action.service}: isolated`, [action.reason])
        await fleet.isolate(action.service, action.reason)
        return
      case 'resize': {
        const heap = action.heapMb === null ? 'default heap' : `heap of ${action.heapMb} MB`
        this.#decide(`${action.cell}: ${heap}`, [action.reason])
        await fleet.resize(action.cell, action.heapMb, action.reason)
      }
    }
  }

  async #warn({ cell, service, detail }: HealingAction & { type: 'warn' }): Promise<void> {
    this.#decide(`warning: ${service ?? cell}`, [detail])
    await this.#options.fleet.note({
      unit: cell,
      services: service === null ? [] : [service],
      kind: 'warning',
      detail,
      action: 'none yet',
      at: this.#options.now(),
      durationMs: null,
    })
  }

  async #scale({ service, instances, reason }: HealingAction & { type: 'scale' }): Promise<void> {
    const { fleet, now } = this.#options
    this.#decide(`${service}: ${instances} instances`, [reason])
    await fleet.scale(service, instances)
    await fleet.note({
      unit: service,
      services: [service],
      kind: 'scaled',
      detail: reason,
      action: `${instances} instances`,
      at: now(),
      durationMs: null,
    })
  }

  /** Restarts the waiting cells that run no call, or have waited long enough. */
  async #restartIdle(vitals: Readonly<Record<string, CellVitals>>): Promise<void> {
    for (const [cell, { until, reason }] of this.#waiting) {
      const services = Object.values(vitals[cell]?.services ?? {})
      const running = services.reduce((sum, service) => sum + service.running, 0)
      if (running === 0 || this.#options.now() >= until) await this.#restart(cell, reason)
    }
  }

  async #restart(cell: string, reason: string): Promise<void> {
    this.#waiting.delete(cell)
    this.#decide(`${cell}: restarted`, [reason])
    await this.#options.fleet.restart(cell, reason, 'leak')
  }

  #decide(summary: string, reasons: readonly string[]): void {
    const id = `healing-${++this.#count}`
    this.#decisions.unshift({ id, at: this.#options.now(), summary, reasons })
    if (this.#decisions.length > MAX_DECISIONS) this.#decisions.pop()
    this.#options.log.info({ reasons }, summary)
  }
}
