import { expect, test } from 'vitest'
import { E18, POOLS } from '../../../test/support/world/market.ts'
import { World } from '../../../test/support/world/world.ts'
import type { LoanOffer } from '../../flash/index.ts'
import { cheapestLoan, loanChoice } from './loan-quotes.ts'

const { market, loans } = new World()
const token = market.token('WETH')
const kinds = (offers: readonly LoanOffer[]) => offers.map(({ kind }) => kind)
const balancerRoute = { pools: [POOLS.weighted], usesBalancer: true }

test('lenders that have the amount, cheapest first; the others with their available amount', () => {
  // Balancer has 400 WETH without a premium, Aave 800 at 5 bps.
  expect(kinds(loanChoice(market, loans, { token, amount: 400n * E18 }).offers)).toEqual([
    'balancer-v2',
    'aave-v3',
  ])
  const { offers, excluded } = loanChoice(market, loans, { token, amount: 401n * E18 })
  expect([kinds(offers), excluded]).toEqual([
    ['aave-v3'],
    [
      {
        offer: expect.objectContaining({ kind: 'balancer-v2' }),
        reason: 'has 400 WETH, less than 401 WETH',
      },
    ],
  ])
  expect(
    loanChoice(market, loans, { token, amount: 900n * E18 }).excluded.map(({ offer }) => offer.available),
  ).toEqual([800n * E18, 400n * E18])
})

test('a lender that the route locks is excluded', () => {
  const { cheapest, excluded } = cheapestLoan(market, loans, { token, amount: E18, route: balancerRoute })
  expect(cheapest.kind).toBe('aave-v3')
  expect(excluded).toEqual([
    { offer: expect.objectContaining({ kind: 'balancer-v2' }), reason: expect.stringContaining('BAL#400') },
  ])
})

test('no lender: the error has the largest possible loan', () => {
  expect(() => cheapestLoan(market, loans, { token, amount: 900n * E18 })).toThrow(
    expect.objectContaining({
      code: 'no-loan',
      message: expect.stringContaining('900 WETH'),
      hint: expect.stringContaining('800 WETH'),
      data: { maxAmount: String(800n * E18) },
    }),
  )
  const dai = market.token('DAI')
  expect(() => cheapestLoan(market, loans, { token: dai, amount: 1n })).toThrow(
    expect.objectContaining({ code: 'no-loan', data: { maxAmount: '0' } }),
  )
})
