/** A service's view of the fleet, and its actions on it. */
import type { Alarm } from '../fleet/alarms.ts'
import type { DependencyNode } from '../fleet/catalogue/dependencies.ts'
import type { RestartCause } from '../fleet/healing/state.ts'
import type { IncidentRecord } from '../fleet/incidents.ts'

/** The lifecycle of a service, as its unit has it. */
export type ServiceState =
  | 'starting'
  | 'healthy'
  | 'degraded'
  | 'backing-off'
  | 'quarantined'
  | 'stopping'
  | 'stopped'

/** A service, or a piece of infrastructure. */
export interface ServiceStatus {
  readonly id: string
  readonly kind: 'server' | 'agent' | 'main' | 'infrastructure'
  readonly title: string
  readonly category: string
  readonly status: ServiceState
  readonly port: number | null
  readonly pid: number | null
  readonly cell: string
  /** Restarts since the fleet started. */
  readonly restarts: number
  /** ms since 1970; null while it does not run. */
  readonly since: number | null
  /** Why it is not healthy. */
  readonly detail?: string
  /** The cell that it belongs to, while it is isolated from it. */
  readonly home?: string
}

/** The whole fleet at one time. */
export interface FleetStatus {
  readonly profile: string
  readonly mode: string
  /** ms since 1970. */
  readonly startedAt: number
  /** ms from the start until everything was healthy; null before. */
  readonly readyMs: number | null
  /** Standby processes; `warm` ones have completed their warm-up. */
  readonly spares: { readonly warm: number; readonly total: number }
  /** While the machine is overloaded: since when (ms since 1970), and the facts. */
  readonly overload?: { readonly since: number; readonly detail: string }
  readonly services: readonly ServiceStatus[]
  readonly alarms: readonly FleetAlarm[]
}

/** An alarm about trading as a whole; `since` in ms since 1970. */
export interface FleetAlarm extends Alarm {
  readonly since: number
}

/** A failure or a repair, and the action taken. */
export type Incident = IncidentRecord

/** Measurements of a cell's process since its start: bytes, ms, counts. */
export interface CellVitals {
  readonly process: string
  readonly pid: number | null
  readonly rss: number
  readonly heapUsed: number
  /** The heap limit. */
  readonly heapLimit: number
  /** The last forced garbage collection (ms since 1970) and the bytes it left; null if there was none. */
  readonly collected: { readonly at: number; readonly bytes: number } | null
  readonly loopDelayMs: number
  readonly cpuMs: number
  /** By service id; `running` are the calls in flight, `shed` the requests answered as overloaded. */
  readonly services: Readonly<
    Record<
      string,
      {
        readonly calls: number
        readonly errors: number
        readonly durationMs: number
        readonly running: number
        readonly shed: number
      }
    >
  >
}

/** A service or a piece of infrastructure, with its dependencies. */
export type Dependency = DependencyNode

/** A call of a tool of another service. */
export interface ToolCall {
  readonly service: string
  readonly tool: string
  readonly arguments: Record<string, unknown>
  /** A read is repeated if its service fails; anything else, and a call without an effect, is sent once. */
  readonly effect?: 'read' | 'write' | 'spend'
  /** The caller on whose behalf the call is made; absent: the calling service itself. */
  readonly caller?: { readonly name: string; readonly scopes: readonly string[] }
  readonly signal?: AbortSignal
}

/** Errors: `unknown-service`, `service-unreachable` (retry later), and those of the called tool. */
export interface FleetControl {
  status(): Promise<FleetStatus>
  /** The state of one service. Throws `unknown-service`, with the closest id as its hint. */
  service(id: string): Promise<ServiceStatus>
  /** The latest incidents, oldest first. */
  incidents(): Promise<readonly Incident[]>
  /** Measurements by cell. */
  vitals(): Promise<Readonly<Record<string, CellVitals>>>
  /**
   * A planned restart; no call is lost if the cell may use a spare. `cause` decides how the incident is
   * classified.
   */
  restart(service: string, reason?: string, cause?: RestartCause): Promise<ServiceStatus>
  /** Stops a service, for good or for `forMs`. */
  stop(service: string, reason: string, forMs?: number): Promise<ServiceStatus>
  start(service: string): Promise<ServiceStatus>
  /** Moves a service into a process of its own. */
  isolate(service: string, reason: string): Promise<ServiceStatus>
  /** Gives a cell another heap limit, or the default one (null); it is replaced without a lost call. */
  resize(cell: string, heapMb: number | null, reason: string): Promise<ServiceStatus>
  /** Returns an isolated service to its cell. */
  bringHome(service: string): Promise<ServiceStatus>
  /** Sets the number of instances of a service, its first one included. */
  scale(service: string, instances: number): Promise<readonly ServiceStatus[]>
  dependencies(): Promise<readonly Dependency[]>
  /** The last lines of a service's log. */
  logs(service: string, lines: number): Promise<readonly string[]>
  /** Has a cell collect garbage; the heap that is left comes with its vitals. */
  collect(cell: string): Promise<void>
  /** Services of which several instances may run. */
  scalable(): Promise<readonly string[]>
  /** Records an incident. */
  note(incident: Incident): Promise<void>
  /** Calls a tool of another service with this service's own authority. */
  call(call: ToolCall): Promise<unknown>
  /** The tools of a running service. */
  tools(service: string): Promise<readonly { name: string; description: string; effect: string }[]>
}
