/** What a service may see of the fleet and do to it. */
export type ServiceState = 'starting' | 'healthy' | 'degraded' | 'backing-off' | 'quarantined' | 'stopping' | 'stopped'

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
  readonly services: readonly ServiceStatus[]
}

/** What was seen, and what was done about it. */
export interface Incident {
  readonly unit: string
  readonly kind: string
  readonly detail: string
  readonly action: string
  /** ms since 1970. */
  readonly at: number
}

/** Of a cell's process, since its start. Bytes, ms. */
export interface CellVitals {
  readonly process: string
  readonly pid: number | null
  readonly rss: number
  readonly heapUsed: number
  readonly loopDelayMs: number
  readonly cpuMs: number
  readonly services: Readonly<Record<string, { readonly calls: number; readonly errors: number; readonly durationMs: number; readonly running: number }>>
}

export interface ToolCall {
  readonly service: string
  readonly tool: string
  readonly arguments: Record<string, unknown>
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
  stop(service: string, reason: string): Promise<ServiceStatus>
  start(service: string): Promise<ServiceStatus>
  /** Moves a service into a process of its own, or back. */
  isolate(service: string, reason: string): Promise<ServiceStatus>
  bringHome(service: string): Promise<ServiceStatus>
  /** This many instances of a service: 1 is the service alone. */
  scale(service: string, instances: number): Promise<readonly ServiceStatus[]>
  /** Records what somebody else saw and did. */
  note(incident: Incident): Promise<void>
  /** Calls a tool of another service with this service's own authority. */
  call(call: ToolCall): Promise<unknown>
  /** The tools that a running service offers. */
  tools(service: string): Promise<readonly { name: string; description: string; effect: string }[]>
}
