import { expect, test } from 'vitest'
import { wordOf } from '../../../test/support/pool-market.ts'
import type { Chain, Hex } from '../../ports/chain.ts'
import { oraclePrices } from './price-oracle.ts'

const ORACLE = `0x${'e'.repeat(40)}` as const
const [DEAR, UNKNOWN] = [`0x${'1'.repeat(40)}`, `0x${'2'.repeat(40)}`] as const

test('prices in whole base units, and undefined for a token without a price', async () => {
  const chain: Pick<Chain, 'call'> = {
    // The selectors of BASE_CURRENCY_UNIT() and getAssetPrice(address), as block explorers list them.
    call: async ({ to, data }): Promise<Hex> => {
      expect(to).toBe(ORACLE)
      if (data === '0x8c89b64f') return `0x${wordOf(10n ** 8n)}`
      expect(data.slice(0, 10)).toBe('0xb3596f07')
      return `0x${wordOf(data.endsWith('1'.repeat(40)) ? 2_500n * 10n ** 8n : 0n)}`
    },
  }
  expect(await oraclePrices(chain, ORACLE, [UNKNOWN, DEAR])).toEqual([undefined, 2_500])
})
