/** Waiting for blocks: a call that follows the market for some seconds. */
import type { MarketChange, MarketView } from '../../ports/market.ts'

export interface WatchOptions {
  readonly seconds: number
  /** The service's clock, in ms since 1970. */
  readonly now: () => number
  readonly signal: AbortSignal
}

/**
 * Calls `onBlock` with each block of the next seconds and with the number of blocks so far. Resolves with the
 * number of blocks. Rejects with the signal's reason, and with what `onBlock` throws.
 */
export async function watchBlocks(
  market: Pick<MarketView, 'subscribe'>,
  { seconds, now, signal }: WatchOptions,
  onBlock: (change: MarketChange, blocks: number) => void,
): Promise<number> {
  signal.throwIfAborted()
  const until = now() + seconds * 1_000
  const ended = Promise.withResolvers<void>()
  let blocks = 0
  const unsubscribe = market.subscribe((change) => {
    if (now() > until) return ended.resolve()
    try {
      onBlock(change, ++blocks)
    } catch (error) {
      ended.reject(error)
    }
  })
  const abort = () => ended.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  // Without blocks, the clock of the machine ends the watch.
  const timer = setTimeout(ended.resolve, seconds * 1_000)
  try {
    await ended.promise
    return blocks
  } finally {
    unsubscribe()
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}
