/** Prices of each block in the ledger: all at first, then the changed ones. */
import { expect, test, vi } from 'vitest'
import { DAI_USDC, E6, E18, PoolMarket, WETH_USDC } from '../../../test/support/pool-market.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { recordPricesEachBlock } from './price-history.ts'

function recording(recordPrices: Ledger['recordPrices'] = async () => undefined) {
  const market = new PoolMarket()
  const recorded: unknown[] = []
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  const ledger = {
    recordPrices: (points: Parameters<Ledger['recordPrices']>[0]) => {
      recorded.push(points)
      return recordPrices(points)
    },
  }
  const background = recordPricesEachBlock(market, ledger, () => 7_000, log)
  return { market, recorded, log, background }
}

test('the first record has every token with a price, in whole numeraire units', () => {
  const { recorded } = recording()
  expect(recorded).toEqual([
    [
      { symbol: 'WETH', price: expect.closeTo(2_500, 6), block: 1, at: 7_000 },
      { symbol: 'USDC', price: 1, block: 1, at: 7_000 },
      { symbol: 'DAI', price: expect.closeTo(1, 9), block: 1, at: 7_000 },
    ],
  ])
})

test('later records have only what changed, and a block without a change none', () => {
  const { market, recorded } = recording()
  market.block([DAI_USDC])
  expect(recorded).toHaveLength(1)
  market.block([{ ...WETH_USDC, reserves: [100n * E18, 260_000n * E6] }])
  expect(recorded[1]).toEqual([{ symbol: 'WETH', price: expect.closeTo(2_600, 6), block: 3, at: 7_000 }])
})

test('a failed record is logged, and a stopped recording records nothing', async () => {
  const { market, recorded, log, background } = recording(() => Promise.reject(new Error('no ledger')))
  await vi.waitFor(() =>
    expect(log.warn).toHaveBeenCalledWith({ error: 'no ledger' }, expect.stringContaining('not recorded')),
  )
  await background.stop()
  market.block([{ ...WETH_USDC, reserves: [100n * E18, 260_000n * E6] }])
  expect(recorded).toHaveLength(1)
})
