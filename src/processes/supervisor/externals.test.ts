import { expect, test } from 'vitest'
import { nodeIntervalMs } from './externals.ts'

test('probes of a node use at most a hundredth of its call budget', () => {
  expect(nodeIntervalMs({ perSecond: 0, perDay: 0 })).toBe(2_000)
  // A hundredth of 100,000 calls is 1,000 a day: one in 86.4 s.
  expect(nodeIntervalMs({ perSecond: 0, perDay: 100_000 })).toBe(86_400)
  // A hundredth of 5 calls a second: one in 20 s.
  expect(nodeIntervalMs({ perSecond: 5, perDay: 0 })).toBe(20_000)
  expect(nodeIntervalMs({ perSecond: 5, perDay: 100_000 })).toBe(86_400)
  expect(nodeIntervalMs({ perSecond: 10_000, perDay: 0 })).toBe(2_000)
})
