/** The options of a supervisor, and its events. */
import type { HealingPolicy, UnitSpec } from '../fleet/healing/state.ts'
import type { Incident, ServiceStatus } from '../ports/fleet.ts'
import type { Driver, DriverEvents } from './drivers/driver.ts'
import type { ExternalPlan } from './externals.ts'

/** A unit to run. */
export interface UnitPlan {
  readonly spec: UnitSpec
  readonly title: string
  readonly port: number | null
  /** Resolves if it is up; for units that do not report their health themselves. */
  readonly probe?: () => Promise<void>
}

/** The units and dependencies of a supervisor. */
export interface SupervisorOptions {
  readonly plan: {
    readonly profile: string
    readonly mode: string
    readonly startedAt: number
    readonly ports: Readonly<Record<string, number>>
    readonly bindHost: string
    /** Whether processes inherit listening sockets, or bind the ports themselves. */
    readonly heldSockets: boolean
    /** The first port of the range for further instances. */
    readonly instancePorts: number
  }
  readonly units: readonly UnitPlan[]
  readonly externals: readonly ExternalPlan[]
  driver(events: DriverEvents): Driver
  /** The socket on which processes connect. */
  readonly linkPath: string
  /** The file in which the state for a successor is stored. */
  readonly stateFile: string
  /** The folder in which processes record their calls in flight. */
  readonly callFolder: string
  readonly policy: HealingPolicy
  /** Services of which several instances may run. */
  readonly scalable: readonly string[]
  readonly pollMs: number
  /** ms since 1970. */
  now(): number
  /** ms of a monotonic clock that all processes of this machine share. */
  monotonic(): number
  readonly seed: number
  onEvent(event: SupervisorEvent): void
  /** The kernel's count of processes that it killed for lack of memory; undefined if it is not reported. */
  oomKills(): number | undefined
  /** No keeper is left that could start a process. */
  onLost(): void
}

/**
 * Why a fleet stops: on request, by a signal to the supervisor, with the command line that started it, or
 * because keeper and watcher have exited.
 */
export type StopCause = 'requested' | 'signal' | 'owner-gone' | 'keeper-gone'

/** An event for listeners of the control socket. */
export type SupervisorEvent =
  | { type: 'service'; service: ServiceStatus }
  | ({ type: 'incident' } & Incident)
  | { type: 'ready'; afterMs: number; services: number }
  | { type: 'unit-up'; unit: string; title: string; afterMs: number }
  | { type: 'stopping'; cause: StopCause }
  | { type: 'stopped' }
