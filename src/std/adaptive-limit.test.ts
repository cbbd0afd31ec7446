import { expect, test } from 'vitest'
import { AdaptiveLimit } from './adaptive-limit.ts'

test('an adaptive limit grows by one for each limit of successes, shrinks by 30 %, and stays in its range', () => {
  const limit = new AdaptiveLimit({ initial: 10, min: 2, max: 12 })
  for (let success = 0; success < 11; success++) limit.grow()
  expect(limit.value).toBe(11)
  limit.grow(100)
  expect(limit.value).toBe(12)
  limit.shrink()
  expect(limit.value).toBe(8)
  for (let time = 0; time < 20; time++) limit.shrink()
  expect(limit.value).toBe(2)
  expect(() => new AdaptiveLimit({ initial: 1, min: 2, max: 3 })).toThrow(RangeError)
})
