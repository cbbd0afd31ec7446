import { expect, test } from 'vitest'
import { testManifest } from '../../../test/support/manifest.ts'
import type { Address, ConstantProductPool } from '../../amm/index.ts'
import type { Head } from '../../ports/chain.ts'
import { standingPolicies } from '../trading/policies.ts'
import type { RecordedBlock, RecordingHead } from './recording.ts'
import { Replay } from './replay.ts'

const E18 = 10n ** 18n
const [A, B]: [Address, Address] = [`0x${'a'.repeat(40)}`, `0x${'b'.repeat(40)}`]
const pool = (digit: string, y: bigint): ConstantProductPool => ({
  kind: 'constant-product',
  address: `0x${digit.repeat(40)}`,
  dex: 'd',
  tokens: [A, B],
  reserves: [1_000n * E18, y * E18],
  feeBps: 30,
})
const head = (number: number): Head => ({
  number,
  hash: `0x${number.toString(16)}`,
  parentHash: '0x',
  timestamp: 1_000 + number,
  baseFeePerGas: 10n ** 9n,
})
const quiet = [pool('1', 2_000n), pool('2', 2_000n)]
const gap = pool('2', 2_200n)
const start: RecordingHead = {
  schema: 'market-recording/1',
  manifest: testManifest(A, {
    tokens: [
      { address: A, symbol: 'WA', decimals: 18 },
      { address: B, symbol: 'B', decimals: 18 },
    ],
    pools: quiet.map(({ address, kind, dex, tokens, feeBps }) => ({ address, kind, dex, tokens, feeBps })),
  }),
  head: head(1),
  pools: quiet,
  offers: [
    { kind: 'balancer-v2', lender: '0xba', token: A, available: 10n ** 30n, rate: 0n, isToken0: false },
  ],
}
const block = (
  number: number,
  pools: RecordedBlock['pools'],
  winners: RecordedBlock['winners'] = [],
): RecordedBlock => ({ head: head(number), pools, winners })

function run(blocks: readonly RecordedBlock[], position: 'first' | 'last' = 'last') {
  const replay = new Replay(start, { policies: standingPolicies(1), position })
  for (const entry of blocks) replay.add(entry)
  return replay.report()
}

test('a gap that is open in the next block is traded once, even if the recording keeps it open', () => {
  const report = run([block(2, [gap]), block(3, []), block(4, []), block(5, [])])
  expect(report.traded).toBe(1)
  expect(report.gaps).toHaveLength(1)
  expect(report.net).toBeGreaterThan(0)
  expect(report.net).toBe(report.gaps[0]?.net)
  expect([report.blocks, report.fromBlock, report.toBlock, report.largestDrawdown]).toEqual([4, 1, 5, 0])
})

test('a gap that the next block closed is missed: the winner is found by the pools of its trade, and the attempt burns gas', () => {
  const closed = [
    block(2, [gap]),
    block(3, [pool('2', 2_000n)], [{ account: '0xrival', value: 5, pools: [gap.address], ours: false }]),
  ]
  const report = run(closed)
  expect(report.gaps.map(({ outcome, reason }) => [outcome, reason])).toEqual([
    ['taken by another', 'won by 0xrival'],
  ])
  expect(report.net).toBeLessThan(0)
  expect(report.largestDrawdown).toBe(-report.net)
  expect(report.winners).toEqual([{ account: '0xrival', cycles: 1, value: 5, ours: false }])
  const elsewhere = run([
    closed[0] as RecordedBlock,
    {
      ...(closed[1] as RecordedBlock),
      winners: [{ account: '0xrival', value: 5, pools: ['0xother'], ours: false }],
    },
  ])
  expect(elsewhere.gaps[0]?.outcome).toBe('moved away')
  // Before all other transactions of the same block, the gap is still open.
  expect(run(closed, 'first').gaps[0]?.outcome).toBe('traded')
})

test('refusals by the policies are counted by rule', () => {
  const replay = new Replay(start, {
    policies: { ...standingPolicies(1), risk: { ...standingPolicies(1).risk, halted: true } },
    position: 'last',
  })
  replay.add(block(2, [gap]))
  replay.add(block(3, []))
  const report = replay.report()
  expect(report.traded).toBe(0)
  expect(Object.keys(report.missedBecause)).toEqual(['trading not halted'])
})

test('the same recording gives the same report', () => {
  const blocks = [block(2, [gap]), block(3, [pool('1', 2_100n)]), block(4, [pool('2', 1_900n)])]
  expect(run(blocks)).toEqual(run(blocks))
})
