import fc from 'fast-check'
import { expect, test } from 'vitest'
import { impossible, type LoanOffer, premium, rankOffers } from './index.ts'

const offer = (
  kind: LoanOffer['kind'],
  rate: bigint,
  available = 10n ** 30n,
  lender: `0x${string}` = `0x${kind}`,
): LoanOffer => ({
  kind,
  lender,
  token: '0xt',
  available,
  rate,
  isToken0: true,
})
const free = { pools: [], usesBalancer: false }

test.each([
  // Aave rounds half up: 0.05 % of 1000 is 0.5, which is 1; of 999 it is 0.4995, which is 0.
  ['aave-v3', 5n, 1_000n, 1n],
  ['aave-v3', 5n, 999n, 0n],
  ['aave-v3', 9n, 10_000n, 9n],
  ['balancer-v2', 0n, 10n ** 24n, 0n],
  ['balancer-v2', 10n ** 14n, 1n, 1n],
  ['uniswap-v3', 500n, 1_999n, 1n],
  ['uniswap-v3', 500n, 2_001n, 2n],
  ['uniswap-v2', 30n, 997n, 3n],
  ['uniswap-v2', 30n, 1n, 1n],
] as const)('%s at %s lends %s for %s', (kind, rate, amount, expected) => {
  expect(premium({ kind, rate }, amount)).toBe(expected)
})

test('the repayment of a pair satisfies its invariant, and one unit less would not', () => {
  fc.assert(
    fc.property(fc.bigInt(1_000n, 10n ** 30n), fc.bigInt(1n, 10n ** 29n), (reserve, wanted) => {
      const amount = wanted % reserve || 1n
      const enough = (back: bigint) => (reserve - amount + back) * 1_000n - back * 3n >= reserve * 1_000n
      const back = amount + premium({ kind: 'uniswap-v2', rate: 30n }, amount)
      expect(enough(back)).toBe(true)
      expect(enough(back - 1n)).toBe(false)
    }),
  )
})

test('impossible pairs are refused with the reason', () => {
  expect(impossible(offer('balancer-v2', 0n), { pools: [], usesBalancer: true }, 1n)).toMatch(/BAL#400/)
  expect(
    impossible(offer('uniswap-v2', 30n, 10n, '0xp'), { pools: ['0xp'], usesBalancer: false }, 1n),
  ).toMatch(/locked/)
  expect(
    impossible(offer('uniswap-v3', 30n, 10n, '0xp'), { pools: ['0xp'], usesBalancer: false }, 1n),
  ).toMatch(/locked/)
  expect(impossible(offer('aave-v3', 5n, 10n), free, 11n)).toMatch(/has 10, less than the 11/)
  expect(
    impossible(offer('aave-v3', 5n, 10n), { pools: ['0xaave-v3'], usesBalancer: true }, 10n),
  ).toBeUndefined()
})

test('the cheapest comes first, equal prices by gas', () => {
  const offers = [
    offer('uniswap-v2', 30n),
    offer('aave-v3', 5n),
    offer('uniswap-v3', 500n),
    offer('balancer-v2', 0n),
    offer('uniswap-v3', 500n, 1n),
  ]
  expect(rankOffers(offers, free, 10n ** 18n).map((found) => found.kind)).toEqual([
    'balancer-v2',
    'uniswap-v3',
    'aave-v3',
    'uniswap-v2',
  ])
})
