/** Watches the chain's process: it may be stopped by a signal, or hang, without exiting. */
import { type ThreadFacts, type Waiting, waitedBetween } from '../fleet/healing/waiting.ts'

/** Two checks in a row that find it stopped are enough; a silent one gets longer. */
const CHECK_MS = 500
const MAX_STOPPED = 2
const SILENT_MS = 15_000
/** A check that is later than this was late itself: an answer may wait in this process's own queue. */
const MAX_STEP_MS = 1_000

/** The watched chain. */
export interface WatchedChain {
  /** The main thread of its process now; undefined where the platform does not tell. */
  facts(): ThreadFacts | undefined
  /** Resolves to whether it answers; may take long while it hangs. */
  answers(): Promise<boolean>
  /** ms of a monotonic clock. */
  now(): number
  /** Called once, with the reason in words. */
  onHung(reason: string): void
}

/**
 * Watches until the chain hangs. Silence counts only the time that the chain and this process had: a chain
 * that waits for a CPU is starved, not hung. Returns how to stop.
 */
export function watchChain({ facts, answers, now, onHung }: WatchedChain): () => void {
  let stopped = 0
  let silentMs = 0
  let asking = false
  let [at, before, waiting]: [number, ThreadFacts | undefined, Waiting] = [now(), facts(), NO_WAITING]
  const ask = async () => {
    if (asking) return
    asking = true
    if (await answers().catch(() => false)) silentMs = 0
    asking = false
  }
  const timer = setInterval(() => {
    const [present, after] = [now(), facts()]
    const stepMs = Math.min(present - at, MAX_STEP_MS)
    waiting = before && after ? waitedBetween(before, after, stepMs, waiting.aheadMs) : NO_WAITING
    silentMs += Math.max(0, stepMs - waiting.waitedMs)
    at = present
    before = after
    stopped = after?.state === 'stopped' ? stopped + 1 : 0
    void ask()
    const reason =
      stopped >= MAX_STOPPED
        ? 'the chain was stopped by a signal'
        : silentMs >= SILENT_MS
          ? `the chain did not answer for ${SILENT_MS / 1_000} s`
          : undefined
    if (reason === undefined) return
    clearInterval(timer)
    onHung(reason)
  }, CHECK_MS)
  return () => clearInterval(timer)
}

const NO_WAITING: Waiting = { waitedMs: 0, aheadMs: 0 }
