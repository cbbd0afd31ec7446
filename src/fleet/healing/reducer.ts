/**
 * The healing reducer: `nextFleet(state, event, now, policy)` returns the next state of the whole fleet and
 * the effects to perform. Pure: no clock, and no randomness but the seed in the state. The state is plain
 * data, so a supervisor that dies leaves it to the next one. `now`: ms of a monotonic clock.
 */
import { Draft, type Step } from './draft.ts'
import { exited } from './exits.ts'
import { released, resize, restart } from './hand-over.ts'
import { health } from './health.ts'
import { addBlame, goHome, separate } from './isolation.ts'
import { restartInPlace, startOnRequest, stop } from './lifecycle.ts'
import { overload } from './overload.ts'
import { scale } from './scaling.ts'
import type { FleetEvent, FleetState, HealingPolicy } from './state.ts'
import { tick } from './timeouts.ts'

/**
 * The state after an event, and the effects to perform. Throws RangeError for a request that names an unknown
 * unit.
 */
export function nextFleet(state: FleetState, event: FleetEvent, now: number, policy: HealingPolicy): Step {
  const draft = new Draft(state, now, policy)
  // The handler is looked up by the very type of the event that it receives.
  const handle = HANDLERS[event.type] as (draft: Draft, event: FleetEvent) => void
  handle(draft, event)
  return draft.step()
}

type Handlers = {
  readonly [T in FleetEvent['type']]: (draft: Draft, event: Extract<FleetEvent, { type: T }>) => void
}

const HANDLERS: Handlers = {
  tick: (draft, { lostMs = 0 }) => {
    if (lostMs > 0) draft.state = { ...draft.state, lostMs: draft.state.lostMs + lostMs }
    tick(draft)
  },
  overload: (draft, { detail }) => overload(draft, detail),
  loaded: (draft, { process }) => {
    if (process in draft.spares) draft.spares = { ...draft.spares, [process]: true }
  },
  health: (draft, { process, services }) => health(draft, process, services),
  released: (draft, { process }) => released(draft, process),
  hung: (draft, { process, detail }) => {
    // The exit that follows counts as the failure.
    draft.kill(process)
    const unit = draft.unitOf(process) ?? draft.unitWithSuccessor(process)
    if (unit) draft.incident(unit, 'hung', detail, 'killed and replaced')
  },
  failed: (draft, { service, detail }) => addBlame(draft, [service], detail),
  exited,
  restart: (draft, { unit, reason, cause }) => restart(draft, draft.unit(unit), reason, cause),
  stop: (draft, { unit, reason, forMs }) => stop(draft, draft.unit(unit), reason, forMs),
  start: (draft, { unit }) => startOnRequest(draft, draft.unit(unit)),
  isolate: (draft, { service, reason }) => {
    const unit = draft.unitHosting(service)
    if (unit && unit.spec.services.length > 1) separate(draft, unit, { services: [service], reason })
  },
  'bring-home': (draft, { service }) => {
    const unit = draft.unitHosting(service)
    if (unit?.spec.home !== undefined) goHome(draft, unit, 'requested')
  },
  scale: (draft, { service, instances }) => scale(draft, service, instances),
  resize: (draft, { unit, heapMb, reason }) => resize(draft, draft.unit(unit), heapMb, reason),
  'dependency-replaced': (draft, { unit }) => {
    // Spares hold data of the replaced dependency, too.
    for (const process of Object.keys(draft.spares)) draft.kill(process)
    for (const each of Object.values(draft.units))
      if (each.spec.follows?.includes(unit)) restartInPlace(draft, each)
  },
  settled: (draft) => {
    draft.state = { ...draft.state, settled: true }
  },
}
