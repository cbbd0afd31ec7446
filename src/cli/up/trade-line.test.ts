/** One line per trade: short by default, within the terminal's width, complete with --verbose. */
import { expect, test } from 'vitest'
import type { PaperTrade, Trade } from '../../ports/ledger.ts'
import { plain } from '../format.ts'
import { paperTradeLine, tradeLine } from './trade-line.ts'

const address = (digit: string) => `0x${digit.repeat(40)}` as const
const leg = (pool: string) => ({
  pool: address(pool),
  dex: 'd',
  tokenIn: address('a'),
  tokenOut: address('b'),
})
const at = new Date(2026, 10, 4, 9, 5, 12).getTime()
const trade: Trade = {
  genesis: '0x00',
  hash: `0x9c81${'0'.repeat(60)}`,
  nonce: 1,
  decisionId: null,
  block: 77,
  transactionIndex: 0,
  outcome: 'as-predicted',
  token: address('a'),
  symbol: 'USDC',
  decimals: 6,
  route: 'USDC → DAI (uniswap_v3) → USDC (quickswap)',
  legs: [leg('1'), leg('2')],
  lender: 'aave-v3',
  amountIn: 4_016_387_870n,
  predictedProfit: 8_700_400n,
  realisedProfit: 8_700_400n,
  profitValue: 8.7,
  profitNative: 19.3333333,
  gasUsed: 1n,
  gasPrice: 1n,
  gasCost: 381_200_000_000_000_000n,
  predictedAtBlock: 76,
  bookedAt: at,
}
const style = { nativeSymbol: 'MATIC' }
const line = (changes: Partial<Trade> = {}, more: { width?: number; verbose?: boolean } = {}) =>
  plain(tradeLine({ ...trade, ...changes }, { ...style, ...more }))

test('the short line has the time, profit, gas, outcome, path, pools, lender and the start of the hash', () => {
  expect(line()).toBe(
    '09:05:12  +8.70 USDC  gas 0.38 MATIC  as predicted  USDC>DAI>USDC  2 pools  aave-v3  0x9c81…',
  )
  expect(line({ outcome: 'reverted', realisedProfit: 0n })).toMatch(/^09:05:12 {2}0 USDC .* reverted /)
})

test('several cycles are counted, and a cancelled transaction has no route', () => {
  expect(line({ route: `${trade.route} + ${trade.route}`, legs: [leg('1'), leg('2'), leg('3')] })).toContain(
    'as predicted  2 cycles, 3 pools  aave-v3',
  )
  expect(line({ route: '', legs: [], outcome: 'cancelled' })).toContain('cancelled  nonce released')
})

test('a line is never wider than the terminal: the path is cut first', () => {
  for (let width = 10; width < 120; width++)
    expect(line({}, { width }).length).toBe(Math.min(width, line().length))
  expect(line({}, { width: 85 })).toMatch(/ {2}USDC>DAI>USDC.*… {2}aave-v3 {2}0x9c81…$/)
})

test('the verbose line has the date, both profits, exact amounts and the whole hash, at any width', () => {
  expect(line({}, { verbose: true, width: 40 })).toBe(
    `2026-11-04 09:05:12  block 77  ${trade.route}  aave-v3  size 4,016.38787 USDC  predicted 8.7004 USDC  realised 8.7004 USDC (19.33 MATIC)  gas 0.3812 MATIC  as predicted  ${trade.hash}`,
  )
})

test('a trade on paper shows its would-be profit, or why it did not trade', () => {
  const paper: PaperTrade = {
    decisionId: 'd',
    genesis: '0x00',
    block: 78,
    route: trade.route,
    symbol: 'USDC',
    decimals: 6,
    predictedProfit: 8_700_400n,
    outcome: 'traded',
    netNative: 2.5e18,
    reason: '',
    judgedAt: at,
  }
  expect(plain(paperTradeLine(paper, style))).toBe(
    '09:05:12  +2.50 MATIC on paper  predicted 8.70 USDC  filled  USDC>DAI>USDC  2 pools',
  )
  expect(
    plain(
      paperTradeLine({ ...paper, outcome: 'moved away', netNative: -0.012e18, reason: 'reverts' }, style),
    ),
  ).toMatch(/ {2}-0\.012 MATIC on paper .* moved away .* reverts$/)
})
