/**
 * The data of healing: the fleet's state, the events that change it and the effects that follow. Plain data
 * only: it is stored as JSON. Times are ms of the fleet's time, which stands still while the machine gives
 * the fleet no CPU: a starved machine lets no deadline pass.
 */
import type { Backoff } from '../../std/backoff.ts'
import type { ExitCause } from '../exit-cause.ts'
import type { IncidentKind } from '../incidents.ts'

/** The content of one process: a cell with its services, or a piece of infrastructure. */
export interface UnitSpec {
  readonly id: string
  readonly kind: 'infrastructure' | 'cell'
  /** Empty for infrastructure. */
  readonly services: readonly string[]
  /** Ids of its dependencies: it starts after them and reconnects when they recover. */
  readonly after: readonly string[]
  /** Ids of units whose replacement by something else (another chain) restarts it. */
  readonly follows?: readonly string[]
  /** Whether it may run on a warm spare. */
  readonly fromSpare: boolean
  /** The cell that its services belong to, while they are isolated from it. */
  readonly home?: string
  /** 2 and up for further instances of a service. */
  readonly instance?: number
  /** Its heap limit if it is not the default one; then it cannot run on a spare. */
  readonly heapMb?: number
}

/** The consequence of the exit of a process that was requested to stop. */
export type StopPurpose = 'start' | 'stop' | 'home' | 'remove'

/**
 * Each state carries only its own data. `process` is the name of an operating-system process, container or
 * pod.
 */
export type UnitState =
  /**
   * `wanted`: it starts as soon as its dependencies are available. `until`: it is wanted again from then on.
   */
  | {
      readonly status: 'stopped'
      readonly wanted: boolean
      readonly detail?: string
      readonly until?: number
    }
  | { readonly status: 'starting'; readonly process: string; readonly since: number }
  | { readonly status: 'healthy'; readonly process: string; readonly since: number }
  | {
      readonly status: 'degraded'
      readonly process: string
      readonly since: number
      readonly from: number
      readonly detail: string
    }
  | { readonly status: 'backing-off'; readonly until: number; readonly detail: string }
  | {
      readonly status: 'quarantined'
      readonly since: number
      readonly until: number
      readonly detail: string
    }
  | {
      readonly status: 'stopping'
      readonly process: string
      readonly next: StopPurpose
      readonly killAt: number
      readonly until?: number
    }

/** By service id: null if it is ready, else the reason why not; absent until it has reported. */
export type Readiness = Readonly<Record<string, string | null>>

/** A unit with its state and history. */
export interface Unit {
  readonly spec: UnitSpec
  readonly state: UnitState
  /** The process that takes over in a planned restart. `until` bounds the phase. */
  readonly successor?: {
    readonly process: string
    readonly phase: 'opening' | 'draining'
    readonly since: number
    readonly startedAt: number
    readonly until: number
  }
  /** When its process started, in real time: for people. */
  readonly startedAt?: number
  /** Services that its process released: it closed their sockets and cannot host them again. */
  readonly released?: readonly string[]
  /** The process that answers 503 while the unit is quarantined. */
  readonly standIn?: string
  /** A dependency has recovered: the unit must be ready again by `until`. */
  readonly reconnect?: { readonly to: string; readonly until: number }
  /** Its failures within the policy's window. */
  readonly failures: readonly Failure[]
  /** Consecutive failures that came soon after a start; they determine the restart delay. */
  readonly quick: number
  /** Restarts because it stayed unhealthy, since it was last healthy: each waits twice as long. */
  readonly unwellRestarts: number
  /** Starts on trial since it was quarantined. */
  readonly trials: number
  readonly restarts: number
  readonly readiness: Readiness
  readonly everReady: boolean
  /** Whether all its services that are not ready wait for something outside its process. */
  readonly waits?: boolean
  /** Whether it failed and has not been healthy since. */
  readonly failing: boolean
  /** When it failed, in real time, while `failing`. */
  readonly failedAt?: number
}

/** A failure of a unit. `outside`: its process was killed by somebody else. */
export interface Failure {
  readonly at: number
  readonly outside: boolean
}

/** Evidence that a service took its process down. */
export interface Blame {
  readonly at: number
  readonly detail: string
}

/** The state of the whole fleet. */
export interface FleetState {
  readonly units: Readonly<Record<string, Unit>>
  /** Warm spares by process name: whether each has loaded its code. */
  readonly spares: Readonly<Record<string, boolean>>
  /** No spare is started before this time. */
  readonly spareAt: number
  /** How far the fleet's time is behind real time. */
  readonly lostMs: number
  /** While the machine is overloaded: since when, in real time, and the facts. */
  readonly overload?: { readonly at: number; readonly detail: string }
  /** By service id: failures of its process while only this service had calls in flight. */
  readonly blame: Readonly<Record<string, readonly Blame[]>>
  /** Whether everything was healthy once: spares are started from then on. */
  readonly settled: boolean
  /** The number of processes started so far; they are named by it. */
  readonly processes: number
  /** Seeds the jitter. */
  readonly seed: number
}

