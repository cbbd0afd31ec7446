/** Numbers and times as the command line prints them. */
import { expect, test } from 'vitest'
import { alignDecimals, dateTime, plain, short, shortAmount, table } from './format.ts'

test('two decimals from 1 up, two significant digits below, no float noise', () => {
  expect([8.7, 1234.567, 0.3812, 0.05, 0.000012345, 0, -0.0412, -3].map(short)).toEqual([
    '8.70',
    '1,234.57',
    '0.38',
    '0.05',
    '0.000012',
    '0',
    '-0.041',
    '-3.00',
  ])
  expect(shortAmount(2_264_343_999_999n, 6)).toBe('2,264,344.00')
})

test('times have the date and 24 hours', () => {
  expect(dateTime(new Date(2026, 0, 2, 20, 5, 9).getTime())).toBe('2026-01-02 20:05:09')
})

test('decimal points are in one column, headers above their column', () => {
  expect(alignDecimals(['1.25', '100', '12.5'])).toEqual(['  1.25', '100   ', ' 12.5 '])
  expect(plain(table([['aaaa', 'b']], ['X', 'YYY']))).toBe('X     YYY\naaaa  b')
})
