/** State of a rate limit, as a token bucket. Pure. */
export interface TokenBucket {
  readonly tokens: number
  /** When `tokens` was counted, in ms. */
  readonly at: number
}

/**
 * Takes a token if one is left; the bucket holds one minute's worth (`perMinute`). `now` in ms; an undefined
 * bucket is full.
 */
export function take(
  bucket: TokenBucket | undefined,
  perMinute: number,
  now: number,
): { readonly bucket: TokenBucket; readonly allowed: boolean; readonly retryInMs: number } {
  const earned = bucket ? (Math.max(0, now - bucket.at) * perMinute) / 60_000 : perMinute
  const tokens = Math.min(perMinute, (bucket?.tokens ?? 0) + earned)
  if (tokens >= 1) return { bucket: { tokens: tokens - 1, at: now }, allowed: true, retryInMs: 0 }
  return {
    bucket: { tokens, at: now },
    allowed: false,
    retryInMs: Math.ceil(((1 - tokens) * 60_000) / perMinute),
  }
}
