import type { Random } from './random.ts'

export interface Backoff {
  /** Delay before the second attempt in ms; the first is at once. */
  readonly firstMs: number
  readonly mostMs: number
}

/** How long to wait before attempt number `attempt` (0 is the first): 0, then doubling, each with up to 20 % of jitter. */
export function backoffDelay(attempt: number, { firstMs, mostMs }: Backoff, random: Random): number {
  if (attempt <= 0) return 0
  const delay = Math.min(mostMs, firstMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(delay * (1 - 0.2 * random()))
}
