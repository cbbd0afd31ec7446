/** Watches the chain's process: it may be stopped by a signal, or hang, without exiting. */

/** Two checks in a row that find it stopped are enough; a silent one may only be starved, and gets longer. */
const CHECK_MS = 500
const MAX_STOPPED = 2
const SILENT_MS = 15_000

/** The watched chain. */
export interface WatchedChain {
  /** Whether a signal has stopped its process. */
  isStopped(): boolean
  /** Resolves to whether it answers; may take long while it hangs. */
  answers(): Promise<boolean>
  /** ms of a monotonic clock. */
  now(): number
  /** Called once, with the reason in words. */
  onHung(reason: string): void
}

/** Watches until the chain hangs. Returns how to stop. */
export function watchChain({ isStopped, answers, now, onHung }: WatchedChain): () => void {
  let stopped = 0
  let answeredAt = now()
  let asking = false
  const ask = async () => {
    if (asking) return
    asking = true
    if (await answers().catch(() => false)) answeredAt = now()
    asking = false
  }
  const timer = setInterval(() => {
    stopped = isStopped() ? stopped + 1 : 0
    void ask()
    const reason =
      stopped >= MAX_STOPPED
        ? 'the chain was stopped by a signal'
        : now() - answeredAt >= SILENT_MS
          ? `the chain did not answer for ${SILENT_MS / 1_000} s`
          : undefined
    if (reason === undefined) return
    clearInterval(timer)
    onHung(reason)
  }, CHECK_MS)
  return () => clearInterval(timer)
}
