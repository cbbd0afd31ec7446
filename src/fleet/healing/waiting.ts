/** How long a thread waited for a CPU, from what the kernel accounts. Times are ms. */

/** A thread as the kernel accounts it. */
export interface ThreadFacts {
  /** `runnable`: it runs or waits for a CPU. `stopped`: by a signal or a debugger. */
  readonly state: 'runnable' | 'stopped' | 'asleep'
  /** On a CPU, since it began. */
  readonly ranMs: number
  /** Waiting for a CPU while runnable, since it began; a wait counts once it is over. */
  readonly waitedMs: number
}

/** Waiting that an observer has counted. */
export interface Waiting {
  readonly waitedMs: number
  /** How much of it the kernel has not added yet. */
  readonly aheadMs: number
}

/**
 * The waiting for a CPU between two observations of a thread, `ms` apart. A thread that is runnable at the
 * second one may still wait: all that it did not run then counts as waiting. `aheadMs`: of the first one.
 */
export function waitedBetween(before: ThreadFacts, after: ThreadFacts, ms: number, aheadMs = 0): Waiting {
  const notRun = Math.max(0, ms - Math.max(0, after.ranMs - before.ranMs))
  const added = after.waitedMs - before.waitedMs
  if (after.state === 'runnable') return { waitedMs: notRun, aheadMs: Math.max(0, aheadMs + notRun - added) }
  return { waitedMs: Math.min(notRun, Math.max(0, added - aheadMs)), aheadMs: 0 }
}
