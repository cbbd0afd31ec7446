import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { measureLoopDelay } from './loop-delay.ts'

test('a blocked event loop is measured, until the next reset', async () => {
  const delay = measureLoopDelay()
  expect(delay.maxMs).toBe(0)
  const until = performance.now() + 700
  while (performance.now() < until);
  await sleep(20)
  // The measurement was due after 100 ms.
  expect(delay.maxMs).toBeGreaterThan(590)
  delay.reset()
  expect(delay.maxMs).toBe(0)
})
