import { expect, test } from 'vitest'
import { addressOf } from '../../../test/support/pool-market.ts'
import { World } from '../../../test/support/world/world.ts'
import type { FlashLoan } from './flash-loan-history.ts'
import { blockWindow, competitorsIn, loanSum, loanSumsBy } from './flash-loan-statistics.ts'

const [CHEAP, DEAR, UNPRICED] = [addressOf('1'), addressOf('2'), addressOf('3')]
const worth = (token: string, amount: bigint) =>
  token === UNPRICED ? undefined : Number(amount) * (token === DEAR ? 100 : 1)
const loan = (token: FlashLoan['token'], amount: bigint, premium: bigint, lender: FlashLoan['lender']) =>
  ({ token, amount, premium, lender }) as FlashLoan
const loans = [
  loan(CHEAP, 50n, 1n, 'aave-v3'),
  loan(DEAR, 3n, 2n, 'uniswap-v3'),
  loan(CHEAP, 20n, 0n, 'uniswap-v3'),
  loan(UNPRICED, 7n, 7n, 'aave-v3'),
]

test('sums at the price; a token without a price counts as a loan of value 0', () => {
  expect(loanSum(loans, worth)).toEqual({ loans: 4, value: 50 + 300 + 20, premiumValue: 1 + 200 })
  expect(loanSum([], worth)).toEqual({ loans: 0, value: 0, premiumValue: 0 })
})

test('groups, largest value first', () => {
  expect(loanSumsBy(loans, ({ lender }) => lender, worth)).toEqual([
    ['uniswap-v3', { loans: 2, value: 320, premiumValue: 200 }],
    ['aave-v3', { loans: 2, value: 50, premiumValue: 1 }],
  ])
})

test('competitors: transactions, gains and last block by account, largest gain first', () => {
  const cycle = (account: FlashLoan['from'], value: number, block: number) => ({
    account,
    value,
    block,
    pools: [],
  })
  expect(competitorsIn([cycle(CHEAP, 4, 9), cycle(DEAR, 5, 7), cycle(CHEAP, 3, 8)])).toEqual([
    { account: CHEAP, transactions: 2, value: 7, lastBlock: 9 },
    { account: DEAR, transactions: 1, value: 5, lastBlock: 7 },
  ])
})

test('a window of blocks ends with the head and starts no earlier than the market', () => {
  const { market } = new World()
  expect(blockWindow(market, 1)).toEqual({ fromBlock: 100, toBlock: 100 })
  expect(blockWindow(market, 30)).toEqual({ fromBlock: 71, toBlock: 100 })
  expect(blockWindow(market, 500)).toEqual({ fromBlock: 0, toBlock: 100 })
})
