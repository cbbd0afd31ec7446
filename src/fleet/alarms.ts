/**
 * Alarms about trading as a whole: a fleet may be healthy in all its parts and still do nothing. Pure: times
 * and facts are passed in.
 */

/** What a service reports of its progress; each service knows a part. Blocks are numbers of the chain. */
export interface Progress {
  /** The newest block that it has read. */
  readonly head?: number
  /** The last block in which it found opportunities. */
  readonly found?: number
  /** The last block whose opportunities it decided on. */
  readonly decided?: number
  /** The last block at which it sent a trade, or wrote one on paper. */
  readonly traded?: number
  /** The rule that refused the last opportunity; null if none did. */
  readonly refusedBy?: string | null
}

/** The kinds of alarms. */
export type AlarmKind = 'no-block' | 'no-decision' | 'no-trade'

/** An alarm that holds now, in words for people. */
export interface Alarm {
  readonly kind: AlarmKind
  readonly message: string
}

/** When alarms are raised. */
export interface AlarmPolicy {
  /** The shortest silence of the chain that counts, in ms, and its multiple of the usual interval. */
  readonly silenceMs: number
  readonly silenceIntervals: number
  /** Blocks for which found opportunities may wait for a decision. */
  readonly undecidedBlocks: number
  /** No trade for this many blocks, although opportunities were found in this many of them. */
  readonly tradelessBlocks: number
  readonly tradelessFinds: number
}

/** The default policy. */
export const ALARMS: AlarmPolicy = {
  silenceMs: 15_000,
  silenceIntervals: 5,
  undecidedBlocks: 10,
  tradelessBlocks: 60,
  tradelessFinds: 20,
}

/** What the alarms follow from. Plain data; times in ms. */
export interface AlarmState {
  readonly head: number | null
  readonly headAt: number
  /** The usual time between blocks; null before two blocks. */
  readonly intervalMs: number | null
  readonly found: number | null
  readonly decided: number | null
  readonly traded: number | null
  readonly refusedBy: string | null
  /** The first block with opportunities that are not decided; null if all are. */
  readonly undecidedSince: number | null
  /** Where the count of blocks without a trade began, and the blocks with opportunities since. */
  readonly tradelessSince: number | null
  readonly finds: number
}

/** Nothing is known yet. */
export const UNOBSERVED: AlarmState = {
  head: null,
  headAt: 0,
  intervalMs: null,
  found: null,
  decided: null,
  traded: null,
  refusedBy: null,
  undecidedSince: null,
  tradelessSince: null,
  finds: 0,
}

/** Weight of a new interval in the usual one. */
const WEIGHT = 0.2
/** A longer jump is another chain, or a node that catches up: nobody traded the blocks in between. */
const MAX_JUMP = 50
/** A longer interval is an outage, which must not hide the next one: it counts as this many usual ones. */
const MAX_INTERVALS = 5
/** Refusals while a person halts trading, or overload pauses it: blocks without a trade are intended then. */
const INTENDED: ReadonlySet<string> = new Set(['trading not halted', 'paused'])

/** The state after a report of a service at `now`, in ms. */
export function observe(state: AlarmState, report: Progress, now: number): AlarmState {
  const blocks = onHead(state, report.head, now)
  const finds = onFound(blocks, report.found)
  const decisions = onDecided(finds, report)
  return onTraded(decisions, report.traded)
}

function onHead(state: AlarmState, head: number | undefined, now: number): AlarmState {
  if (head === undefined || head === state.head) return state
  if (state.head === null || Math.abs(head - state.head) > MAX_JUMP)
    return { ...UNOBSERVED, head, headAt: now, intervalMs: state.intervalMs, tradelessSince: head }
  if (head < state.head) return state
  const usual = state.intervalMs
  const interval = (now - state.headAt) / (head - state.head)
  const intervalMs =
    usual === null ? interval : usual + WEIGHT * (Math.min(interval, MAX_INTERVALS * usual) - usual)
  return { ...state, head, headAt: now, intervalMs }
}

function onFound(state: AlarmState, found: number | undefined): AlarmState {
  if (found === undefined || (state.found !== null && found <= state.found)) return state
  if (state.head === null || Math.abs(found - state.head) > MAX_JUMP) return state
  const isDecided = state.decided !== null && state.decided >= found
  return {
    ...state,
    found,
    finds: state.finds + 1,
    undecidedSince: isDecided ? null : (state.undecidedSince ?? found),
  }
}

function onDecided(state: AlarmState, { decided, refusedBy }: Progress): AlarmState {
  if (decided === undefined || (state.decided !== null && decided < state.decided)) return state
  const { undecidedSince, found } = state
  const isLate = undecidedSince !== null && decided < undecidedSince
  return {
    ...state,
    decided,
    refusedBy: refusedBy ?? null,
    // What was found after the decided block still waits.
    undecidedSince: isLate ? undecidedSince : found !== null && found > decided ? found : null,
    ...(INTENDED.has(refusedBy ?? '') ? { tradelessSince: decided, finds: 0 } : {}),
  }
}

function onTraded(state: AlarmState, traded: number | undefined): AlarmState {
  if (traded === undefined || (state.traded !== null && traded <= state.traded)) return state
  return { ...state, traded, tradelessSince: traded, finds: 0 }
}

/** The alarms that hold at `now`, in ms. */
export function alarmsOf(state: AlarmState, now: number, policy: AlarmPolicy): Alarm[] {
  const { head, headAt, intervalMs, undecidedSince, tradelessSince, finds, refusedBy } = state
  if (head === null) return []
  const alarms: Alarm[] = []
  const silentMs = now - headAt
  if (silentMs >= Math.max(policy.silenceMs, policy.silenceIntervals * (intervalMs ?? 0)))
    alarms.push({
      kind: 'no-block',
      message: `no block for ${Math.floor(silentMs / 1_000)} s; the last one was ${head}`,
    })
  if (undecidedSince !== null && head - undecidedSince >= policy.undecidedBlocks)
    alarms.push({
      kind: 'no-decision',
      message: `no decision for ${head - undecidedSince} blocks on the opportunities found since block ${undecidedSince}`,
    })
  if (
    tradelessSince !== null &&
    head - tradelessSince >= policy.tradelessBlocks &&
    finds >= policy.tradelessFinds
  )
    alarms.push({
      kind: 'no-trade',
      message: `no trade for ${head - tradelessSince} blocks although opportunities were found in ${finds} of them${refusedBy === null ? '' : `; the last one was refused by: ${refusedBy}`}`,
    })
  return alarms
}
