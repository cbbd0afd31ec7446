/**
 * Heartbeats, and when silence means that a process hangs. Silence counts only the time that a process had:
 * a process that is runnable and gets no CPU is starved, not hung.
 */
import { type ThreadFacts, type Waiting, waitedBetween } from './waiting.ts'

/** The interval of heartbeats. */
export const HEARTBEAT_MS = 1_000
/** A process that is silent for this long of its own time hangs. */
export const HEARTBEAT_DEADLINE_MS = 2_500
/** The same where the platform does not tell whether a process waits for a CPU. */
export const BLIND_DEADLINE_MS = 10_000
/** The deadline of the first heartbeat of a new process. */
const FIRST_BEAT_MS = 15_000

/** A process whose heartbeat is overdue. */
export interface Overdue {
  /** ms since its last heartbeat, and how many of them it waited for a CPU. */
  readonly silentMs: number
  readonly waitedMs: number
  /** A signal has stopped it. */
  readonly stopped: boolean
}

/** Clock, and the facts of processes. */
export interface HeartbeatsOptions {
  /** ms of a monotonic clock. */
  now(): number
  /** The main thread of a process now; undefined where the platform does not tell. */
  factsOf(process: string): ThreadFacts | undefined
}

interface Listened {
  /** When it was heard last, or has begun. */
  heardAt: number
  /** Whether it was heard at all. */
  heard: boolean
  /** ms of waiting that were known at `heardAt`. */
  waitedBefore: number
  /** All waiting so far: for a CPU, or for an observer that was late itself. */
  waitedMs: number
  /** The last observation. */
  at: number
  facts: ThreadFacts | undefined
  aheadMs: number
  lateBefore: number
}

/** The heartbeats of processes, by name. */
export class Heartbeats {
  readonly #options: HeartbeatsOptions
  readonly #processes = new Map<string, Listened>()
  #lateMs = 0
  #lateAccounted = 0
  #lostMs = 0

  constructor(options: HeartbeatsOptions) {
    this.#options = options
  }

  /** A process has begun: it may take longer until its first heartbeat. */
  begin(process: string): void {
    const at = this.#options.now()
    this.#processes.set(process, {
      heardAt: at,
      heard: false,
      waitedBefore: 0,
      waitedMs: 0,
      at,
      facts: this.#options.factsOf(process),
      aheadMs: 0,
      lateBefore: this.#lateMs,
    })
  }

  /** A sign of life of a process that has begun. */
  heard(process: string): void {
    const listened = this.#processes.get(process)
    if (!listened) return
    this.#observe(process, listened)
    listened.heardAt = listened.at
    listened.heard = true
    listened.waitedBefore = listened.waitedMs
  }

  forget(process: string): void {
    this.#processes.delete(process)
  }

  /** The observer itself was late by this much: signs of life may wait in its own queue. */
  late(ms: number): void {
    this.#lateMs += ms
  }

  /**
   * How much time all processes together have lost, in ms: for each span between two calls of `account`, as
   * much as the one that waited longest.
   */
  get lostMs(): number {
    return this.#lostMs
  }

  /** Observes all processes. */
  account(): void {
    let longest = this.#lateMs - this.#lateAccounted
    this.#lateAccounted = this.#lateMs
    for (const [process, listened] of this.#processes) {
      const before = listened.waitedMs
      this.#observe(process, listened)
      longest = Math.max(longest, listened.waitedMs - before)
    }
    this.#lostMs += longest
  }

  /** Undefined while the process is within its deadline. */
  overdue(process: string): Overdue | undefined {
    const listened = this.#processes.get(process)
    if (!listened || this.#options.now() < dueAt(listened)) return undefined
    this.#observe(process, listened)
    if (listened.at < dueAt(listened)) return undefined
    return {
      silentMs: listened.at - listened.heardAt,
      waitedMs: listened.waitedMs - listened.waitedBefore,
      stopped: listened.facts?.state === 'stopped',
    }
  }

  /** The processes that are listened to. */
  processes(): string[] {
    return [...this.#processes.keys()]
  }

  /** The earliest time at which a process may be overdue; Infinity if none is listened to. */
  nextDueAt(): number {
    return Math.min(...[...this.#processes.values()].map(dueAt))
  }

  #observe(process: string, listened: Listened): void {
    const at = this.#options.now()
    const ms = at - listened.at
    const facts = this.#options.factsOf(process)
    const { waitedMs, aheadMs } =
      listened.facts && facts ? waitedBetween(listened.facts, facts, ms, listened.aheadMs) : NO_WAITING
    listened.waitedMs += Math.min(ms, waitedMs + this.#lateMs - listened.lateBefore)
    listened.aheadMs = aheadMs
    listened.at = at
    listened.facts = facts
    listened.lateBefore = this.#lateMs
  }
}

const NO_WAITING: Waiting = { waitedMs: 0, aheadMs: 0 }

/** When a process is overdue if it waits no more. */
function dueAt({ heardAt, heard, waitedMs, waitedBefore, facts }: Listened): number {
  const allowed = !heard ? FIRST_BEAT_MS : facts ? HEARTBEAT_DEADLINE_MS : BLIND_DEADLINE_MS
  return heardAt + allowed + waitedMs - waitedBefore
}
