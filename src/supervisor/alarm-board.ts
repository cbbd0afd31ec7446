/** The alarms of a run: fed by the reports of processes, raised and cleared as incidents. */
import {
  ALARMS,
  type AlarmKind,
  type AlarmState,
  alarmsOf,
  observe,
  type Progress,
  UNOBSERVED,
} from '../fleet/alarms.ts'
import type { FleetAlarm, Incident } from '../ports/fleet.ts'

/** The clocks, and the receiver of incidents. */
export interface AlarmBoardOptions {
  /** ms of the monotonic clock, and ms since 1970. */
  monotonic(): number
  now(): number
  onIncident(incident: Incident): void
}

const CHECK_MS = 1_000

/** Holds the alarms that are raised. */
export class AlarmBoard {
  readonly #options: AlarmBoardOptions
  #state: AlarmState = UNOBSERVED
  #raised = new Map<AlarmKind, FleetAlarm>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: AlarmBoardOptions) {
    this.#options = options
  }

  /** Checks once a second until it is stopped. */
  start(): void {
    this.#timer = setInterval(() => this.check(), CHECK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** A process reports the progress of its services. */
  observe(reports: readonly Progress[]): void {
    for (const report of reports) this.#state = observe(this.#state, report, this.#options.monotonic())
  }

  /** Raises and clears alarms; their words stay up to date. */
  check(): void {
    const { monotonic, now } = this.#options
    const holding = new Map(alarmsOf(this.#state, monotonic(), ALARMS).map((alarm) => [alarm.kind, alarm]))
    const before = this.#raised
    this.#raised = new Map(
      [...holding].map(([kind, alarm]) => [kind, { ...alarm, since: before.get(kind)?.since ?? now() }]),
    )
    for (const [kind, { message }] of holding)
      if (!before.has(kind)) this.#note('alarm', message, 'none', null)
    for (const [kind, { message, since }] of before)
      if (!holding.has(kind)) this.#note('alarm-cleared', `over: ${message}`, 'none', now() - since)
  }

  current(): readonly FleetAlarm[] {
    return [...this.#raised.values()]
  }

  #note(kind: 'alarm' | 'alarm-cleared', detail: string, action: string, durationMs: number | null): void {
    this.#options.onIncident({
      unit: 'fleet',
      services: [],
      kind,
      detail,
      action,
      at: this.#options.now(),
      durationMs,
    })
  }
}
