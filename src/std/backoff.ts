import type { Random } from './random.ts'

/** Exponential backoff, in ms. The first attempt has no delay. */
export interface Backoff {
  /** Delay before the second attempt. */
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * Delay in ms before attempt `attempt` (0 is the first): 0, then `firstMs` doubling up to `maxMs`, less up to
 * 20 % of jitter.
 */
export function backoffDelay(attempt: number, { firstMs, maxMs }: Backoff, random: Random): number {
  if (attempt <= 0) return 0
  const delay = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(delay * (1 - 0.2 * random()))
}
