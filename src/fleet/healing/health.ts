/** Health reports of processes, and the consequences of a recovery. */
import type { Draft } from './draft.ts'
import { successorHealth } from './hand-over.ts'
import { start } from './lifecycle.ts'
import { dependants, isRunning, type Readiness, type ServiceHealth, type Unit } from './state.ts'

/** A health report: updates the unit's readiness, or opens the hand-over if the process is a successor. */
export function health(draft: Draft, process: string, services: readonly ServiceHealth[]): void {
  const succeeded = draft.unitWithSuccessor(process)
  if (succeeded?.successor?.phase === 'opening') {
    successorHealth(draft, succeeded, services)
    return
  }
  const unit = draft.unitOf(process)
  if (!unit || !isRunning(unit.state)) return
  const readiness = Object.fromEntries(
    services.map(({ id, ready, reason }) => [id, ready ? null : (reason ?? 'not ready')]),
  )
  const expected = unit.spec.kind === 'infrastructure' ? [unit.spec.id] : unit.spec.services
  const missing = expected.find((id) => readiness[id] !== null)
  const waits = services.every(({ ready, waits }) => ready || waits === true)
  if (missing === undefined) healthy(draft, withoutWaits(unit), unit.state, readiness)
  else if (waits) unwell(draft, { ...unit, waits }, unit.state, readiness, missing)
  else resumed(draft, unit, unit.state, readiness, missing)
}

type Running = Extract<Unit['state'], { status: 'starting' | 'healthy' | 'degraded' }>

function healthy(draft: Draft, unit: Unit, state: Running, readiness: Readiness): void {
  if (state.status === 'healthy' && !unit.reconnect && equalReadiness(unit.readiness, readiness)) return
  const { reconnect: _, failedAt, ...rest } = unit
  draft.write({
    ...rest,
    readiness,
    failing: false,
    everReady: true,
    state: { status: 'healthy', process: state.process, since: state.since },
  })
  if (failedAt !== undefined) {
    const durationMs = draft.realNow - failedAt
    draft.incident(
      unit,
      'recovered',
      `healthy ${Math.round(durationMs)} ms after it failed`,
      'none',
      durationMs,
    )
  }
  if (state.status !== 'healthy') notifyDependants(draft, unit)
}

function withoutWaits({ waits: _, ...unit }: Unit): Unit {
  return unit
}

/** A unit that need not wait any more has as much time to become ready as one that has just started. */
function resumed(draft: Draft, unit: Unit, state: Running, readiness: Readiness, missing: string): void {
  if (!unit.waits) {
    unwell(draft, unit, state, readiness, missing)
    return
  }
  const again: Running =
    state.status === 'degraded' ? { ...state, from: draft.now } : { ...state, since: draft.now }
  draft.write({ ...withoutWaits(unit), state: again })
  unwell(draft, draft.unit(unit.spec.id), again, readiness, missing)
}

function unwell(draft: Draft, unit: Unit, state: Running, readiness: Readiness, missing: string): void {
  const isSame = unit.waits === draft.unit(unit.spec.id).waits && equalReadiness(unit.readiness, readiness)
  if (state.status !== 'healthy' && isSame) return
  if (state.status === 'starting') {
    draft.write({ ...unit, readiness })
    return
  }
  draft.write({
    ...unit,
    readiness,
    state: {
      status: 'degraded',
      process: state.process,
      since: state.since,
      from: state.status === 'degraded' ? state.from : draft.now,
      detail: `${missing}: ${readiness[missing] ?? 'no report'}`,
    },
  })
}

/** Has running dependants reconnect at once instead of at their next attempt, and starts those that wait. */
function notifyDependants(draft: Draft, unit: Unit): void {
  const to = unit.spec.id
  for (const { spec } of dependants(Object.values(draft.units), to)) {
    const dependant = draft.unit(spec.id)
    const { state } = dependant
    if (isRunning(state)) {
      if (!unit.everReady) continue
      draft.effects.push({ type: 'reconnect', process: state.process, to })
      draft.write({ ...dependant, reconnect: { to, until: draft.now + draft.policy.reconnectMs } })
    } else if (state.status === 'backing-off' || (state.status === 'stopped' && state.wanted))
      start(draft, dependant)
  }
}

function equalReadiness(a: Readiness, b: Readiness): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}