/** The report of a process on one service. */
export interface ServiceHealth {
  readonly id: string
  readonly ready: boolean
  readonly reason?: string
  /** Whether it waits for its predecessor to release exclusive work. */
  readonly held?: boolean
  /** Whether it waits for something outside its process: no restart can help. */
  readonly waits?: boolean
}

/** Calls of one service that a process was running when it ended. `tool` is the latest. */
export interface InFlightCall {
  readonly service: string
  readonly tool: string
  readonly count: number
}

/** Why a restart is requested: it decides the kind of the incident. */
export type RestartCause = 'requested' | 'leak'

/** An event that changes the fleet. */
export type FleetEvent =
  /** `lostMs`: for so much of the time since the last tick, the fleet waited for a CPU. */
  | { readonly type: 'tick'; readonly lostMs?: number }
  /** The machine becomes overloaded, with the facts, or is no longer (null). */
  | { readonly type: 'overload'; readonly detail: string | null }
  /** A spare has loaded its code. */
  | { readonly type: 'loaded'; readonly process: string }
  | { readonly type: 'health'; readonly process: string; readonly services: readonly ServiceHealth[] }
  /** A draining process has released its exclusive work. */
  | { readonly type: 'released'; readonly process: string }
  | { readonly type: 'hung'; readonly process: string; readonly detail: string }
  /** A service could not start, or broke down: it is blamed for the exit that follows. */
  | { readonly type: 'failed'; readonly process: string; readonly service: string; readonly detail: string }
  /** `hung`: it was killed because it hung. `deliberate`: fault injection; it counts toward no limit. */
  | {
      readonly type: 'exited'
      readonly process: string
      readonly cause: ExitCause
      readonly calls: readonly InFlightCall[]
      readonly hung: boolean
      readonly deliberate: boolean
    }
  | { readonly type: 'restart'; readonly unit: string; readonly reason: string; readonly cause: RestartCause }
  /** `forMs`: it starts again after this time. */
  | { readonly type: 'stop'; readonly unit: string; readonly reason: string; readonly forMs?: number }
  | { readonly type: 'start'; readonly unit: string }
  | { readonly type: 'isolate'; readonly service: string; readonly reason: string }
  | { readonly type: 'bring-home'; readonly service: string }
  | { readonly type: 'scale'; readonly service: string; readonly instances: number }
  /** `heapMb` null: the default limit. */
  | {
      readonly type: 'resize'
      readonly unit: string
      readonly heapMb: number | null
      readonly reason: string
    }
  /** A dependency came back as another thing: a new chain is a new market. */
  | { readonly type: 'dependency-replaced'; readonly unit: string }
  | { readonly type: 'settled' }

/** An action that the supervisor has to perform after an event. */
export type FleetEffect =
  /** `unit` null: a spare. */
  | {
      readonly type: 'spawn'
      readonly process: string
      readonly unit: string | null
      readonly heapMb?: number
    }
  /** `hold`: exclusive work waits for `begin`. */
  | {
      readonly type: 'host'
      readonly process: string
      readonly unit: string
      readonly services: readonly string[]
      readonly hold: boolean
      readonly instance?: number
    }
  | { readonly type: 'begin'; readonly process: string }
  /** Answer the calls in flight, then exit. */
  | { readonly type: 'drain'; readonly process: string }
  | { readonly type: 'release'; readonly process: string; readonly services: readonly string[] }
  | { readonly type: 'kill'; readonly process: string }
  /** Answer 503 with the reason on the services' ports. */
  | {
      readonly type: 'stand-in'
      readonly process: string
      readonly services: readonly string[]
      readonly reason: string
    }
  | { readonly type: 'reconnect'; readonly process: string; readonly to: string }
  /** Every process is told whether the machine is overloaded. */
  | { readonly type: 'overload'; readonly on: boolean }
  /** `durationMs`: how long a failure lasted, once it is over. */
  | {
      readonly type: 'incident'
      readonly unit: string
      readonly services: readonly string[]
      readonly kind: IncidentKind
      readonly detail: string
      readonly action: string
      readonly durationMs?: number
    }

/** The limits and times of healing. */
export interface HealingPolicy {
  readonly autoRestart: boolean
  /** Delays between restarts of a unit that fails soon after each start. */
  readonly backoff: Backoff
  /** This many failures within `windowMs` quarantine a unit. */
  readonly maxFailures: number
  readonly windowMs: number
  /** The first quarantine; each failed trial doubles it, up to the maximum. */
  readonly quarantineMs: number
  readonly maxQuarantineMs: number
  /** A unit on trial that is up for this long has passed. */
  readonly trialMs: number
  /** How long a process may take to stop on request, and a draining one to finish, before it is killed. */
  readonly graceMs: number
  /** How long infrastructure may take to start. */
  readonly startMs: number
  /** How long a successor may take to open. */
  readonly openMs: number
  /** A unit that was up for this long did not fail at its start. */
  readonly stableMs: number
  /** How long a dependant may take to be ready after a dependency has recovered. */
  readonly reconnectMs: number
  /**
   * How long a cell may stay unhealthy while its dependencies are available; doubles with each restart, up to
   * the maximum.
   */
  readonly unwellMs: number
  readonly maxUnwellMs: number
  /** A service that is blamed `isolateAfter` times within `blameMs` is isolated. */
  readonly blameMs: number
  readonly isolateAfter: number
  /** A unit is split at every `halveAfter`th failure of its own if no service is blamed. */
  readonly halveAfter: number
  /** Isolated services return to their cell after being healthy for this long. */
  readonly homeMs: number
  readonly spares: number
  /** A spare that exits is replaced after this time. */
  readonly spareMs: number
}

