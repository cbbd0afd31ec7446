/** Consequences of the passage of time: one rule per state of a unit. */
import type { Draft } from './draft.ts'
import { handOverTimedOut } from './hand-over.ts'
import { goHome } from './isolation.ts'
import { missingDependency, restartInPlace, start } from './lifecycle.ts'
import { type Unit, type UnitState, unwellUntil } from './state.ts'

type InState<S extends UnitState['status']> = Extract<UnitState, { status: S }>
type Rules = { readonly [S in UnitState['status']]: (draft: Draft, unit: Unit, state: InState<S>) => void }

/** Applies the rule of each unit's state, and replaces missing spares. */
export function tick(draft: Draft): void {
  for (const id of Object.keys(draft.units)) tickUnit(draft, draft.unit(id))
  fillSpares(draft)
}

function tickUnit(draft: Draft, unit: Unit): void {
  const { state, successor } = unit
  if (successor && draft.now >= successor.until) handOverTimedOut(draft, unit)
  // The rule is looked up by the very status of the state that it receives.
  else (RULES[state.status] as (draft: Draft, unit: Unit, state: UnitState) => void)(draft, unit, state)
}

const RULES: Rules = {
  stopped: (draft, unit, { wanted, until }) => {
    if (wanted || (until !== undefined && draft.now >= until)) start(draft, unit)
  },
  'backing-off': (draft, unit, { until }) => {
    if (draft.now >= until) start(draft, unit)
  },
  quarantined: (draft, unit, { since, until, detail }) => {
    if (draft.now < until || missingDependency(draft, unit) !== undefined) return
    const seconds = Math.round((draft.now - since) / 1_000)
    draft.incident(unit, 'tried-again', `quarantined ${seconds} s ago: ${detail}`, 'started on trial')
    start(draft, { ...unit, trials: unit.trials + 1 })
  },
  starting: (draft, unit, state) => {
    const { startMs } = draft.policy
    if (unit.waits) return
    if (unit.spec.kind === 'infrastructure' && draft.now - state.since >= startMs) {
      draft.kill(state.process)
      draft.write({ ...unit, state: { ...state, since: draft.now } })
    } else restartIfUnwell(draft, unit)
  },
  stopping: (draft, unit, state) => {
    if (draft.now < state.killAt) return
    draft.kill(state.process)
    draft.write({ ...unit, state: { ...state, killAt: draft.now + draft.policy.graceMs } })
  },
  healthy: (draft, unit, { since }) => {
    const { homeMs, trialMs, unwellMs } = draft.policy
    const upMs = draft.now - since
    if (unit.spec.home !== undefined && upMs >= homeMs)
      goHome(draft, unit, `healthy for ${Math.round(homeMs / 60_000)} minutes`)
    else if (unit.reconnect && draft.now >= unit.reconnect.until) {
      const { reconnect: _, ...rest } = unit
      draft.write(rest)
    } else if (unit.trials > 0 && upMs >= trialMs) draft.write({ ...unit, trials: 0, failures: [], quick: 0 })
    else if (unit.unwellRestarts > 0 && upMs >= unwellMs) draft.write({ ...unit, unwellRestarts: 0 })
  },
  degraded: (draft, unit) => restartIfUnwell(draft, unit),
}

/**
 * Restarts a unit that stays unhealthy while its dependencies are available: soon after a failed
 * reconnection, else later each time.
 */
function restartIfUnwell(draft: Draft, unit: Unit): void {
  const { reconnect, spec } = unit
  if (unit.waits || unit.successor || missingDependency(draft, unit) !== undefined) return
  if (reconnect && draft.now >= reconnect.until)
    draft.incident(
      unit,
      'not-reconnected',
      `no connection to ${reconnect.to} after ${draft.policy.reconnectMs} ms`,
      'restarted',
    )
  else if (spec.kind === 'cell' && draft.now >= unwellUntil(unit, draft.policy))
    draft.incident(unit, 'stayed-unwell', unwellReason(unit), 'restarted')
  else return
  const { reconnect: _, ...rest } = unit
  restartInPlace(draft, { ...rest, unwellRestarts: unit.unwellRestarts + 1 })
}

function unwellReason({ readiness }: Unit): string {
  const found = Object.entries(readiness).find(([, reason]) => reason !== null)
  return found?.join(': ') ?? 'no health report'
}

function fillSpares(draft: Draft): void {
  const { settled, overload, spareAt } = draft.state
  if (!settled || overload || draft.now < spareAt) return
  while (Object.keys(draft.spares).length < draft.policy.spares)
    draft.spares = { ...draft.spares, [draft.spawn(null)]: false }
}
