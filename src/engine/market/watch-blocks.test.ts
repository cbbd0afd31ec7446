import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { World } from '../../../test/support/world/world.ts'
import { watchBlocks } from './watch-blocks.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const watching = (seconds: number, onBlock: (number: number, blocks: number) => void = () => undefined) => {
  const world = new World()
  const controller = new AbortController()
  const { now, market } = world
  const watched = watchBlocks(market, { seconds, now, signal: controller.signal }, ({ head }, blocks) =>
    onBlock(head.number, blocks),
  )
  watched.catch(() => undefined)
  return { world, controller, watched }
}

test('blocks within the time count, by the clock of the service', async () => {
  const seen: [number, number][] = []
  const { world, watched } = watching(4, (number, blocks) => void seen.push([number, blocks]))
  // One block each 2 s: the third comes after 6 s.
  for (let block = 0; block < 4; block++) world.mine()
  expect(await watched).toBe(2)
  expect(seen).toEqual([
    [101, 1],
    [102, 2],
  ])
})

test('without blocks it ends by the clock of the machine', async () => {
  const { watched } = watching(3)
  await vi.advanceTimersByTimeAsync(2_999)
  expect(await Promise.race([watched, 'waiting'])).toBe('waiting')
  await vi.advanceTimersByTimeAsync(1)
  expect(await watched).toBe(0)
})

test('a cancelled watch rejects at once and leaves no subscription and no timer', async () => {
  const seen: number[] = []
  const { world, controller, watched } = watching(60, (number) => void seen.push(number))
  controller.abort(new Error('cancelled'))
  await expect(watched).rejects.toThrow('cancelled')
  world.mine()
  expect([seen, vi.getTimerCount()]).toEqual([[], 0])
})

test('a fault while a block is processed ends the watch, not the market', async () => {
  const { world, watched } = watching(60, () => {
    throw new Error('faulty')
  })
  world.mine()
  await expect(watched).rejects.toThrow('faulty')
})
