/** Depth: holdings of pools at the price and outputs of orders, against independent formulas. */
import { expect, test } from 'vitest'
import {
  addressOf,
  DAI,
  E6,
  E18,
  PoolMarket,
  USDC,
  WETH,
  WETH_USDC,
} from '../../../test/support/pool-market.ts'
import type { Pool } from '../../amm/index.ts'
import { heldBy, impactCurve, inputWithin, valueHeld } from './depth.ts'

const KEEP = 0.997

test('a constant-product pool holds its reserves, worth both sides at the price', () => {
  const market = new PoolMarket()
  expect(heldBy(WETH_USDC)).toEqual([10n ** 20n, 250_000n * 10n ** 6n])
  // 100 WETH at 2,500 USDC, and 250,000 USDC.
  expect(valueHeld(market, WETH_USDC.address)).toBeCloseTo(500_000, 4)
})

test('an unknown pool holds nothing', () => {
  expect(valueHeld(new PoolMarket(), WETH)).toBe(0)
})

const concentrated = (tick: number, ticks?: Extract<Pool, { kind: 'concentrated' }>['ticks']): Pool => ({
  kind: 'concentrated',
  address: '0x9999999999999999999999999999999999999999',
  dex: 'y',
  tokens: [WETH, DAI],
  sqrtPriceX96: BigInt(Math.round(1.0001 ** (tick / 2) * 2 ** 48)) << 48n,
  liquidity: E18,
  tick,
  tickSpacing: 60,
  feePips: 3_000,
  ...(ticks ? { ticks } : {}),
})

test('a concentrated pool holds the amounts of its active range on each side of the price', () => {
  // Liquidity 1e18 from tick -120 to 60, at tick 0: x = L (1/sqrt(p) - 1/sqrt(high)), y = L (sqrt(p) -
  // sqrt(low)).
  const pool = concentrated(0, [
    [-120, E18, E18],
    [60, -E18, E18],
  ])
  const [x, y] = heldBy(pool).map(Number) as [number, number]
  expect(x / 1e18).toBeCloseTo(1 - 1.0001 ** -30, 9)
  expect(y / 1e18).toBeCloseTo(1 - 1.0001 ** -60, 9)
})

test('a price on an initialised tick is at the lower end of its range', () => {
  const [x, y] = heldBy(
    concentrated(0, [
      [-120, E18, E18],
      [0, E18, E18],
      [60, -E18, E18],
    ]),
  ).map(Number) as [number, number]
  expect(x / 1e18).toBeCloseTo(1 - 1.0001 ** -30, 9)
  expect(y).toBe(0)
})

test('a token without a price adds no value', () => {
  const lost = addressOf('8')
  const island = { ...WETH_USDC, address: addressOf('9'), tokens: [lost, addressOf('7')] as const }
  expect(valueHeld(new PoolMarket([WETH_USDC, island]), island.address)).toBe(0)
})

test('without ticks the active range is one spacing', () => {
  const [x, y] = heldBy(concentrated(90)).map(Number) as [number, number]
  expect(x / 1e18).toBeCloseTo(1.0001 ** -45 - 1.0001 ** -60, 9)
  expect(y / 1e18).toBeCloseTo(1.0001 ** 45 - 1.0001 ** 30, 9)
})

test('a pool of the vault holds its balances', () => {
  const balances = [3n * E18, 5n * E18]
  expect(
    heldBy({
      kind: 'weighted',
      address: '0x9999999999999999999999999999999999999999',
      dex: 'balancer_v2',
      tokens: [WETH, DAI],
      scalingFactors: [E18, E18],
      balances,
      weights: [8n * 10n ** 17n, 2n * 10n ** 17n],
      swapFee: 10n ** 15n,
    }),
  ).toEqual([3n * 10n ** 18n, 5n * 10n ** 18n])
})

test.each([10, 50, 200])('the input within %i bps is where x/(x + keep a) falls below', (bps) => {
  const share = bps / 10_000
  // The average price loses keep a / (x + keep a) of the marginal one, fee left out.
  const expected = (1e20 * share) / (1 - share) / KEEP
  const amount = Number(inputWithin(WETH_USDC, WETH, USDC, bps))
  expect(amount).toBeLessThanOrEqual(expected * (1 + 1e-6))
  expect(amount).toBeGreaterThan(expected * 0.997)
})

test('a pool that rounds even one unit away takes nothing within the limit', () => {
  const dust: Pool = { ...WETH_USDC, reserves: [1_000n, 1_000n] }
  expect(inputWithin(dust, WETH, USDC, 10)).toBe(0n)
})

test('the impact curve runs from a ten-thousandth of the depth to all of it', () => {
  const curve = impactCurve(WETH_USDC, WETH, USDC, 5)
  expect(curve.map(({ amountIn }) => Number(amountIn) / 1e20)).toEqual([
    expect.closeTo(1e-4, 9),
    expect.closeTo(1e-3, 9),
    expect.closeTo(1e-2, 9),
    expect.closeTo(1e-1, 9),
    expect.closeTo(1, 9),
  ])
  for (const { amountIn, amountOut, impact } of curve) {
    const a = Number(amountIn)
    // x y = k with the fee kept out: out = y keep a / (x + keep a).
    expect(Number(amountOut)).toBeCloseTo((250_000e6 * KEEP * a) / (1e20 + KEEP * a), -1)
    expect(impact).toBeCloseTo(1 - (KEEP * 1e20) / (1e20 + KEEP * a), 6)
  }
  // All of the reserve in halves the price: 0.997 / 1.997 of the marginal price is paid.
  expect(curve.at(-1)?.impact).toBeCloseTo(0.500751, 5)
  expect(curve.at(-1)?.amountOut).toBeLessThan(125_000n * E6)
})
