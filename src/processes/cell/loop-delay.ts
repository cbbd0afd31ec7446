/** The delay of this process's event loop. */

/** How often it is measured: each measurement wakes the process. */
const INTERVAL_MS = 100

/** The longest delay since the last reset. */
export interface LoopDelay {
  readonly maxMs: number
  reset(): void
}

/** Begins to measure; does not keep the process running. */
export function measureLoopDelay(): LoopDelay {
  let maxMs = 0
  let dueAt = performance.now() + INTERVAL_MS
  setInterval(() => {
    const now = performance.now()
    maxMs = Math.max(maxMs, now - dueAt)
    dueAt = now + INTERVAL_MS
  }, INTERVAL_MS).unref()
  return {
    get maxMs() {
      return maxMs
    },
    reset: () => {
      maxMs = 0
    },
  }
}
