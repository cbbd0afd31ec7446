/** What is around the fleet's own processes: external services and alarms; and the news of outages. */
import { type FleetState, processesOf } from '../fleet/healing/state.ts'
import type { Incident } from '../ports/fleet.ts'
import { AlarmBoard } from './alarm-board.ts'
import { Externals } from './externals.ts'
import type { ProcessLinks } from './links/process-links.ts'
import type { ToChild } from './links/protocol.ts'
import type { SupervisorOptions } from './options.ts'

export interface SurroundingsOptions extends Pick<SupervisorOptions, 'externals' | 'now' | 'monotonic'> {
  readonly links: ProcessLinks
  /** The present state. */
  fleet(): FleetState
  onIncident(incident: Incident): void
  /** An external service was lost, or is back. */
  onChange(): void
}

export class Surroundings {
  readonly externals: Externals
  readonly alarms: AlarmBoard
  readonly #options: SurroundingsOptions
  /** What processes were told about outages, as JSON. */
  #told = ''

  constructor(options: SurroundingsOptions) {
    const { externals: plans, now, monotonic, onIncident, onChange } = options
    this.#options = options
    this.externals = new Externals({ plans, now, onIncident, onChange })
    this.alarms = new AlarmBoard({ monotonic, now, onIncident })
  }

  start(): void {
    this.externals.start()
    this.alarms.start()
  }

  stop(): void {
    this.externals.stop()
    this.alarms.stop()
  }

  /** Tells a process that has connected what is out. */
  greet(process: string): void {
    if (this.#told !== '') this.#options.links.send(process, JSON.parse(this.#told))
  }

  /** Tells all processes what is out, if that has changed. */
  tell(): void {
    const text = this.#outages()
    if (text === undefined || text === this.#told) return
    this.#told = text
    for (const process of processesOf(this.#options.fleet())) this.greet(process)
  }

  /** The message about outages, as JSON; undefined before the first results. */
  #outages(): string | undefined {
    const ports = this.externals.outages()
    if (ports === undefined) return undefined
    const { localnet, discovery } = this.#options.fleet().units
    const source = localnet ?? discovery
    const reason = source?.readiness[source.spec.id]
    const market =
      source && source.state.status !== 'healthy'
        ? `waits for ${source.spec.id}: ${reason ?? source.state.status}`
        : null
    return JSON.stringify({ type: 'outages', ports, market } satisfies ToChild)
  }
}
