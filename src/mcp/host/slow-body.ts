/**
 * Reads the rest of a refused body slowly, because a client that is cut off while it sends never reads the
 * refusal.
 */
import type { IncomingMessage } from 'node:http'
import { finished } from 'node:stream/promises'

const MAX_DRAINED_BYTES = 32 * 1024 * 1024
const MAX_DRAIN_MS = 2_000
/**
 * One chunk, then a pause in proportion to the bodies being drained: 50 MB/s in total, which other requests
 * do not notice.
 */
const CHUNK_BYTES = 256 * 1024
const PAUSE_MS = 5
let draining = 0

/** Discards the rest of a body. Resolves with whether all of it arrived within 32 MB and 2 s. */
export async function drainBody(incoming: IncomingMessage): Promise<boolean> {
  if (Number(incoming.headers['content-length'] ?? 0) > MAX_DRAINED_BYTES) return false
  let readBytes = 0
  let pauseAtBytes = CHUNK_BYTES
  draining++
  incoming.on('data', (chunk: Buffer) => {
    readBytes += chunk.length
    if (readBytes < pauseAtBytes) return
    pauseAtBytes += CHUNK_BYTES
    incoming.pause()
    if (readBytes < MAX_DRAINED_BYTES) setTimeout(() => incoming.resume(), PAUSE_MS * draining).unref()
  })
  return finished(incoming, { writable: false, signal: AbortSignal.timeout(MAX_DRAIN_MS) })
    .then(
      () => true,
      () => false,
    )
    .finally(() => draining--)
}
