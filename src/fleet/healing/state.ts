/** The words of healing: what a fleet's state is made of, what happens to it, and what is done about it. Data only. */
import type { Backoff } from '../../std/backoff.ts'

/** What runs as one process: a cell with its services, or a piece of infrastructure. */
export interface UnitSpec {
  readonly id: string
  readonly kind: 'infrastructure' | 'cell'
  /** Empty for infrastructure. */
  readonly services: readonly string[]
  /** Units that must be up before it starts, and whose recovery it is told of. */
  readonly after: readonly string[]
  /** Units that it must be started anew with, when they are replaced by something else (another chain). */
  readonly follows?: readonly string[]
  /** A warm spare may take its place. */
  readonly fromSpare: boolean
  /** Where its services belong, if they were parted from others. */
  readonly home?: string
  /** 2 and up for further instances of a service. */
  readonly instance?: number
  /** The limit of its heap, where it needs another than the usual one: a spare cannot take its place then. */
  readonly heapMb?: number
}

/** Each state carries only what it needs. `process` is the name of an operating-system process, container or pod. */
export type UnitState =
  /** `wanted`: it starts as soon as what it needs is there; `until`: it is wanted again from then on. */
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
      readonly next: 'start' | 'stop' | 'home' | 'remove'
      readonly killAt: number
      readonly until?: number
    }

export interface Unit {
  readonly spec: UnitSpec
  readonly state: UnitState
  /** A planned restart under way: the process that takes over. `until` bounds the phase. */
  readonly successor?: {
    readonly process: string
    readonly phase: 'opening' | 'draining'
    readonly since: number
    readonly until: number
  }
  /** The process that answers 503 while it is set aside. */
  readonly standIn?: string
  /** Told that something recovered, it has until then to be ready again. */
  readonly reconnect?: { readonly to: string; readonly until: number }
  /** When it failed, within the breaker's window. */
  readonly failures: readonly number[]
  /** Failures in a row, each soon after a start: a unit that ran for a while and was killed is started at once. */
  readonly quick: number
  /** Restarts because it stayed unwell, since it was last healthy: each waits twice as long. */
  readonly mends: number
  /** Starts on trial since it was set aside. */
  readonly trials: number
  readonly restarts: number
  /** By service: null where ready, else why not; absent where not heard of. */
  readonly readiness: Readonly<Record<string, string | null>>
  readonly everReady: boolean
  /** It failed and has not been healthy since. */
  readonly failing: boolean
  /** When that began. */
  readonly failedAt?: number
}

export interface Blame {
  readonly at: number
  readonly detail: string
}

export interface FleetState {
  readonly units: Readonly<Record<string, Unit>>
  /** Warm spares: whether each has loaded its code. */
  readonly spares: Readonly<Record<string, boolean>>
  /** No spare is made before. */
  readonly spareAt: number
  /** Services that were caught running when their process failed. */
  readonly blame: Readonly<Record<string, readonly Blame[]>>
  /** Everything was healthy once: spares are made from then on. */
  readonly settled: boolean
  /** Processes started so far: they are named by this count. */
  readonly processes: number
  /** Where the jitter comes from. */
  readonly seed: number
}

export interface ServiceHealth {
  readonly id: string
  readonly ready: boolean
  readonly reason?: string
  /** It waits for its predecessor to let go. */
  readonly held?: boolean
}

export type FleetEvent =
  | { readonly type: 'tick' }
  /** A spare has its code loaded. */
  | { readonly type: 'loaded'; readonly process: string }
  | { readonly type: 'health'; readonly process: string; readonly services: readonly ServiceHealth[] }
  /** A draining process has let go of what only one may hold. */
  | { readonly type: 'released'; readonly process: string }
  | { readonly type: 'hung'; readonly process: string; readonly detail: string }
  /** A service could not start, or broke down: who is to blame for the exit that follows. */
  | { readonly type: 'failed'; readonly process: string; readonly service: string; readonly detail: string }
  /** `suspects`: services with calls running; `meant`: we did it ourselves. */
  | {
      readonly type: 'exited'
      readonly process: string
      readonly detail: string
      readonly suspects: readonly string[]
      readonly meant: boolean
    }
  | { readonly type: 'restart'; readonly unit: string; readonly reason: string }
  /** `forMs`: for so long only. */
  | { readonly type: 'stop'; readonly unit: string; readonly reason: string; readonly forMs?: number }
  | { readonly type: 'start'; readonly unit: string }
  | { readonly type: 'isolate'; readonly service: string; readonly reason: string }
  | { readonly type: 'bring-home'; readonly service: string }
  | { readonly type: 'scale'; readonly service: string; readonly instances: number }
  /** `heapMb` null: the usual limit. */
  | {
      readonly type: 'resize'
      readonly unit: string
      readonly heapMb: number | null
      readonly reason: string
    }
  /** Something came back as another thing: a new chain is a new market. */
  | { readonly type: 'dependency-replaced'; readonly unit: string }
  | { readonly type: 'settled' }

