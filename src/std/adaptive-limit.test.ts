import { expect, test } from 'vitest'
import { AdaptiveLimit } from './adaptive-limit.ts'

test('grows by one for each limit of good answers, shrinks by a third, and stays within its range', () => {
  const limit = new AdaptiveLimit({ first: 10, least: 2, most: 12 })
  for (let answer = 0; answer < 11; answer++) limit.grow()
  expect(limit.value).toBe(11)
  limit.grow(100)
  expect(limit.value).toBe(12)
  limit.shrink()
  expect(limit.value).toBe(8)
  for (let time = 0; time < 20; time++) limit.shrink()
  expect(limit.value).toBe(2)
  expect(() => new AdaptiveLimit({ first: 1, least: 2, most: 3 })).toThrow(RangeError)
})
