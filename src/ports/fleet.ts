/** What a service may see of the fleet and do to it. */
import type { IncidentRecord } from '../fleet/stability.ts'

export type ServiceState =
  | 'starting'
  | 'healthy'
  | 'degraded'
  | 'backing-off'
  | 'quarantined'
  | 'stopping'
  | 'stopped'

export interface ServiceStatus {
  readonly id: string
  readonly kind: 'server' | 'agent' | 'main' | 'infrastructure'
  readonly title: string
  readonly category: string
  readonly status: ServiceState
  readonly port: number | null
  readonly pid: number | null
  readonly cell: string
  /** Times it was started again since the fleet came up. */
  readonly restarts: number
  /** ms since 1970, or null while it is down. */
  readonly since: number | null
  readonly detail?: string
  /** The cell it belongs to, while it is kept apart from it. */
  readonly home?: string
}

export interface FleetStatus {
  readonly profile: string
  readonly mode: string
  readonly startedAt: number
  readonly readyMs: number | null
  /** Processes that stand by to take over. */
  readonly spares: { readonly warm: number; readonly total: number }
  readonly services: readonly ServiceStatus[]
}

/** What was seen, and what was done about it. */
export type Incident = IncidentRecord

/** Of a cell's process, since its start. Bytes, ms. */
export interface CellVitals {
  readonly process: string
  readonly pid: number | null
  readonly rss: number
  readonly heapUsed: number
  /** Where the heap would end. */
  readonly heapLimit: number
  /** What the last forced collection left, and when (ms since 1970); null where there was none. */
  readonly collected: { readonly at: number; readonly bytes: number } | null
  readonly loopDelayMs: number
  readonly cpuMs: number
  readonly services: Readonly<
    Record<
      string,
      {
        readonly calls: number
        readonly errors: number
        readonly durationMs: number
        readonly running: number
      }
    >
  >
}

/** One thing of the fleet and what it stands on: a service, or a piece of infrastructure. */
export interface Dependency {
  readonly id: string
  readonly cell: string
  /** Ids of infrastructure and services. Its cell starts after the hard ones; without the others it lives, but is not ready. */
  readonly hard: readonly string[]
  readonly soft: readonly string[]
}

export interface ToolCall {
  readonly service: string
  readonly tool: string
  readonly arguments: Record<string, unknown>
  /** A read that fails because its service died is repeated; anything else, and what does not say, is sent once. */
  /** For whom; absent, for the service that calls. */
  readonly caller?: { readonly name: string; readonly scopes: readonly string[] }
  readonly effect?: 'read' | 'write' | 'spend'
  readonly signal?: AbortSignal
}

/** Errors: `unknown-service`, `service-unreachable` (retry later), and whatever the called tool answers. */
export interface FleetControl {
  status(): Promise<FleetStatus>
  /** The latest, oldest first. */
  incidents(): Promise<readonly Incident[]>
  /** By cell. */
  vitals(): Promise<Readonly<Record<string, CellVitals>>>
  /** A planned restart: where a spare may stand in, no call is lost. */
  restart(service: string, reason?: string): Promise<ServiceStatus>
  /** For good, or for so long only. */
  stop(service: string, reason: string, forMs?: number): Promise<ServiceStatus>
  start(service: string): Promise<ServiceStatus>
  /** Moves a service into a process of its own, or back. */
  isolate(service: string, reason: string): Promise<ServiceStatus>
  /** Another limit of a cell's heap, or the usual one (null); it is replaced for that, without a lost call. */
  resize(cell: string, heapMb: number | null, reason: string): Promise<ServiceStatus>
  bringHome(service: string): Promise<ServiceStatus>
  /** This many instances of a service: 1 is the service alone. */
  scale(service: string, instances: number): Promise<readonly ServiceStatus[]>
  dependencies(): Promise<readonly Dependency[]>
  /** The last lines of a service's log. */
  logs(service: string, lines: number): Promise<readonly string[]>
  /** Has a cell collect its garbage; what is left comes with its vitals. */
  collect(cell: string): Promise<void>
  /** Services of which several instances may run. */
  scalable(): Promise<readonly string[]>
  /** Records what somebody else saw and did. */
  note(incident: Incident): Promise<void>
  /** Calls a tool of another service with this service's own authority. */
  call(call: ToolCall): Promise<unknown>
  /** The tools that a running service offers. */
  tools(service: string): Promise<readonly { name: string; description: string; effect: string }[]>
}
