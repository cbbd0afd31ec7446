/** Waiting during chaos, while any process may be unavailable for a moment. */
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 50
const PATIENCE_MS = 10_000

/** Polls until `check` is true; false after `timeoutMs`. A check that throws counts as false. */
export async function until(check: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs
  while (Date.now() < end) {
    if (await check().catch(() => false)) return true
    await sleep(POLL_MS)
  }
  return false
}

/** Repeats `work` until it succeeds; after ten seconds throws its last error. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (Date.now() > end) throw error
      await sleep(POLL_MS)
    }
  }
}
