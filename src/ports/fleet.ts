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
}

export interface FleetStatus {
  readonly profile: string
  readonly mode: string
  readonly startedAt: number
  readonly readyMs: number | null
  readonly services: readonly ServiceStatus[]
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
  restart(service: string): Promise<ServiceStatus>
  /** Calls a tool of another service with this service's own authority. */
  call(call: ToolCall): Promise<unknown>
  /** The tools that a running service offers. */
  tools(service: string): Promise<readonly { name: string; description: string; effect: string }[]>
}
