/** When garbage is collected: after the start, and four times for the leak detector. */
import { expect, test } from 'vitest'
import { collectGarbage, collectStartupGarbage, heapAfterCollections } from './garbage.ts'

test('the garbage of the start is collected once every service is ready, not before', async () => {
  let [polls, collected] = [0, 0]
  await collectStartupGarbage(
    async () => {
      expect(collected).toBe(0)
      return ++polls === 3
    },
    () => {
      collected++
    },
    1,
  )
  expect([polls, collected]).toEqual([3, 1])
})

test('the heap is measured after each of four collections', async () => {
  let collected = 0
  const heapUsed = await heapAfterCollections(() => {
    collected++
  }, 0)
  expect(collected).toBe(4)
  expect(heapUsed).toHaveLength(4)
  for (const bytes of heapUsed) expect(bytes).toBeGreaterThan(1_000_000)
})

test('a collection frees unreferenced memory', () => {
  let held: number[] | undefined = Array.from({ length: 2_000_000 }, Math.random)
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  expect(held.length).toBe(2_000_000)
  held = undefined
  collectGarbage()
  expect(process.memoryUsage().heapUsed).toBeLessThan(before - 10_000_000)
})
