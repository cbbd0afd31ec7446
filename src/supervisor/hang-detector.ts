/**
 * Finds processes that run but do not respond: by heartbeats, by probes of infrastructure, and last by
 * polling each service's port. Time in which the machine gave them no CPU does not count.
 */
import type { Heartbeats } from '../fleet/healing/heartbeat.ts'
import { type FleetState, isRunning, processesOf } from '../fleet/healing/state.ts'
import type { Driver } from './drivers/driver.ts'
import type { ProcessLinks } from './links/process-links.ts'
import type { SupervisorOptions, UnitPlan } from './options.ts'
import { answersHealth, UNANSWERED_LIMIT_MS, unansweredFor, watchByProbe } from './probe.ts'
import { threadFacts } from './thread-facts.ts'

/** The watched processes, and the receiver of reports. */
export interface HangDetectorOptions {
  readonly plan: Pick<SupervisorOptions['plan'], 'bindHost' | 'ports'>
  readonly plans: ReadonlyMap<string, UnitPlan>
  readonly links: ProcessLinks
  readonly heartbeats: Heartbeats
  readonly driver: Pick<Driver, 'pidOf'>
  /** The present state. */
  fleet(): FleetState
  /** A process does not respond. `stopped`: a signal from outside stopped it. */
  onHung(process: string, detail: string, stopped: boolean): void
  /** A probe of infrastructure was answered. */
  onAnswer(unit: string, process: string): void
}

/** Detects hung processes. */
export class HangDetector {
  readonly #options: HangDetectorOptions
  #ended = false

  constructor(options: HangDetectorOptions) {
    this.#options = options
  }

  end(): void {
    this.#ended = true
  }

  /**
   * Reports processes whose heartbeat is overdue. A starved supervisor may not have read what they sent: they
   * are looked at again once it has.
   */
  checkHeartbeats(): void {
    const { heartbeats, fleet } = this.#options
    const known = new Set(processesOf(fleet()))
    for (const process of heartbeats.processes()) if (!known.has(process)) heartbeats.forget(process)
    const suspects = heartbeats.processes().filter((process) => heartbeats.overdue(process))
    // What arrived until now is received before an immediate runs.
    if (suspects.length > 0) setImmediate(() => this.#reportOverdue(suspects))
  }

  #reportOverdue(suspects: readonly string[]): void {
    const { heartbeats, onHung } = this.#options
    for (const process of suspects) {
      const overdue = heartbeats.overdue(process)
      if (!overdue || this.#ended) continue
      heartbeats.begin(process)
      if (this.#isProbed(process)) continue
      const { silentMs, waitedMs, stopped } = overdue
      const waited = waitedMs >= 1 ? `, of which it waited ${Math.round(waitedMs)} ms for a CPU` : ''
      const why = stopped ? ' (stopped by a signal)' : ''
      onHung(process, `no heartbeat for ${Math.round(silentMs)} ms${waited}${why}`, stopped)
    }
  }

  /** Probes a unit's process until it is replaced, if the unit has a probe. */
  watch(unit: string, process: string): void {
    const { plans, fleet, onAnswer, onHung } = this.#options
    const probe = plans.get(unit)?.probe
    if (!probe) return
    // A server that a signal has stopped still answers on the connections of its children.
    const isStopped = () => {
      const pid = this.#options.driver.pidOf(process)
      return pid !== null && threadFacts(pid)?.state === 'stopped'
    }
    const probeUnlessStopped = async () => {
      if (isStopped()) throw new Error('it was stopped by a signal')
      await probe()
    }
    watchByProbe(probeUnlessStopped, {
      status: () => {
        const state = fleet().units[unit]?.state
        const isCurrent = state !== undefined && 'process' in state && state.process === process
        return isCurrent && !this.#ended ? state.status : undefined
      },
      lostMs: () => this.#lostMs(),
      onAnswer: () => onAnswer(unit, process),
      onSilence: (reason) =>
        onHung(process, `its probes failed for ${UNANSWERED_LIMIT_MS} ms: ${reason}`, isStopped()),
    })
  }

  /**
   * Polls every service on its port. A process whose service does not answer is reported, although its
   * heartbeat is fine.
   */
  async poll(): Promise<void> {
    const { fleet, plan, links, onHung } = this.#options
    const { bindHost, ports } = plan
    const units = Object.values(fleet().units).filter(({ spec }) => spec.instance === undefined)
    const lostBefore = this.#lostMs()
    const pollService = async (service: string, process: string) => {
      const link = links.of(process)
      const answers = await answersHealth(bindHost, ports[service] as number)
      if (answers) {
        link.unansweredMs.delete(service)
        return
      }
      const unansweredMs = (link.unansweredMs.get(service) ?? 0) + unansweredFor(this.#lostMs() - lostBefore)
      link.unansweredMs.set(service, unansweredMs)
      if (unansweredMs >= UNANSWERED_LIMIT_MS && links.known(process) === link)
        onHung(process, `${service} did not answer /health for ${Math.round(unansweredMs)} ms`, false)
    }
    await Promise.all(
      units.flatMap(({ spec, state }) =>
        isRunning(state) ? spec.services.map((service) => pollService(service, state.process)) : [],
      ),
    )
  }

  #lostMs(): number {
    const { heartbeats } = this.#options
    heartbeats.account()
    return heartbeats.lostMs
  }

  #isProbed(process: string): boolean {
    const { fleet, plans } = this.#options
    return Object.values(fleet().units).some(
      ({ spec, state }) =>
        'process' in state && state.process === process && plans.get(spec.id)?.probe !== undefined,
    )
  }
}