/** The default policy. */
export const HEALING: HealingPolicy = {
  autoRestart: true,
  backoff: { firstMs: 100, maxMs: 30_000 },
  maxFailures: 10,
  windowMs: 60_000,
  quarantineMs: 30_000,
  maxQuarantineMs: 600_000,
  trialMs: 10_000,
  graceMs: 6_000,
  startMs: 60_000,
  openMs: 30_000,
  stableMs: 2_000,
  reconnectMs: 10_000,
  unwellMs: 60_000,
  maxUnwellMs: 1_800_000,
  blameMs: 300_000,
  isolateAfter: 2,
  halveAfter: 4,
  homeMs: 600_000,
  spares: 1,
  spareMs: 500,
}

/** A unit that has not started yet. */
export function newUnit(spec: UnitSpec): Unit {
  return {
    spec,
    state: { status: 'stopped', wanted: true },
    failures: [],
    quick: 0,
    unwellRestarts: 0,
    trials: 0,
    restarts: 0,
    readiness: {},
    everReady: false,
    failing: false,
  }
}

/** A fleet in which nothing runs and every unit is wanted. */
export function initialFleet(specs: readonly UnitSpec[], seed: number): FleetState {
  return {
    units: Object.fromEntries(specs.map((spec) => [spec.id, newUnit(spec)])),
    spares: {},
    spareAt: 0,
    lostMs: 0,
    blame: {},
    settled: false,
    processes: 0,
    seed,
  }
}

/** Whether a unit has a process that serves, or is about to. */
export function isRunning(
  state: UnitState,
): state is Extract<UnitState, { status: 'starting' | 'healthy' | 'degraded' }> {
  return state.status === 'starting' || state.status === 'healthy' || state.status === 'degraded'
}

/** The units that declare a dependency on `id`. */
export function dependants(units: readonly Unit[], id: string): Unit[] {
  return units.filter(({ spec }) => spec.after.includes(id))
}

/** The names of all processes in a state. */
export function processesOf(state: FleetState): string[] {
  return [...Object.keys(state.spares), ...Object.values(state.units).flatMap(unitProcesses)]
}

/** The names of a unit's processes: its own, its successor, its stand-in. */
export function unitProcesses({ state, successor, standIn }: Unit): string[] {
  const names = ['process' in state ? state.process : undefined, successor?.process, standIn]
  return names.filter((name) => name !== undefined)
}

/** Until when a cell may be unhealthy; Infinity if it is not. */
export function unwellUntil({ state, unwellRestarts }: Unit, policy: HealingPolicy): number {
  const from =
    state.status === 'starting'
      ? state.since
      : state.status === 'degraded'
        ? state.from
        : Number.POSITIVE_INFINITY
  return from + Math.min(policy.maxUnwellMs, policy.unwellMs * 2 ** unwellRestarts)
}

/** The next real time, in ms, at which a tick may change something; Infinity if none. */
export function nextWake(state: FleetState, policy: HealingPolicy): number {
  let next =
    state.settled && !state.overload && Object.keys(state.spares).length < policy.spares
      ? state.spareAt
      : Number.POSITIVE_INFINITY
  for (const id in state.units) next = Math.min(next, unitWake(state.units[id] as Unit, policy))
  return next + state.lostMs
}

function unitWake(unit: Unit, policy: HealingPolicy): number {
  const { state, spec } = unit
  let next = unit.successor?.until ?? Number.POSITIVE_INFINITY
  const consider = (at: number) => {
    if (at < next) next = at
  }
  if (unit.reconnect && isRunning(state)) consider(unit.reconnect.until)
  if (state.status === 'backing-off' || state.status === 'quarantined') consider(state.until)
  else if (state.status === 'stopping') consider(state.killAt)
  else if (state.status === 'stopped') consider(state.until ?? Number.POSITIVE_INFINITY)
  else if (state.status === 'healthy') {
    if (spec.home !== undefined) consider(state.since + policy.homeMs)
    if (unit.trials > 0) consider(state.since + policy.trialMs)
  } else if (!unit.waits) {
    if (state.status === 'starting' && spec.kind === 'infrastructure') consider(state.since + policy.startMs)
    if (spec.kind === 'cell') consider(unwellUntil(unit, policy))
  }
  return next
}
