import { expect, test } from 'vitest'
import type { Address, Pool } from '../amm/index.ts'
import { legsOf, type Opportunity } from '../arbitrage/index.ts'
import type { MarketView } from '../ports/market.ts'
import { encodeJson } from '../std/json.ts'
import { readOpportunity } from './execution.ts'

const [A, B] = [`0x${'a'.repeat(40)}`, `0x${'b'.repeat(40)}`] as [Address, Address]
const place = (number: number): Address => `0x${number.toString(16).padStart(40, '0')}`
const identity = (number: number, dex: string) => ({ address: place(number), dex, tokens: [A, B] as const })
const range = { sqrtPriceX96: 2n ** 96n, liquidity: 10n ** 18n, tick: 0, tickSpacing: 60, feePips: 2_500 }
const vault = { balances: [5n, 5n], scalingFactors: [1n, 1n], swapFee: 1n }
/** A pool of every kind, and of every engine of concentrated pools. */
const pools: readonly Pool[] = [
  { kind: 'constant-product', ...identity(1, 'quickswap'), reserves: [5n, 5n], feeBps: 30 },
  { kind: 'concentrated', ...identity(2, 'uniswap_v3'), ...range },
  { kind: 'concentrated', ...identity(3, 'quickswap_v3'), ...range, engine: 'algebra' },
  { kind: 'concentrated', ...identity(4, 'uniswap_v4'), ...range, engine: 'uniswap-v4', native: true },
  { kind: 'weighted', ...identity(5, 'balancer_v2'), ...vault, weights: [1n, 1n] },
  { kind: 'stable', ...identity(6, 'balancer_v2'), ...vault, amp: 1n },
]
const byAddress = new Map(pools.map((pool) => [pool.address, pool]))
const market = { pools: byAddress } as unknown as MarketView

/** Through every pool, there and back. */
const opportunity: Opportunity = {
  id: 'opp_1',
  block: 7,
  blockHash: '0x77',
  token: A,
  cycles: [pools.slice(0, 2), pools.slice(2, 4), pools.slice(4)].map((two) => ({
    legs: legsOf(
      two.map(({ address }, index) => ({
        pool: address,
        tokenIn: index === 0 ? A : B,
        tokenOut: index === 0 ? B : A,
      })),
      byAddress,
    ),
    amounts: [10n, 11n, 12n],
  })),
  loan: { kind: 'own-capital', lender: place(9), token: A, available: 100n, rate: 3n, isToken0: true },
  borrowed: 10n,
  premium: 1n,
  profit: 5n,
}

/** The wire format with the value at a path replaced; `undefined` removes it. */
function changed(path: string, value: unknown): string {
  const copy = JSON.parse(encodeJson(opportunity))
  const steps = path.split('.')
  let parent = copy
  for (const step of steps.slice(0, -1)) parent = parent[step]
  parent[steps.at(-1) ?? ''] = value
  return JSON.stringify(copy)
}

test('every field of an opportunity through every kind of pool is read as it was written', () => {
  expect(opportunity.cycles.flatMap(({ legs }) => legs.map(({ kind }) => kind))).toEqual(
    pools.map(({ kind }) => kind),
  )
  // The fee that was assumed for an Algebra pool: the guard compares it with the fee at the swap.
  expect(opportunity.cycles[1]?.legs[0]?.feePips).toBe(2_500)
  expect(readOpportunity(encodeJson(opportunity), market)).toEqual(opportunity)
})

test.each([
  ['cycles.0.legs.1.kind', 'order-book'],
  ['cycles.1.legs.0.feePips', -1],
  ['cycles.2.legs.0.venue', 'shop'],
  ['loan.kind', 'friend'],
  ['loan.lender', '0xABC'],
  ['borrowed', 10],
  ['profit', undefined],
])('an opportunity with an invalid %s is refused, and the error names it', (field, value) => {
  expect(() => readOpportunity(changed(field, value), market)).toThrow(
    expect.objectContaining({
      code: 'bad-argument',
      message: expect.stringMatching(new RegExp(`^opportunity\\.${field}: `)),
    }),
  )
})

test('a pool that the market does not know, and text that is not JSON, are refused', () => {
  const unknown = changed('cycles.0.legs.0.pool', place(99))
  expect(() => readOpportunity(unknown, market)).toThrow(expect.objectContaining({ code: 'not-found' }))
  expect(() => readOpportunity('{', market)).toThrow(expect.objectContaining({ code: 'bad-argument' }))
})
