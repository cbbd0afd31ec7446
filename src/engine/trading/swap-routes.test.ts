import { expect, test } from 'vitest'
import { E6, E18, SmallMarket, TOKENS } from '../../../test/support/world/market.ts'
import { minimumOutput, priceImpact, routeSwap } from './swap-routes.ts'

const market = new SmallMarket(() => 0)
const [USDC, WETH, LOST] = [TOKENS.USDC, TOKENS.WETH, TOKENS.LOST].map((each) => market.token(each)) as [
  ReturnType<typeof market.token>,
  ReturnType<typeof market.token>,
  ReturnType<typeof market.token>,
]
const limits = { maxHops: 3, maxPaths: 5 }

test('the minimum output is below the output, rounded down', () => {
  expect([0, 50, 5_000].map((bps) => minimumOutput(10_001n, bps))).toEqual([10_001n, 9_950n, 5_000n])
})

test('the impact compares the average price with the market price; unknown without a price', () => {
  const amountIn = 2n * E18
  const worth = (market.price(TOKENS.WETH) as number) * 2
  const at = (share: number) => ({ amountIn, amountOut: BigInt(Math.round(worth * share * 1e6)) })
  expect(priceImpact(market, { from: WETH, to: USDC }, at(0.97))).toBeCloseTo(0.03, 6)
  expect(priceImpact(market, { from: WETH, to: USDC }, at(1.01))).toBeCloseTo(-0.01, 6)
  expect(priceImpact(market, { from: LOST, to: USDC }, at(1))).toBeNull()
})

test('an error names the field, or the amount in whole tokens', () => {
  const attempt = (from: typeof WETH, to: typeof WETH, amount: bigint) => () =>
    routeSwap(market, { from, to, amount, ...limits })
  expect(attempt(WETH, WETH, E18)).toThrow('to: expected another token than WETH')
  expect(attempt(WETH, USDC, 0n)).toThrow('amount: expected more than zero')
  expect(attempt(USDC, LOST, 5n * E6)).toThrow('no path of at most 3 pools swaps 5 USDC to LOST')
})
