import { expect, test } from 'vitest'
import { type TokenBucket, take } from './token-bucket.ts'

test('a burst of one minute’s worth, then one token per interval; a clock set back adds none', () => {
  let bucket: TokenBucket | undefined
  const allowed = (now: number) => {
    const taken = take(bucket, 60, now)
    bucket = taken.bucket
    return taken.allowed
  }
  expect(Array.from({ length: 61 }, () => allowed(0)).filter(Boolean)).toHaveLength(60)
  expect(take(bucket, 60, 0).retryInMs).toBe(1_000)
  expect(allowed(999)).toBe(false)
  expect(allowed(1_000)).toBe(true)
  expect(allowed(500)).toBe(false)
  expect(Array.from({ length: 200 }, () => allowed(10_000_000)).filter(Boolean)).toHaveLength(60)
})
