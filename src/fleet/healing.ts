/**
 * The healing reducer: what becomes of one unit (a cell, or a piece of infrastructure) after an event, and what is to be
 * done. Pure: no clock, no randomness but what is handed in.
 */
import { type Backoff, backoffDelay } from '../std/backoff.ts'

/** Each state carries only what it needs. Times in ms. */
export type UnitState = History &
  (
    | { readonly status: 'stopped'; readonly detail?: string }
    | { readonly status: 'starting'; readonly since: number }
    | { readonly status: 'running'; readonly since: number }
    | { readonly status: 'backing-off'; readonly until: number; readonly detail: string }
    | { readonly status: 'quarantined'; readonly until: number; readonly detail: string }
    | { readonly status: 'stopping'; readonly restart: boolean; readonly killAt: number }
  )

export interface History {
  /** When it failed, within the breaker's window. */
  readonly failures: readonly number[]
  /** Failures in a row, each soon after a start: a unit that ran for a while and was killed is started at once. */
  readonly quick: number
}

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
  /** A unit that was up for this long was not failing to start. */
  readonly stableMs: number
}

export const HEALING: HealingPolicy = {
  autoRestart: true,
  backoff: { firstMs: 100, mostMs: 30_000 },
  most: 10,
  windowMs: 60_000,
  quarantineMs: 30_000,
  graceMs: 6_000,
  startMs: 60_000,
  stableMs: 2_000,
}

export interface Step {
  readonly state: UnitState
  readonly effects: readonly UnitEffect[]
}

const FRESH: History = { failures: [], quick: 0 }

export const initialUnit: UnitState = { status: 'stopped', ...FRESH }

/** The next state. `now` in ms; `random` gives the jitter. */
export function nextUnit(state: UnitState, event: UnitEvent, now: number, policy: HealingPolicy, random: () => number): Step {
  const stay: Step = { state, effects: [] }
  switch (event.type) {
    case 'start':
      return state.status === 'stopped' ? spawn(state, now) : stay
    case 'up':
      return state.status === 'starting' ? { state: { status: 'running', ...historyOf(state), since: now }, effects: [] } : stay
    case 'hung':
      // Its exit, which follows, is what counts as the failure.
      return state.status === 'running' || state.status === 'starting' ? { state, effects: [{ type: 'kill' }] } : stay
    case 'exited':
      if (state.status === 'stopping') return state.restart ? spawn(state, now) : { state: { status: 'stopped', ...FRESH }, effects: [] }
      if (state.status !== 'starting' && state.status !== 'running') return stay
      return failed(state, event.detail, now, policy, random)
    case 'restart':
      if (state.status === 'running' || state.status === 'starting')
        return { state: { status: 'stopping', ...historyOf(state), restart: true, killAt: now + policy.graceMs }, effects: [{ type: 'terminate' }] }
      return state.status === 'stopping' ? { state: { ...state, restart: true }, effects: [] } : spawn(FRESH, now)
    case 'stop':
      if (state.status === 'running' || state.status === 'starting')
        return { state: { status: 'stopping', ...historyOf(state), restart: false, killAt: now + policy.graceMs }, effects: [{ type: 'terminate' }] }
      return state.status === 'stopping' ? { state: { ...state, restart: false }, effects: [] } : { state: { status: 'stopped', ...FRESH }, effects: [] }
    case 'tick':
      if ((state.status === 'backing-off' || state.status === 'quarantined') && now >= state.until) return spawn(state, now)
      if (state.status === 'stopping' && now >= state.killAt) return { state: { ...state, killAt: now + policy.graceMs }, effects: [{ type: 'kill' }] }
      if (state.status === 'starting' && now - state.since >= policy.startMs) return { state: { ...state, since: now }, effects: [{ type: 'kill' }] }
      return stay
  }
}

const historyOf = ({ failures, quick }: History): History => ({ failures, quick })

function spawn(history: History, now: number): Step {
  return { state: { status: 'starting', ...historyOf(history), since: now }, effects: [{ type: 'spawn' }] }
}

function failed(state: UnitState & { status: 'starting' | 'running' }, detail: string, now: number, policy: HealingPolicy, random: () => number): Step {
  const stable = state.status === 'running' && now - state.since >= policy.stableMs
  const history: History = { failures: [...state.failures.filter((at) => at > now - policy.windowMs), now], quick: stable ? 0 : state.quick + 1 }
  if (!policy.autoRestart) return { state: { status: 'stopped', ...history, detail: `${detail}; AUTO_RESTART is off` }, effects: [] }
  if (history.failures.length >= policy.most) return { state: { status: 'quarantined', ...history, until: now + policy.quarantineMs, detail }, effects: [{ type: 'quarantine' }] }
  const delay = backoffDelay(history.quick - 1, policy.backoff, random)
  return delay === 0 ? spawn(history, now) : { state: { status: 'backing-off', ...history, until: now + delay, detail }, effects: [] }
}
