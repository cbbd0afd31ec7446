/**
 * Finds processes that run but do not respond: by heartbeats, by probes of infrastructure, and last by
 * polling each service's port.
 */
import { isOverdue } from '../fleet/healing/heartbeat.ts'
import { type FleetState, isRunning, processesOf } from '../fleet/healing/state.ts'
import type { Driver } from './drivers/driver.ts'
import type { ProcessLinks } from './links/process-links.ts'
import type { SupervisorOptions, UnitPlan } from './options.ts'
import { answersHealth, watchByProbe } from './probe.ts'
import { isStopped } from './process-identity.ts'

/** A service that does not answer this many polls in a row hangs. */
const MAX_UNANSWERED = 2

/** The watched processes, and the receiver of reports. */
export interface HangDetectorOptions {
  readonly plan: Pick<SupervisorOptions['plan'], 'bindHost' | 'ports'>
  readonly plans: ReadonlyMap<string, UnitPlan>
  readonly links: ProcessLinks
  readonly driver: Driver
  /** The present state. */
  fleet(): FleetState
  /** ms of the monotonic clock. */
  now(): number
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

  /** Reports processes whose last heartbeat is overdue. `lagMs`: how late the supervisor itself is. */
  checkHeartbeats(lagMs: number): void {
    const { links, driver, fleet, now: clock, onHung } = this.#options
    const now = clock()
    for (const process of processesOf(fleet())) {
      const link = links.of(process)
      const { lastBeat } = link
      if (!isOverdue({ lastBeat, now, lagMs, first: !link.beaten }) || this.#isProbed(process)) continue
      link.lastBeat = now
      const pid = driver.pidOf(process)
      const stopped = pid !== null && isStopped(pid)
      const detail = `no heartbeat for ${Math.round(now - lastBeat)} ms${stopped ? ' (stopped by a signal)' : ''}`
      onHung(process, detail, stopped)
    }
  }

  /** Probes a unit's process until it is replaced, if the unit has a probe. */
  watch(unit: string, process: string): void {
    const { plans, fleet, onAnswer, onHung } = this.#options
    const probe = plans.get(unit)?.probe
    if (!probe) return
    watchByProbe(probe, {
      status: () => {
        const state = fleet().units[unit]?.state
        const isCurrent = state !== undefined && 'process' in state && state.process === process
        return isCurrent && !this.#ended ? state.status : undefined
      },
      onAnswer: () => onAnswer(unit, process),
      onSilence: (reason) => onHung(process, `${MAX_UNANSWERED} probes failed: ${reason}`, false),
    })
  }

  /**
   * Polls every service on its port. A process whose service does not answer twice is reported, although its
   * heartbeat is fine.
   */
  async poll(): Promise<void> {
    const { fleet, plan, links, onHung } = this.#options
    const { bindHost, ports } = plan
    const units = Object.values(fleet().units).filter(({ spec }) => spec.instance === undefined)
    const pollService = async (service: string, process: string) => {
      const link = links.of(process)
      const answers = await answersHealth(bindHost, ports[service] as number)
      const unanswered = answers ? 0 : (link.unanswered.get(service) ?? 0) + 1
      link.unanswered.set(service, unanswered)
      if (unanswered >= MAX_UNANSWERED && links.known(process) === link)
        onHung(process, `${service} did not answer /health ${MAX_UNANSWERED} times`, false)
    }
    await Promise.all(
      units.flatMap(({ spec, state }) =>
        isRunning(state) ? spec.services.map((service) => pollService(service, state.process)) : [],
      ),
    )
  }

  #isProbed(process: string): boolean {
    const { fleet, plans } = this.#options
    return Object.values(fleet().units).some(
      ({ spec, state }) =>
        'process' in state && state.process === process && plans.get(spec.id)?.probe !== undefined,
    )
  }
}
