/** Garbage collection on request: for the leak detector, and after the start. */
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const COLLECTIONS = 4
const PAUSE_MS = 50
/** How long a cell runs undisturbed after its start, in ms. */
const SETTLED_MS = 500

/** Runs a full collection of this process's heap. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}

/** Bytes on the heap after each of four collections: a cache that fills looks like a leak until then. */
export async function heapAfterCollections(
  collect: () => void = collectGarbage,
  pauseMs: number = PAUSE_MS,
): Promise<number[]> {
  const heapUsed: number[] = []
  for (let round = 0; round < COLLECTIONS; round++) {
    collect()
    heapUsed.push(process.memoryUsage().heapUsed)
    await sleep(pauseMs)
  }
  return heapUsed
}

/** Collects the garbage of the start, which V8 would keep for a long time, once every service is ready. */
export async function collectStartupGarbage(
  isReady: () => Promise<boolean>,
  collect: () => void = collectGarbage,
  settledMs: number = SETTLED_MS,
): Promise<void> {
  while (!(await isReady())) await sleep(settledMs)
  await sleep(settledMs)
  collect()
}
