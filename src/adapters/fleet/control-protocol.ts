/**
 * The operations of the supervisor's control socket. Each is one entry here and one in the supervisor's table
 * of handlers.
 */
import type { RestartCause } from '../../fleet/healing/state.ts'
import type { CellVitals, Dependency, FleetStatus, Incident, ServiceStatus } from '../../ports/fleet.ts'
import type { ErrorReport } from '../../std/errors.ts'

/** Faults that can be injected into a process. */
export type ChaosFault =
  | { kind: 'kill' | 'stop' }
  | { kind: 'leak'; bytesPerSecond: number; seconds: number }
  | { kind: 'slow'; ms: number; seconds: number }
  | { kind: 'hang'; ms: number }
  | { kind: 'disconnect'; seconds: number }

type None = Record<never, never>

/** By operation: its parameters and its result. */
export interface ControlOperations {
  status: { params: None; result: FleetStatus }
  incidents: { params: None; result: readonly Incident[] }
  /** By cell. */
  vitals: { params: None; result: Readonly<Record<string, CellVitals>> }
  dependencies: { params: None; result: readonly Dependency[] }
  scalable: { params: None; result: readonly string[] }
  restart: { params: { service: string; reason?: string; cause?: RestartCause }; result: ServiceStatus }
  stop: { params: { service: string; reason: string; forMs?: number }; result: ServiceStatus }
  start: { params: { service: string }; result: ServiceStatus }
  isolate: { params: { service: string; reason: string }; result: ServiceStatus }
  'bring-home': { params: { service: string }; result: ServiceStatus }
  scale: { params: { service: string; instances: number }; result: readonly ServiceStatus[] }
  resize: { params: { cell: string; heapMb: number | null; reason: string }; result: ServiceStatus }
  logs: { params: { service: string; lines: number }; result: readonly string[] }
  collect: { params: { service: string }; result: None }
  note: { params: { incident: Incident }; result: None }
  /** Injects a fault, on a local chain only. `service` may also be `supervisor`, `keeper` or `watcher`. */
  'inject-fault': { params: { service: string; fault: ChaosFault }; result: { pid: number | null } }
  /** Stops the fleet; the answer comes before it has stopped. */
  down: { params: None; result: { stopping: true; pid: number } }
  /** The connection then carries events, one per line, starting with those so far. */
  events: { params: None; result: { listening: true } }
}

/** The name of an operation. */
export type ControlOp = keyof ControlOperations

/** A request, as one line of JSON. */
export type ControlRequest<Op extends ControlOp = ControlOp> = {
  [Each in Op]: { op: Each } & ControlOperations[Each]['params']
}[Op]

/** The result of an operation. */
export type ControlResult<Op extends ControlOp> = ControlOperations[Op]['result']

/** The answer to a request, as one line of JSON. */
export type ControlAnswer = { ok: true; result: unknown } | { ok: false; error: ErrorReport }
