/**
 * External services while the fleet runs: each is probed all the time, shown as a row of the status, and
 * reported to the services that need it.
 */
import { type Probe, ProbeFailure } from '../adapters/surroundings/probe.ts'
import type { Incident, ServiceStatus } from '../ports/fleet.ts'
import type { PortName } from '../ports/ports.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'

/** An external service of a run. */
export interface ExternalPlan {
  readonly id: string
  /** Its name, setting and address, for people. */
  readonly title: string
  /** The ports of services that it is behind. A port is out if all external services behind it are. */
  readonly ports: readonly PortName[]
  readonly probe: Probe
  /** Time between two probes while it is well, in ms. */
  readonly intervalMs: number
}

/** The receiver of changes. */
export interface ExternalsOptions {
  readonly plans: readonly ExternalPlan[]
  /** ms since 1970. */
  now(): number
  onIncident(incident: Incident): void
  onChange(): void
}

/** A probe without an answer for this long has failed. Two in a row are an outage: noticed within 5 s. */
const DEADLINE_MS = 1_400
const RETRY_MS = 250

interface Watched {
  readonly plan: ExternalPlan
  /** Null while it is well; undefined before the first result. */
  reason: string | null | undefined
  failures: number
  /** Since when it is out or well, in ms since 1970. */
  since: number
}

/** Watches the external services of a run. */
export class Externals {
  readonly #options: ExternalsOptions
  readonly #watched: readonly Watched[]
  #timers = new Set<NodeJS.Timeout>()
  #ended = false

  constructor(options: ExternalsOptions) {
    this.#options = options
    this.#watched = options.plans.map((plan) => ({
      plan,
      reason: undefined,
      failures: 0,
      since: options.now(),
    }))
  }

  start(): void {
    for (const watched of this.#watched) void this.#probe(watched)
  }

  stop(): void {
    this.#ended = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const { plan } of this.#watched) plan.probe.close()
  }

  /** The title of an external service; undefined for other ids. */
  titleOf(id: string): string | undefined {
    return this.#watched.find(({ plan }) => plan.id === id)?.plan.title
  }

  /** Throws `not-supported` if `id` is an external service: it is not started or stopped from here. */
  refuse(id: string): void {
    const title = this.titleOf(id)
    if (title !== undefined)
      throw new KintsugiError('not-supported', `${id} is not run by this fleet: ${title}`, {
        hint: 'start, stop or repair it where it runs; the fleet notices within seconds',
      })
  }

  statuses(): ServiceStatus[] {
    return this.#watched.map(({ plan: { id, title }, reason, since }) => ({
      id,
      kind: 'infrastructure',
      title,
      category: 'infrastructure',
      status: reason === undefined ? 'starting' : reason === null ? 'healthy' : 'degraded',
      port: null,
      pid: null,
      cell: id,
      restarts: 0,
      since: reason === null ? since : null,
      ...(reason ? { detail: reason } : {}),
    }))
  }

  /** By port: for what it waits, and why. Empty if nothing is out; undefined before the first results. */
  outages(): Partial<Record<PortName, string>> | undefined {
    if (this.#watched.some(({ reason }) => reason === undefined)) return undefined
    const found: Partial<Record<PortName, string>> = {}
    for (const port of new Set(this.#watched.flatMap(({ plan }) => plan.ports))) {
      const behind = this.#watched.filter(({ plan }) => plan.ports.includes(port))
      const [first] = behind
      if (first && behind.every(({ reason }) => reason !== null))
        found[port] = `waits for ${first.plan.id}: ${first.reason}`
    }
    return found
  }

  async #probe(watched: Watched): Promise<void> {
    let reason: string | null = null
    try {
      await watched.plan.probe.ask(DEADLINE_MS)
    } catch (error) {
      reason = error instanceof ProbeFailure ? `${error.message}; ${error.advice}` : messageOf(error)
    }
    if (this.#ended) return
    watched.failures = reason === null ? 0 : watched.failures + 1
    const isSure = reason === null || watched.failures > 1 || typeof watched.reason === 'string'
    if (isSure) this.#note(watched, reason)
    const again = reason === null ? watched.plan.intervalMs : RETRY_MS
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      void this.#probe(watched)
    }, again)
    this.#timers.add(timer)
  }

  #note(watched: Watched, reason: string | null): void {
    const before = watched.reason
    if (before === reason) return
    watched.reason = reason
    const now = this.#options.now()
    const isOut = reason !== null
    if (isOut !== (before !== null && before !== undefined)) {
      const durationMs = isOut ? null : now - watched.since
      watched.since = now
      if (before !== undefined || isOut) this.#incident(watched, reason, durationMs)
    }
    this.#options.onChange()
  }

  #incident({ plan }: Watched, reason: string | null, durationMs: number | null): void {
    this.#options.onIncident({
      unit: plan.id,
      services: [],
      kind: reason === null ? 'external-back' : 'external-lost',
      detail: reason === null ? `${plan.title} is available again` : reason,
      action: reason === null ? 'none' : 'services that need it wait',
      at: this.#options.now(),
      durationMs,
    })
  }
}
