/** When a replica reads blocks, on a chain that the test drives. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { testManifest } from '../../../test/support/manifest.ts'
import type { Address } from '../../amm/index.ts'
import type { Chain, Head, Hex } from '../../ports/chain.ts'
import { MarketReplica } from './replica.ts'

const hash = (number: number): Hex => `0x${number}`
const head = (number: number): Head =>
  ({ number, hash: hash(number), parentHash: hash(number - 1), timestamp: number }) as Head

async function replicaWith(readDelayMs: () => number) {
  const reads: [from: number, to: number][] = []
  let [announce, latest]: [(head: Head) => void, number] = [() => undefined, 10]
  let failures = 0
  const chain = {
    link: 'connected',
    block: async (tag: number | string) => head(typeof tag === 'number' ? tag : latest),
    call: async () => '0x',
    logs: async ({ fromBlock, toBlock }: { fromBlock: number; toBlock: number }) => {
      reads.push([fromBlock, toBlock])
      if (failures-- > 0) throw new Error('the node did not answer')
      return []
    },
    watch: (listener: (head: Head) => void) => {
      announce = listener
      return () => undefined
    },
  } as unknown as Chain
  const replica = new MarketReplica({
    chain,
    manifest: testManifest('0x1' as Address, { genesis: hash(0), discoveredAt: 10 }),
    readerCode: '0x',
    batch: 10,
    now: Date.now,
    readDelayMs,
  } as unknown as ConstructorParameters<typeof MarketReplica>[0])
  await replica.start()
  const mine = () => announce(head(++latest))
  const failNext = () => {
    failures = 1
  }
  const mineUnseen = () => {
    latest++
  }
  return { replica, reads, mine, mineUnseen, failNext }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('without a delay each block is read', async () => {
  const { replica, reads, mine } = await replicaWith(() => 0)
  mine()
  await vi.advanceTimersByTimeAsync(1)
  mine()
  await vi.advanceTimersByTimeAsync(1)
  expect(reads).toEqual([
    [11, 11],
    [12, 12],
  ])
  expect(replica.head.number).toBe(12)
})

test('blocks that arrive during a delay are read at once', async () => {
  const { replica, reads, mine } = await replicaWith(() => 5_000)
  for (let block = 0; block < 3; block++) {
    mine()
    await vi.advanceTimersByTimeAsync(2_000)
  }
  expect(reads).toEqual([[11, 13]])
  expect(replica.head.number).toBe(13)
})

test('a confirmation does not wait for the delay', async () => {
  const { replica, reads, mine } = await replicaWith(() => 10_000)
  mine()
  mine()
  await replica.confirm()
  expect([replica.head.number, reads]).toEqual([12, [[11, 12]]])
  await vi.advanceTimersByTimeAsync(20_000)
  expect(reads).toEqual([[11, 12]])
  replica.stop()
})

test('a confirmation that fails does not keep the next block from being read', async () => {
  const { replica, reads, mine, mineUnseen, failNext } = await replicaWith(() => 0)
  mineUnseen()
  failNext()
  await expect(replica.confirm()).rejects.toThrow('the node did not answer')
  mine()
  await vi.advanceTimersByTimeAsync(1)
  expect([replica.head.number, replica.failure]).toEqual([12, undefined])
  expect(reads).toEqual([
    [11, 11],
    [11, 12],
  ])
})
