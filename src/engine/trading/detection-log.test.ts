/** The record of the last detections, with statistics counted by hand. */
import { expect, test } from 'vitest'
import type { Opportunity } from '../../arbitrage/index.ts'
import type { Detection } from '../../ports/messages.ts'
import { detectionLog } from './detection-log.ts'

const opportunity = (id: string): Opportunity => ({
  id,
  block: 1,
  blockHash: '0x1',
  token: '0x1',
  cycles: [],
  loan: { kind: 'own-capital', lender: '0x2', token: '0x1', available: 0n, rate: 0n, isToken0: false },
  borrowed: 0n,
  premium: 0n,
  profit: 1n,
})
const detection = (block: number, tookMs: number, ids: readonly string[], more = 0): Detection => ({
  genesis: '0x0',
  block,
  blockHash: '0x1',
  blockTime: block,
  receivedAt: 1_000 * block,
  foundAt: 1_000 * block + tookMs,
  changedPools: 1,
  searchedCycles: 10 * block,
  totalCycles: 100 + block,
  opportunities: ids.map(opportunity),
  more,
})
const idsOf = (recent: readonly { opportunity: Opportunity }[]) => recent.map(({ opportunity: { id } }) => id)

test('an empty log has no times', () => {
  expect(detectionLog(3).statistics()).toEqual({
    blocks: 0,
    totalCycles: 0,
    searchedCycles: 0,
    found: 0,
    medianMs: null,
    p99Ms: null,
  })
})

test('the newest detection comes first, and within one the order stays', () => {
  const log = detectionLog(3)
  log.add(detection(1, 5, ['a', 'b']))
  log.add(detection(2, 5, ['c', 'd']))
  expect(idsOf(log.recent(10))).toEqual(['c', 'd', 'a', 'b'])
  expect(idsOf(log.recent(3))).toEqual(['c', 'd', 'a'])
  expect(log.recent(1)[0]?.foundAt).toBe(2_005)
})

test('detections beyond the capacity are forgotten, oldest first', () => {
  const log = detectionLog(2)
  for (const block of [1, 2, 3]) log.add(detection(block, 5, [`at ${block}`]))
  expect(idsOf(log.recent(10))).toEqual(['at 3', 'at 2'])
  expect(log.statistics().blocks).toBe(2)
})

test('statistics: sums over the blocks held, the latest size of the index, median and 99th percentile of the times', () => {
  const log = detectionLog(200)
  // 101 blocks that took 0, 1, ... 100 ms, out of order.
  for (let i = 0; i <= 100; i++)
    log.add(detection(i, (i * 37) % 101, i === 50 ? ['a', 'b'] : [], i === 50 ? 3 : 0))
  expect(log.statistics()).toEqual({
    blocks: 101,
    totalCycles: 200,
    searchedCycles: 10 * 5_050,
    found: 5,
    medianMs: 50,
    p99Ms: 99,
  })
})
