import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatAmount, parseAmount } from './amounts.ts'

test.each([
  [2_000_078_814_843n, 6, '2,000,078.814843'],
  [10n ** 19n, 18, '10'],
  [10n, 18, '0.00000000000000001'],
  [1_234_567_890_123_456_789n, 18, '1.234567'],
  [-1_500_000n, 6, '-1.5'],
  [0n, 18, '0'],
  [5n, 0, '5'],
  [123_456n, 8, '0.00123456'],
])('%s with %i decimals reads %s', (raw, decimals, text) => {
  expect(formatAmount(raw, decimals)).toBe(text)
})

test.each([
  ['10', 18, 10n ** 19n],
  ['10.5', 6, 10_500_000n],
  ['0.000001', 6, 1n],
  ['0.0000010', 6, 1n],
  ['0.0000001', 6, undefined],
  ['7', 0, 7n],
])('%s whole tokens with %i decimals are %s', (text, decimals, raw) => {
  expect(parseAmount(text, decimals)).toBe(raw)
})

test('an amount that six decimals can hold is parsed back unchanged', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 30n), (raw) => {
      expect(parseAmount(formatAmount(raw, 6).replaceAll(',', ''), 6)).toBe(raw)
    }),
  )
})
