/** Planned restarts: a successor opens next to the running process, which then drains. */
import type { Draft } from './draft.ts'
import { host, processFor, restartInPlace, terminate } from './lifecycle.ts'
import { isRunning, type RestartCause, type ServiceHealth, type Unit } from './state.ts'

/** Restarts a unit. A unit that may use a spare is succeeded without a gap; any other stops and starts. */
export function restart(draft: Draft, unit: Unit, reason: string, cause: RestartCause): void {
  if (unit.successor) return
  if (!isRunning(unit.state)) {
    restartInPlace(draft, unit)
    return
  }
  const { fromSpare } = unit.spec
  draft.incident(
    unit,
    cause === 'leak' ? 'leak' : 'restarted',
    reason,
    fromSpare ? 'a successor opens first' : 'it stops and starts again',
  )
  if (!fromSpare) {
    terminate(draft, unit, 'start')
    return
  }
  const process = processFor(draft, unit.spec)
  host(draft, process, unit.spec, true)
  draft.write({
    ...unit,
    successor: {
      process,
      phase: 'opening',
      since: draft.now,
      startedAt: draft.realNow,
      until: draft.now + draft.policy.openMs,
    },
  })
}

/** Gives a cell another heap limit (null: the default one), which needs another process. */
export function resize(draft: Draft, unit: Unit, heapMb: number | null, reason: string): void {
  if (unit.spec.kind !== 'cell' || (unit.spec.heapMb ?? null) === heapMb || unit.successor) return
  const { heapMb: _, ...spec } = unit.spec
  const next = { ...unit, spec: heapMb === null ? spec : { ...spec, heapMb } }
  draft.write(next)
  restart(draft, next, reason, 'requested')
}

/** A health report of a successor that is opening: once all its services are open, the old process drains. */
export function successorHealth(draft: Draft, unit: Unit, services: readonly ServiceHealth[]): void {
  const { state, successor, spec } = unit
  if (!successor || !('process' in state)) return
  const isOpen = (id: string) => services.some((each) => each.id === id && (each.ready || each.held))
  if (!spec.services.every(isOpen)) return
  draft.effects.push({ type: 'drain', process: state.process })
  draft.write({
    ...unit,
    successor: { ...successor, phase: 'draining', until: draft.now + draft.policy.graceMs },
  })
}

/** The draining process has released its exclusive work: the successor begins it. */
export function released(draft: Draft, process: string): void {
  const unit = draft.unitOf(process)
  if (unit?.successor?.phase === 'draining' && isRunning(unit.state))
    draft.effects.push({ type: 'begin', process: unit.successor.process })
}

/** The old process has exited: the successor takes its place, planned or just in time. */
export function succeed(draft: Draft, unit: Unit): void {
  const { successor, released: _, ...rest } = unit
  if (!successor) return
  draft.effects.push({ type: 'begin', process: successor.process })
  draft.write({
    ...rest,
    readiness: {},
    restarts: unit.restarts + 1,
    startedAt: successor.startedAt,
    state: { status: 'starting', process: successor.process, since: successor.since },
  })
}

/** A phase of the hand-over took too long. */
export function handOverTimedOut(draft: Draft, unit: Unit): void {
  const { state, successor } = unit
  if (!successor) return
  if (successor.phase === 'opening') {
    abandon(draft, unit, 'its successor did not open in time')
    return
  }
  if ('process' in state) draft.kill(state.process)
  draft.write({ ...unit, successor: { ...successor, until: draft.now + draft.policy.graceMs } })
}

/** Cancels a hand-over. The old process stays; if it was draining already, the unit restarts. */
export function abandon(draft: Draft, unit: Unit, reason: string): void {
  const { successor, ...rest } = unit
  if (!successor) return
  const opening = successor.phase === 'opening'
  draft.incident(unit, 'hand-over-failed', reason, opening ? 'the old process stays' : 'a new process starts')
  draft.kill(successor.process)
  if (opening || !isRunning(unit.state)) draft.write(rest)
  else
    draft.write({
      ...rest,
      state: {
        status: 'stopping',
        process: unit.state.process,
        next: 'start',
        killAt: draft.now + draft.policy.graceMs,
      },
    })
}
