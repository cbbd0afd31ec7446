import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { harness, World } from '../../test/support/harness.ts'
import { E18, POOLS, TOKENS } from '../../test/support/world/market.ts'
import type { RunningAgent } from '../mcp/define.ts'
import type { Detection } from '../ports/messages.ts'
import agent from './arbitrage_detector.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** Lets the market be idle after a block, so that its optimum is computed. */
const quiet = () => vi.advanceTimersByTime(250)

test('detection_statistics: each block is searched and published, with the time that it took', async () => {
  const world = new World()
  const published: Detection[] = []
  world.bus.subscribe('opportunities', (detection) => published.push(detection))
  world.market.subscribe(() => world.pass(7))
  const { call, stop } = await harness(agent, { world })
  const first = await call('detection_statistics')
  expect(first).toMatchObject({ block: 100, blocks: 1, medianMs: 0 })
  expect([first.found > 0, first.searchedCycles]).toEqual([true, first.totalCycles])
  world.market.swap(POOLS.wethUsdcDear, TOKENS.WETH, TOKENS.USDC, 10n * E18)
  world.mine()
  const second = await call('detection_statistics')
  expect(second).toMatchObject({ block: 101, blocks: 2, medianMs: 7, p99Ms: 7 })
  expect(second.searchedCycles).toBeLessThan(2 * second.totalCycles)
  await vi.waitFor(() => expect(published).toHaveLength(2))
  expect(published.map(({ block }) => block)).toEqual([100, 101])
  expect(published[0]?.opportunities[0]?.id).toBe(new World().opportunity().id)
  const counts = published.map(({ opportunities, more }) => opportunities.length + more)
  expect(second.found).toBe(counts.reduce((sum, count) => sum + count))
  await stop()
})

test('captured_share: the bound of a block against our trades in the next one; ahead is kept apart', async () => {
  const { call, world, stop } = await harness(agent)
  quiet()
  const { blocks, totals } = await call('captured_share')
  const [first] = blocks
  // The gap between the two WETH pools alone is worth thousands of USDC, at 0.70 USDC per MATIC.
  expect(first).toMatchObject({ block: 100, captured: 0, share: 0, ahead: 0 })
  expect(first.bound).toBeGreaterThan(first.planned)
  expect(first.planned).toBeGreaterThan(first.plannedNet)
  expect(totals.blocks).toBe(0)
  world.bus.publish('sent', { hash: '0x2', follows: true } as never)
  await new Promise(setImmediate)
  for (const [hash, profitNative] of [
    ['0x1', first.bound / 4],
    ['0x2', 5],
  ] as const)
    world.bus.publish('trades', { hash, block: 101, profitNative } as never)
  await new Promise(setImmediate)
  for (let block = 0; block < 6; block++) {
    world.mine()
    quiet()
  }
  const after = await call('captured_share', { limit: 2, offset: 5 })
  expect([after.total, after.blocks.map(({ block }: { block: number }) => block)]).toEqual([7, [101, 100]])
  expect(after.blocks[1]).toMatchObject({ share: 0.25, ahead: 5, bound: first.bound })
  expect(after.totals).toMatchObject({ blocks: 1, share: 0.25, ahead: 5, bound: first.bound })
  await stop()
})

test('progress: the head, and the last block with opportunities', async () => {
  const world = new World()
  const offers = world.loans.all.splice(0)
  const { state, stop } = await harness(agent, { world })
  const progress = () => (state as RunningAgent).progress?.()
  // Without a loan nothing pays.
  expect(progress()).toEqual({ head: 100 })
  world.loans.all.push(...offers)
  world.mine()
  expect(progress()).toEqual({ head: 101, found: 101 })
  world.loans.all.splice(0)
  world.mine()
  expect(progress()).toEqual({ head: 102, found: 101 })
  world.loans.all.push(...offers)
  world.market.swap(POOLS.wethUsdcDear, TOKENS.WETH, TOKENS.USDC, 10n * E18)
  world.mine()
  expect(progress()).toEqual({ head: 103, found: 103 })
  await stop()
})