export type FleetEffect =
  /** `unit` null: a spare. */
  | {
      readonly type: 'spawn'
      readonly process: string
      readonly unit: string | null
      readonly heapMb?: number
    }
  /** `hold`: what only one process may do waits for `begin`. */
  | {
      readonly type: 'host'
      readonly process: string
      readonly unit: string
      readonly services: readonly string[]
      readonly hold: boolean
      readonly instance?: number
    }
  | { readonly type: 'begin'; readonly process: string }
  /** Answer what is under way, then end. */
  | { readonly type: 'drain'; readonly process: string }
  | { readonly type: 'release'; readonly process: string; readonly services: readonly string[] }
  | { readonly type: 'kill'; readonly process: string }
  | {
      readonly type: 'stand-in'
      readonly process: string
      readonly services: readonly string[]
      readonly reason: string
    }
  | { readonly type: 'reconnect'; readonly process: string; readonly to: string }
  /** `durationMs`: how long it lasted, for what ended. */
  | {
      readonly type: 'incident'
      readonly unit: string
      readonly services: readonly string[]
      readonly kind: string
      readonly detail: string
      readonly action: string
      readonly durationMs?: number
    }

export interface HealingPolicy {
  readonly autoRestart: boolean
  readonly backoff: Backoff
  /** This many failures within `windowMs` set the unit aside, for longer after each trial that fails. */
  readonly most: number
  readonly windowMs: number
  readonly quarantineMs: number
  readonly quarantineMostMs: number
  /** A unit on trial that was up for this long has passed. */
  readonly trialMs: number
  /** How long a unit may take to stop by itself, to come up, and a successor to open. */
  readonly graceMs: number
  readonly startMs: number
  readonly openMs: number
  /** A unit that was up for this long was not failing to start. */
  readonly stableMs: number
  /** How long a dependant may take to be ready after what it needs has recovered. */
  readonly reconnectMs: number
  /** How long a cell may stay unwell while all it needs is there, before it is started anew. */
  readonly unwellMs: number
  readonly unwellMostMs: number
  /** A service caught `blameMost` times within `blameMs` is isolated; a unit is halved at every `halveAfter`th failure where nobody was caught. */
  readonly blameMs: number
  readonly blameMost: number
  readonly halveAfter: number
  /** Isolated services come home after this long in good health. */
  readonly homeMs: number
  readonly spares: number
  readonly spareMs: number
}

export const HEALING: HealingPolicy = {
  autoRestart: true,
  backoff: { firstMs: 100, maxMs: 30_000 },
  most: 10,
  windowMs: 60_000,
  quarantineMs: 30_000,
  quarantineMostMs: 600_000,
  trialMs: 10_000,
  graceMs: 6_000,
  startMs: 60_000,
  openMs: 30_000,
  stableMs: 2_000,
  reconnectMs: 10_000,
  unwellMs: 60_000,
  unwellMostMs: 1_800_000,
  blameMs: 300_000,
  blameMost: 2,
  halveAfter: 4,
  homeMs: 600_000,
  spares: 1,
  spareMs: 500,
}

export function initialFleet(specs: readonly UnitSpec[], seed: number): FleetState {
  const units = specs.map((spec): [string, Unit] => [
    spec.id,
    {
      spec,
      state: { status: 'stopped', wanted: true },
      failures: [],
      quick: 0,
      mends: 0,
      trials: 0,
      restarts: 0,
      readiness: {},
      everReady: false,
      failing: false,
    },
  ])
  return {
    units: Object.fromEntries(units),
    spares: {},
    spareAt: 0,
    blame: {},
    settled: false,
    processes: 0,
    seed,
  }
}

/** Whether a unit's process is there and answers for its services. */
export function isRunning(
  state: UnitState,
): state is Extract<UnitState, { status: 'starting' | 'healthy' | 'degraded' }> {
  return state.status === 'starting' || state.status === 'healthy' || state.status === 'degraded'
}

/** Who declares to stand on a unit. */
export function dependants(units: readonly Unit[], id: string): Unit[] {
  return units.filter(({ spec }) => spec.after.includes(id))
}

/** Every process that the state knows of. */
export function processesOf(state: FleetState): string[] {
  return [
    ...Object.keys(state.spares),
    ...Object.values(state.units).flatMap((unit) =>
      [
        'process' in unit.state ? unit.state.process : [],
        unit.successor?.process ?? [],
        unit.standIn ?? [],
      ].flat(),
    ),
  ]
}

/** Until when a cell may be unwell; Infinity where it is not. */
export function unwellUntil({ state, mends }: Unit, policy: HealingPolicy): number {
  const from =
    state.status === 'starting'
      ? state.since
      : state.status === 'degraded'
        ? state.from
        : Number.POSITIVE_INFINITY
  return from + Math.min(policy.unwellMostMs, policy.unwellMs * 2 ** mends)
}

/** When time alone changes something next, in ms; Infinity where nothing waits. */
export function nextWake(state: FleetState, policy: HealingPolicy): number {
  let next =
    state.settled && Object.keys(state.spares).length < policy.spares
      ? state.spareAt
      : Number.POSITIVE_INFINITY
  for (const id in state.units) next = Math.min(next, unitWake(state.units[id] as Unit, policy))
  return next
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
  } else {
    if (state.status === 'starting' && spec.kind === 'infrastructure') consider(state.since + policy.startMs)
    if (spec.kind === 'cell') consider(unwellUntil(unit, policy))
  }
  return next
}
