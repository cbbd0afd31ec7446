/**
 * Exits of processes: the unit concerned, whether the exit was planned, and the consequences of a failure.
 */
import { backoffDelay } from '../../std/backoff.ts'
import { describeExit } from '../exit-cause.ts'
import type { Draft } from './draft.ts'
import { abandon, succeed } from './hand-over.ts'
import { addBlame, arriveHome, endedFromOutside, separate, separationOf, suspectsOf } from './isolation.ts'
import { standIn, start } from './lifecycle.ts'
import { type FleetEvent, type InFlightCall, isRunning, type Unit } from './state.ts'

type Exit = Extract<FleetEvent, { type: 'exited' }>

/** A process exited: a spare, a stand-in, a successor, or the process of a unit. */
export function exited(draft: Draft, exit: Exit): void {
  const { process } = exit
  if (process in draft.spares) {
    draft.dropSpare(process)
    draft.state = { ...draft.state, spareAt: draft.now + draft.policy.spareMs }
    return
  }
  const quarantined = Object.values(draft.units).find((unit) => unit.standIn === process)
  if (quarantined) {
    const { standIn: _, ...rest } = quarantined
    draft.write(rest)
    standIn(draft, rest)
    return
  }
  const succeeded = draft.unitWithSuccessor(process)
  if (succeeded) {
    abandon(draft, succeeded, `its successor: ${exitDetail(exit)}`)
    return
  }
  const unit = draft.unitOf(process)
  if (!unit) return
  if (unit.state.status === 'stopping') stopped(draft, unit, unit.state)
  else if (!isRunning(unit.state)) return
  else if (unit.successor) succeed(draft, unit)
  else failed(draft, unit, unit.state.since, exit)
}

/** A process that was requested to stop has exited. */
function stopped(draft: Draft, unit: Unit, state: Extract<Unit['state'], { status: 'stopping' }>): void {
  switch (state.next) {
    case 'start':
      start(draft, unit)
      break
    case 'stop':
      draft.write({
        ...unit,
        state: {
          status: 'stopped',
          wanted: false,
          detail: 'stopped on request',
          ...(state.until === undefined ? {} : { until: state.until }),
        },
      })
      break
    case 'home':
      arriveHome(draft, unit)
      break
    case 'remove':
      draft.remove(unit.spec.id)
  }
}

/**
 * A unit failed: its services are separated, or it is quarantined, or it restarts, at once or after a delay.
 */
function failed(draft: Draft, unit: Unit, since: number, exit: Exit): void {
  const { policy } = draft
  const detail = exitDetail(exit)
  const next = afterFailure(draft, unit, since, exit)
  if (!policy.autoRestart) {
    const reason = `${detail}; AUTO_RESTART is off`
    draft.incident(unit, 'exited', detail, 'AUTO_RESTART is off: it is not restarted')
    draft.write({ ...next, state: { status: 'stopped', wanted: false, detail: reason } })
    return
  }
  if (!exit.deliberate) addBlame(draft, suspectsOf(exit), detail)
  const isOwn = !exit.deliberate && !endedFromOutside(exit)
  const separation = unit.spec.services.length > 1 && isOwn ? separationOf(draft, next) : undefined
  if (separation) {
    draft.incident(unit, 'exited', detail, 'its services are separated')
    separate(draft, next, separation)
  } else if (next.trials > 0 || next.failures.length >= policy.maxFailures) quarantine(draft, next, detail)
  else restartAfterDelay(draft, next, detail)
}

/** The unit's history with one more failure. A deliberate exit counts toward no limit. */
function afterFailure({ now, realNow, policy }: Draft, unit: Unit, since: number, exit: Exit): Unit {
  const { deliberate } = exit
  const stable = now - since >= (unit.trials > 0 ? policy.trialMs : policy.stableMs)
  const passedTrial = stable && unit.trials > 0
  const recent = unit.failures.filter(({ at }) => at > now - policy.windowMs)
  const failures = deliberate ? unit.failures : [...recent, { at: now, outside: endedFromOutside(exit) }]
  return {
    ...unit,
    failures: passedTrial ? [] : failures,
    quick: stable || deliberate ? 0 : unit.quick + 1,
    trials: stable ? 0 : unit.trials,
    failing: true,
    failedAt: unit.failedAt ?? realNow,
    restarts: unit.restarts + 1,
    readiness: {},
  }
}

function quarantine(draft: Draft, unit: Unit, detail: string): void {
  const { policy, now } = draft
  const { trials, failures } = unit
  const waitMs = Math.min(policy.maxQuarantineMs, policy.quarantineMs * 2 ** trials)
  const reason =
    trials > 0
      ? `failed on trial ${trials}`
      : `failed ${failures.length} times within ${policy.windowMs / 1_000} s`
  draft.incident(
    unit,
    'quarantined',
    `${detail}; ${reason}`,
    `quarantined; next trial in ${waitMs / 1_000} s`,
  )
  draft.write({ ...unit, state: { status: 'quarantined', since: now, until: now + waitMs, detail } })
  standIn(draft, draft.unit(unit.spec.id))
}

function restartAfterDelay(draft: Draft, unit: Unit, detail: string): void {
  const delayMs = backoffDelay(unit.quick - 1, draft.policy.backoff, draft.random())
  draft.incident(unit, 'exited', detail, delayMs === 0 ? 'restarted at once' : `restart in ${delayMs} ms`)
  if (delayMs === 0) start(draft, unit)
  else draft.write({ ...unit, state: { status: 'backing-off', until: draft.now + delayMs, detail } })
}

/** The cause and the calls in flight, in words. */
function exitDetail({ cause, calls }: Exit): string {
  const inFlight = calls.map(describeCall).join(', ')
  return `${describeExit(cause)}${inFlight === '' ? '' : `; calls in flight: ${inFlight}`}`
}

const describeCall = ({ service, tool, count }: InFlightCall): string =>
  `${service} ${tool}${count > 1 ? ` (${count} calls)` : ''}`
