/** Starting, stopping and restarting one unit. */
import type { Draft } from './draft.ts'
import { isRunning, newUnit, type StopPurpose, type Unit, type UnitSpec } from './state.ts'

/** The id of a dependency that is not available, or undefined. */
export function missingDependency(draft: Draft, { spec }: Unit): string | undefined {
  return spec.after.find((id) => {
    const status = draft.units[id]?.state.status
    return status !== undefined && status !== 'healthy' && status !== 'degraded'
  })
}

/** Starts a unit, on a spare if it may use one; leaves it waiting while a dependency is unavailable. */
export function start(draft: Draft, unit: Unit): void {
  const { spec } = unit
  const missing = missingDependency(draft, unit)
  if (missing !== undefined) {
    const detail = `waiting for ${missing}`
    if (unit !== draft.units[spec.id] || unit.state.status !== 'stopped' || unit.state.detail !== detail)
      draft.write({ ...unit, state: { status: 'stopped', wanted: true, detail } })
    return
  }
  if (unit.standIn) draft.kill(unit.standIn)
  const { standIn: _, successor: __, reconnect: ___, waits: ____, released: _____, ...rest } = unit
  const process = processFor(draft, spec)
  if (spec.kind === 'cell') host(draft, process, spec, false)
  draft.write({
    ...rest,
    readiness: {},
    startedAt: draft.realNow,
    state: { status: 'starting', process, since: draft.now },
  })
}

/** Starts a unit that did not exist before. */
export function startNew(draft: Draft, spec: UnitSpec, history: Partial<Unit> = {}): void {
  start(draft, { ...newUnit(spec), ...history })
}

/** A process for a unit: a loaded spare if the unit may use one, else a new one. */
export function processFor(draft: Draft, spec: UnitSpec): string {
  const spare = spec.fromSpare && spec.heapMb === undefined ? draft.takeSpare() : undefined
  return spare ?? draft.spawn(spec.id, spec.heapMb)
}

/** Has a process host a unit's services. `hold`: exclusive work waits for `begin`. */
export function host(draft: Draft, process: string, spec: UnitSpec, hold: boolean): void {
  draft.effects.push({
    type: 'host',
    process,
    unit: spec.id,
    services: spec.services,
    hold,
    ...(spec.instance === undefined ? {} : { instance: spec.instance }),
  })
}

/**
 * Drains a running unit's process; `next` says what follows its exit. Does nothing for a unit that does not
 * run.
 */
export function terminate(draft: Draft, unit: Unit, next: StopPurpose, until?: number): void {
  if (!isRunning(unit.state)) return
  if (unit.successor) draft.kill(unit.successor.process)
  const { successor: _, ...rest } = unit
  const { process } = unit.state
  draft.effects.push({ type: 'drain', process })
  draft.write({
    ...rest,
    restarts: unit.restarts + (next === 'start' ? 1 : 0),
    state: {
      status: 'stopping',
      process,
      next,
      killAt: draft.now + draft.policy.graceMs,
      ...(until === undefined ? {} : { until }),
    },
  })
}

/** Restarts a unit without a successor; forgets its failures if it was waiting to be restarted. */
export function restartInPlace(draft: Draft, unit: Unit): void {
  const { state } = unit
  if (isRunning(state)) terminate(draft, unit, 'start')
  else if (state.status === 'stopping') draft.write({ ...unit, state: { ...state, next: 'start' } })
  else start(draft, { ...unit, failures: [], quick: 0, trials: 0 })
}

/** Starts a unit on request, with its failures forgotten. */
export function startOnRequest(draft: Draft, unit: Unit): void {
  const { state } = unit
  if (state.status === 'stopping') draft.write({ ...unit, state: { ...state, next: 'start' } })
  else if (!isRunning(state)) start(draft, { ...unit, quick: 0, failures: [], trials: 0 })
}

/** Stops a unit, for good or for `forMs`. */
export function stop(draft: Draft, unit: Unit, reason: string, forMs?: number): void {
  const until = forMs === undefined ? undefined : draft.now + forMs
  const { state } = unit
  if (isRunning(state)) terminate(draft, unit, 'stop', until)
  else if (state.status === 'stopping')
    draft.write({ ...unit, state: { ...state, next: 'stop', ...(until === undefined ? {} : { until }) } })
  else {
    if (unit.standIn) draft.kill(unit.standIn)
    const { standIn: _, ...rest } = unit
    draft.write({
      ...rest,
      state: {
        status: 'stopped',
        wanted: false,
        detail: reason,
        ...(until === undefined ? {} : { until }),
      },
    })
  }
}

/** Has a process answer 503 on the ports of a quarantined unit. */
export function standIn(draft: Draft, unit: Unit): void {
  if (unit.spec.services.length === 0 || unit.state.status !== 'quarantined') return
  const process = draft.takeSpare() ?? draft.spawn(null)
  draft.effects.push({
    type: 'stand-in',
    process,
    services: unit.spec.services,
    reason: unit.state.detail,
  })
  draft.write({ ...unit, standIn: process })
}
