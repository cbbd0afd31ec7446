/**
 * Circuit breakers and a retry budget, as plain state and pure functions. A breaker opens after failures in a
 * row, lets one call through after a while, and closes when that one succeeds. The budget lets retries be at
 * most a share of calls, so that they never amplify an overload.
 */

/** When a breaker opens, and for how long. */
export interface BreakerPolicy {
  /** Failures in a row that open it. */
  readonly maxFailures: number
  readonly firstMs: number
  readonly maxMs: number
}

/** The default policy. */
export const BREAKER: BreakerPolicy = { maxFailures: 5, firstMs: 500, maxMs: 30_000 }

/** The state of a breaker. Times are ms. */
export type Breaker =
  | { readonly state: 'closed'; readonly failures: number }
  | { readonly state: 'open'; readonly until: number; readonly times: number }
  /** One probe is in flight. */
  | { readonly state: 'half-open'; readonly since: number; readonly times: number }

/** A breaker without failures. */
export const closedBreaker: Breaker = { state: 'closed', failures: 0 }

/**
 * Whether a call may be sent, and the breaker after that. A probe without an outcome expires after `maxMs`.
 */
export function admit(
  breaker: Breaker,
  now: number,
  policy: BreakerPolicy = BREAKER,
): { allowed: boolean; breaker: Breaker } {
  if (breaker.state === 'closed') return { allowed: true, breaker }
  if (breaker.state === 'open' && now < breaker.until) return { allowed: false, breaker }
  if (breaker.state === 'half-open' && now - breaker.since < policy.maxMs) return { allowed: false, breaker }
  return { allowed: true, breaker: { state: 'half-open', since: now, times: breaker.times } }
}

/** The breaker after a call that succeeded. */
export function succeeded(_breaker: Breaker): Breaker {
  return closedBreaker
}

/** The breaker after a call that failed. */
export function failed(breaker: Breaker, now: number, policy: BreakerPolicy = BREAKER): Breaker {
  if (breaker.state === 'open') return breaker
  if (breaker.state === 'closed' && breaker.failures + 1 < policy.maxFailures)
    return { state: 'closed', failures: breaker.failures + 1 }
  const times = breaker.state === 'closed' ? 1 : breaker.times + 1
  return { state: 'open', times, until: now + Math.min(policy.maxMs, policy.firstMs * 2 ** (times - 1)) }
}

/** How long until the next call may try, in ms. */
export function retryIn(breaker: Breaker, now: number): number {
  return breaker.state === 'open' ? Math.max(0, breaker.until - now) : 0
}

/** The retries that are available. */
export interface RetryBudget {
  /** Retries that may be made now. */
  readonly tokens: number
}

/** Retries per call, and the most that are saved up. */
const RETRY_SHARE = 0.2
/** The most retries that are saved up. */
export const MAX_RETRIES = 100
/** A budget that is saved up completely. */
export const fullBudget: RetryBudget = { tokens: MAX_RETRIES }

/** The budget after one more call. */
export function earn(budget: RetryBudget): RetryBudget {
  return { tokens: Math.min(MAX_RETRIES, budget.tokens + RETRY_SHARE) }
}

/** Undefined if none is left. */
export function spend(budget: RetryBudget): RetryBudget | undefined {
  return budget.tokens >= 1 ? { tokens: budget.tokens - 1 } : undefined
}
