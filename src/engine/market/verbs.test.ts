/** The verbs of the market: tokens by name, pools by address, values in whole numeraire units. */
import { expect, test } from 'vitest'
import type { Address, Pool } from '../../amm/index.ts'
import type { RecordingHead } from '../paper/recording.ts'
import { RecordedMarket } from '../paper/recording.ts'

const WETH: Address = `0x${'1'.repeat(40)}`
const USDC: Address = `0x${'2'.repeat(40)}`
const LOST: Address = `0x${'3'.repeat(40)}`
const POOL: Address = `0x${'a'.repeat(40)}`
const E18 = 10n ** 18n
const E6 = 10n ** 6n

/** 100 WETH against 250,000 USDC: 2,500 USDC for a whole WETH. */
const pool: Pool = {
  kind: 'constant-product',
  address: POOL,
  dex: 'x',
  tokens: [WETH, USDC],
  reserves: [100n * E18, 250_000n * E6],
  feeBps: 30,
}
const head: RecordingHead = {
  schema: 'market-recording/1',
  manifest: {
    chainId: 1,
    genesis: '0x0',
    genesisBlock: 0,
    network: 'test',
    nativeSymbol: 'ETH',
    wrappedNative: WETH,
    numeraire: USDC,
    tokens: [
      { address: WETH, symbol: 'WETH', decimals: 18 },
      { address: USDC, symbol: 'USDC', decimals: 6 },
      { address: LOST, symbol: 'LOST', decimals: 18 },
    ],
    pools: [],
    exchanges: [],
    discoveredAt: 0,
    startTokens: [WETH],
    multicall: '0x0',
  },
  head: { number: 1, hash: '0x1', parentHash: '0x0', timestamp: 1, baseFeePerGas: 1n },
  pools: [pool],
  offers: [],
}
const market = new RecordedMarket(head)

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
  expect(market.pool(POOL)).toBe(pool)
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
