import { expect, test } from 'vitest'
import { testManifest } from '../../../test/support/manifest.ts'
import type { Address, ConstantProductPool } from '../../amm/index.ts'
import { gasOf } from '../../arbitrage/index.ts'
import type { LoanOffer } from '../../flash/index.ts'
import { RecordedMarket } from '../paper/recording.ts'
import { Detector } from './detector.ts'
import { atSize, findOpportunities, nativeNumbers } from './opportunities.ts'

const E18 = 10n ** 18n
const token = (name: string): Address => `0x${name.repeat(40)}`
const [A, B, C, D, E, F] = [token('a'), token('b'), token('c'), token('d'), token('e'), token('f')]
const pool = (
  digit: string,
  [token, other]: [Address, Address],
  x: bigint,
  y: bigint,
): ConstantProductPool => ({
  kind: 'constant-product',
  address: `0x${digit.repeat(40)}`,
  dex: 'd',
  tokens: [token, other],
  reserves: [x * E18, y * E18],
  feeBps: 30,
})
/**
 * Two gaps between A and B that share a pool; one between C and D, and a smaller one between E and F. A, C
 * and E are worth the same.
 */
const pools = [
  pool('1', [A, B], 1_000n, 2_000n),
  pool('2', [A, B], 1_000n, 2_200n),
  pool('3', [A, B], 900n, 2_100n),
  pool('4', [C, D], 1_000n, 1_000n),
  pool('5', [C, D], 1_000n, 1_030n),
  pool('6', [A, C], 1_000n, 1_000n),
  pool('7', [E, F], 960n, 960n),
  pool('8', [E, F], 960n, 989n),
  pool('9', [A, E], 1_000n, 1_000n),
]
const market = new RecordedMarket({
  schema: 'market-recording/1',
  manifest: testManifest(A, {
    tokens: [A, B, C, D].map((address, index) => ({
      address,
      symbol: 'ABCD'[index] as string,
      decimals: 18,
    })),
    pools: pools.map(({ address, kind, dex, tokens, feeBps }) => ({ address, kind, dex, tokens, feeBps })),
    startTokens: [A, C, E],
  }),
  head: { number: 7, hash: '0x77', parentHash: '0x66', timestamp: 1_000, baseFeePerGas: 10n ** 11n },
  pools,
  offers: [],
})
const lend = (token: Address, kind: LoanOffer['kind'], rate: bigint): LoanOffer => ({
  kind,
  lender: `0x${(kind === 'aave-v3' ? 'e' : 'f').repeat(40)}`,
  token,
  available: 10n ** 30n,
  rate,
  isToken0: false,
})
const loans = {
  // Only Aave lends C, without a premium, for 77,000 more gas.
  offers: (token: Address) =>
    token === C ? [lend(C, 'aave-v3', 0n)] : [lend(token, 'balancer-v2', 0n), lend(token, 'aave-v3', 5n)],
}
const everything = {
  head: market.head,
  changed: new Set(pools.map(({ address }) => address)),
  logs: [],
  receivedAt: 5,
}

test('tools find the same opportunities as the detector at this block, with the same ids', () => {
  const { opportunities } = new Detector({ market, loans, now: () => 5, maxHops: 3 }).detect(everything)
  const { found } = findOpportunities(market, loans, { maxHops: 3, limit: 12 })
  expect(opportunities.length).toBeGreaterThan(1)
  expect(found).toEqual(opportunities)
  expect(found.every(({ id }) => /^opp_[0-9a-f]{20}$/.test(id))).toBe(true)
  expect(new Set(found.map(({ id }) => id)).size).toBe(found.length)
  // The gaps that share a pool are one trade, no pool is in two.
  const used = found.flatMap(({ cycles }) => [
    ...new Set(cycles.flatMap(({ legs }) => legs.map((leg) => leg.pool))),
  ])
  expect(new Set(used).size).toBe(used.length)
  expect(found[0]?.cycles.length).toBeGreaterThan(1)
})

test('the best is the best net of gas', () => {
  const { found } = findOpportunities(market, loans, { maxHops: 3, limit: 12 })
  const net = found.map((one) => Number(one.profit) - gasOf(one) * 1e11)
  expect(net).toEqual([...net].sort((a, b) => b - a))
  // The gap between C and D earns more before gas, and less after it.
  expect(found.map((one) => one.token)).toEqual([A, E, C])
  expect(found[2]?.profit).toBeGreaterThan(found[1]?.profit ?? 0n)
  const [first] = findOpportunities(market, loans, { maxHops: 3, limit: 1 }).found
  expect(first).toEqual(found[0])
})

test('with one lender only its loans count, and the id differs with the loan', () => {
  const free = findOpportunities(market, loans, { maxHops: 2, limit: 12 }).found
  const paid = findOpportunities(market, loans, { maxHops: 2, limit: 12, lender: 'aave-v3' }).found
  expect(free.map(({ loan }) => loan.kind)).toEqual(['balancer-v2', 'balancer-v2', 'aave-v3'])
  expect(new Set(paid.map(({ loan }) => loan.kind))).toEqual(new Set(['aave-v3']))
  const shared = paid.filter(({ id }) => free.some((one) => one.id === id))
  expect(shared.map(({ token: of }) => of)).toEqual([C])
})

test('numbers for people count the gas of the loan, as the guard does', () => {
  const [paid] = findOpportunities(market, loans, { maxHops: 2, limit: 1, lender: 'aave-v3' }).found
  if (!paid) throw new Error('nothing pays')
  const swaps = paid.cycles.reduce((sum, { legs }) => sum + legs.length, 0)
  // By hand: 95,000 for the transaction, 77,000 for Aave's loan, 62,000 for each swap in a pair.
  const gasUnits = 95_000 + 77_000 + swaps * 62_000
  expect(nativeNumbers(paid, market)).toEqual({
    gross: Number(paid.profit),
    gas: gasUnits * 1e11,
    gasUnits,
  })
})

test('the same route at another size is another opportunity of the same block', () => {
  const [found] = findOpportunities(market, loans, { maxHops: 2, limit: 1 }).found
  if (!found) throw new Error('nothing pays')
  const smaller = atSize(found, E18, market, loans)
  expect([smaller?.block, smaller?.borrowed]).toEqual([7, E18])
  expect(smaller?.id).toMatch(/^opp_[0-9a-f]{20}$/)
  expect(smaller?.id).not.toBe(found.id)
})
