import { expect, test } from 'vitest'
import {
  admit,
  BREAKER,
  type Breaker,
  closedBreaker,
  earn,
  failed,
  fullBudget,
  MAX_RETRIES,
  retryIn,
  spend,
  succeeded,
} from './breaker.ts'

test('opens after consecutive failures, admits one probe, closes on success, waits longer on failure', () => {
  let breaker: Breaker = closedBreaker
  for (let count = 1; count < BREAKER.maxFailures; count++) breaker = failed(breaker, 0)
  expect(admit(breaker, 0).allowed).toBe(true)
  breaker = failed(breaker, 0)
  expect(breaker.state).toBe('open')
  expect(admit(breaker, BREAKER.firstMs - 1).allowed).toBe(false)
  expect(retryIn(breaker, 100)).toBe(BREAKER.firstMs - 100)
  const probe = admit(breaker, BREAKER.firstMs)
  expect(probe.allowed).toBe(true)
  expect(admit(probe.breaker, BREAKER.firstMs + 1).allowed).toBe(false)
  const again = failed(probe.breaker, BREAKER.firstMs)
  expect(retryIn(again, BREAKER.firstMs)).toBe(BREAKER.firstMs * 2)
  expect(succeeded(probe.breaker)).toEqual(closedBreaker)
})

test('a success resets the count; waits are bounded; a lost probe expires', () => {
  let breaker: Breaker = closedBreaker
  for (let count = 0; count < 4; count++) breaker = failed(breaker, 0)
  breaker = failed(succeeded(breaker), 0)
  expect(breaker).toEqual({ state: 'closed', failures: 1 })
  breaker = { state: 'open', until: 0, times: 40 }
  const probe = admit(breaker, 1)
  expect(retryIn(failed(probe.breaker, 1), 1)).toBe(BREAKER.maxMs)
  expect(admit(probe.breaker, 1 + BREAKER.maxMs).allowed).toBe(true)
})

test('retries are at most a fifth of calls, beyond the saved budget', () => {
  let budget = fullBudget
  let retried = 0
  for (let call = 0; call < 1_000; call++) {
    budget = earn(budget)
    const next = spend(budget)
    if (next) {
      budget = next
      retried++
    }
  }
  expect(retried).toBeLessThanOrEqual(MAX_RETRIES + 200)
  expect(retried).toBeGreaterThan(250)
})
