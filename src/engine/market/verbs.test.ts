/** The verbs of the market: tokens by name, pools by address, values in whole numeraire units. */
import { expect, test } from 'vitest'
import { addressOf, E18, PoolMarket, USDC, WETH, WETH_USDC } from '../../../test/support/pool-market.ts'

const LOST = addressOf('5')
const market = new PoolMarket([WETH_USDC], {
  tokens: [
    { address: WETH, symbol: 'WETH', decimals: 18 },
    { address: USDC, symbol: 'USDC', decimals: 6 },
    { address: LOST, symbol: 'LOST', decimals: 18 },
  ],
})

test('a token is found by symbol in any case, by the name of its native coin and by address', () => {
  for (const text of ['WETH', 'weth', ' Eth ', WETH]) expect(market.token(text).address).toBe(WETH)
  expect(market.token('usdc')).toEqual({ address: USDC, symbol: 'USDC', decimals: 6 })
})

test('an unknown token is refused with the known symbols as the hint', () => {
  expect(() => market.token('DOGE')).toThrowError(
    expect.objectContaining({
      code: 'unknown-symbol',
      message: 'unknown token "DOGE"',
      hint: 'known: WETH, USDC, LOST',
    }),
  )
})

test('a symbol is that of the manifest, or a shortened address', () => {
  expect(market.symbol(USDC)).toBe('USDC')
  expect(market.symbol(`0x${'9'.repeat(40)}`)).toBe('0x999999…')
})

test('a pool of the market is returned and any other is not-found', () => {
  expect(market.pool(WETH_USDC.address)).toBe(WETH_USDC)
  expect(() => market.pool(WETH)).toThrowError(
    expect.objectContaining({ code: 'not-found', message: `unknown pool ${WETH}` }),
  )
})

test('rate is per smallest unit, price per whole token, worth in whole numeraire units', () => {
  // 250,000e6 units of USDC for 100e18 units of WETH.
  expect(market.rate(WETH)).toBeCloseTo(2.5e-9, 15)
  expect(market.price(WETH)).toBeCloseTo(2_500, 6)
  expect(market.worth(WETH, 3n * E18)).toBeCloseTo(7_500, 6)
  expect(market.worth(USDC, 12_345_678n)).toBeCloseTo(12.345678, 9)
})

test('a token without a price has no rate, no price and no worth', () => {
  expect([market.rate(LOST), market.price(LOST), market.worth(LOST, E18)]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test('an amount is shown in smallest units and in whole tokens', () => {
  expect(market.amount(USDC, 2_000_078_814_843n)).toEqual({
    raw: 2_000_078_814_843n,
    amount: '2,000,078.814843 USDC',
  })
  expect(market.amount(WETH, -15n * 10n ** 17n)).toEqual({ raw: -15n * 10n ** 17n, amount: '-1.5 WETH' })
})
