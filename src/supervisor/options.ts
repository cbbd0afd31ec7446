/** What a supervisor is made of, and what it tells. */
import type { HealingPolicy, UnitSpec } from '../fleet/healing/state.ts'
import type { Incident, ServiceStatus } from '../ports/fleet.ts'
import type { Driver, DriverEvents } from './drivers/driver.ts'

export interface UnitPlan {
  readonly spec: UnitSpec
  readonly title: string
  readonly port: number | null
  /** How one knows that it is up, where it does not say so itself. */
  readonly probe?: () => Promise<void>
}

export interface SupervisorOptions {
  readonly plan: {
    readonly profile: string
    readonly mode: string
    readonly startedAt: number
    readonly ports: Readonly<Record<string, number>>
    readonly bindHost: string
    /** Whether processes take over held sockets, or bind ports themselves. */
    readonly heldSockets: boolean
    /** The first port for instances beyond the first. */
    readonly instancePorts: number
  }
  readonly units: readonly UnitPlan[]
  driver(events: DriverEvents): Driver
  /** Where processes call in. */
  readonly linkPath: string
  /** What a supervisor that dies leaves to the next. */
  readonly stateFile: string
  readonly callFolder: string
  readonly policy: HealingPolicy
  /** Services of which several instances may run. */
  readonly scalable: readonly string[]
  readonly pollMs: number
  /** ms since 1970, for people. */
  now(): number
  /** ms of a clock that all processes of this machine share and that only runs forward. */
  monotonic(): number
  readonly seed: number
  onEvent(event: SupervisorEvent): void
  /** Nobody is left who could start a process. */
  onLost(): void
}

export type SupervisorEvent =
  | { type: 'service'; service: ServiceStatus }
  | ({ type: 'incident' } & Incident)
  | { type: 'ready'; afterMs: number; services: number }
  | { type: 'unit-up'; unit: string; title: string; afterMs: number }
  | { type: 'stopped' }
