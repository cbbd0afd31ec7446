/**
 * The healing reducer: what becomes of one unit (a cell, or a piece of infrastructure) after an event, and what is to be
 * done. Pure: no clock, no randomness but what is handed in.
 */
import { type Backoff, backoffDelay } from '../std/backoff.ts'

/** Each state carries only what it needs. Times in ms. */
export type UnitState =
  | { readonly status: 'stopped'; readonly failures: readonly number[]; readonly detail?: string }
  | { readonly status: 'starting'; readonly failures: readonly number[]; readonly since: number }
  | { readonly status: 'running'; readonly failures: readonly number[]; readonly since: number }
  | { readonly status: 'backing-off'; readonly failures: readonly number[]; readonly until: number; readonly detail: string }
  | { readonly status: 'quarantined'; readonly failures: readonly number[]; readonly until: number; readonly detail: string }
  | { readonly status: 'stopping'; readonly failures: readonly number[]; readonly restart: boolean; readonly killAt: number }

export type UnitEvent =
  | { readonly type: 'start' }
  | { readonly type: 'up' }
  | { readonly type: 'exited'; readonly detail: string }
  | { readonly type: 'hung' }
  | { readonly type: 'restart' }
  | { readonly type: 'stop' }
  | { readonly type: 'tick' }

export type UnitEffect = { readonly type: 'spawn' } | { readonly type: 'terminate' } | { readonly type: 'kill' } | { readonly type: 'quarantine' }

export interface HealingPolicy {
  readonly autoRestart: boolean
  readonly backoff: Backoff
  /** This many failures within `windowMs` open the breaker: the unit is set aside, and tried again now and then. */
  readonly most: number
  readonly windowMs: number
  readonly quarantineMs: number
  /** How long a unit may take to stop by itself, and to come up. */
  readonly graceMs: number
  readonly startMs: number
}

export const HEALING: HealingPolicy = { autoRestart: true, backoff: { firstMs: 100, mostMs: 30_000 }, most: 10, windowMs: 60_000, quarantineMs: 30_000, graceMs: 6_000, startMs: 60_000 }

export interface Step {
  readonly state: UnitState
  readonly effects: readonly UnitEffect[]
}

export const initialUnit: UnitState = { status: 'stopped', failures: [] }

/** The next state. `now` in ms; `random` gives the jitter. */
export function nextUnit(state: UnitState, event: UnitEvent, now: number, policy: HealingPolicy, random: () => number): Step {
  const stay: Step = { state, effects: [] }
  switch (event.type) {
    case 'start':
      return state.status === 'stopped' ? spawn(state.failures, now) : stay
    case 'up':
      return state.status === 'starting' ? { state: { status: 'running', failures: state.failures, since: now }, effects: [] } : stay
    case 'hung':
      // Its exit, which follows, is what counts as the failure.
      return state.status === 'running' || state.status === 'starting' ? { state, effects: [{ type: 'kill' }] } : stay
    case 'exited':
      if (state.status === 'stopping') return state.restart ? spawn(state.failures, now) : { state: { status: 'stopped', failures: [] }, effects: [] }
      if (state.status !== 'starting' && state.status !== 'running') return stay
      return failed(state.failures, event.detail, now, policy, random)
    case 'restart':
      if (state.status === 'running' || state.status === 'starting') return { state: { status: 'stopping', failures: state.failures, restart: true, killAt: now + policy.graceMs }, effects: [{ type: 'terminate' }] }
      return state.status === 'stopping' ? { state: { ...state, restart: true }, effects: [] } : spawn([], now)
    case 'stop':
      if (state.status === 'running' || state.status === 'starting') return { state: { status: 'stopping', failures: state.failures, restart: false, killAt: now + policy.graceMs }, effects: [{ type: 'terminate' }] }
      return state.status === 'stopping' ? { state: { ...state, restart: false }, effects: [] } : { state: { status: 'stopped', failures: [] }, effects: [] }
    case 'tick':
      if ((state.status === 'backing-off' || state.status === 'quarantined') && now >= state.until) return spawn(state.failures, now)
      if (state.status === 'stopping' && now >= state.killAt) return { state: { ...state, killAt: now + policy.graceMs }, effects: [{ type: 'kill' }] }
      if (state.status === 'starting' && now - state.since >= policy.startMs) return { state: { ...state, since: now }, effects: [{ type: 'kill' }] }
      return stay
  }
}

function spawn(failures: readonly number[], now: number): Step {
  return { state: { status: 'starting', failures, since: now }, effects: [{ type: 'spawn' }] }
}

function failed(before: readonly number[], detail: string, now: number, policy: HealingPolicy, random: () => number): Step {
  const failures = [...before.filter((at) => at > now - policy.windowMs), now]
  if (!policy.autoRestart) return { state: { status: 'stopped', failures, detail: `${detail}; AUTO_RESTART is off` }, effects: [] }
  if (failures.length >= policy.most) return { state: { status: 'quarantined', failures, until: now + policy.quarantineMs, detail }, effects: [{ type: 'quarantine' }] }
  // The first failure of a window is answered at once; a unit that keeps failing waits longer each time.
  const delay = backoffDelay(failures.length - 1, policy.backoff, random)
  return delay === 0 ? spawn(failures, now) : { state: { status: 'backing-off', failures, until: now + delay, detail }, effects: [] }
}
