import { expect, test } from 'vitest'
import { DAI, DAI_USDC, E18, PoolMarket, USDC, WETH, WETH_USDC } from '../../../test/support/pool-market.ts'
import type { ConstantProductPool } from '../../amm/index.ts'
import { pairSpreads } from './pair-spreads.ts'

const pool = (
  digit: string,
  pair: Partial<ConstantProductPool>,
  change: Partial<ConstantProductPool> = {},
) => ({ ...WETH_USDC, ...pair, address: `0x${digit.repeat(40)}` as const, ...change })

test('each pair once: cheapest, dearest, the gap and the gap that pays both fees', () => {
  const dear = pool('d', {}, { reserves: [80n * E18, WETH_USDC.reserves[1]], feeBps: 100 })
  const middle = pool('e', {}, { reserves: [90n * E18, WETH_USDC.reserves[1]] })
  const [spread, ...others] = pairSpreads(new PoolMarket([dear, WETH_USDC, middle, DAI_USDC]))
  expect(others).toEqual([])
  expect(spread).toMatchObject({ pools: 3, cheapest: { pool: WETH_USDC }, dearest: { pool: dear } })
  // 3,125 against 2,500 USDC; fees of 0.3 % and 1 %.
  expect([spread?.cheapest.price, spread?.dearest.price]).toEqual([2_500, 3_125])
  expect(spread?.gapPercent).toBeCloseTo(25, 9)
  expect(spread?.feesPercent).toBeCloseTo(100 * (1 / (0.997 * 0.99) - 1), 9)
})

test('the largest gap after fees comes first, not the largest gap', () => {
  // WETH: a gap of 4 % at fees of 0.3 %; DAI: 5 % at fees of 3 % each.
  const weth = pool('d', {}, { reserves: [96n * E18, WETH_USDC.reserves[1]] })
  const costly = { ...DAI_USDC, feeBps: 300 }
  const dai = pool('e', DAI_USDC, { reserves: [238_000n * E18, DAI_USDC.reserves[1]], feeBps: 300 })
  const spreads = pairSpreads(new PoolMarket([costly, dai, WETH_USDC, weth]))
  expect(spreads.map(({ cheapest }) => [cheapest.base, cheapest.quote])).toEqual([
    [WETH, USDC],
    [DAI, USDC],
  ])
})
