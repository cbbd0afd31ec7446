import { expect, test } from 'vitest'
import { CaptureBook } from './capture-rate.ts'

const optimum = (block: number, held: number) => ({
  block,
  upperBound: held * 1e18,
  planned: held * 1e18,
  plannedNet: held * 1e18,
  cycles: 1,
  best: held * 1e18,
})
const trade = (block: number, profitNative: number, hash: `0x${string}` = '0x1') => ({
  hash,
  block,
  profitNative,
})

test('the bound after a block is compared with the profit of our trades in the next one', () => {
  const book = new CaptureBook()
  for (let block = 1; block <= 10; block++) book.onOptimum(optimum(block, block === 3 ? 0 : 10))
  book.onTrade(trade(2, 9))
  book.onSent({ hash: '0x2', follows: true })
  // A trade behind a pending transaction is no part of the bound of the block before.
  book.onTrade(trade(3, 4, '0x2'))
  expect(book.recent(10).at(-1)).toMatchObject({ block: 1, bound: 10, captured: 9, share: 0.9, ahead: 0 })
  expect(book.recent(10).at(-2)).toMatchObject({ block: 2, captured: 0, share: 0, ahead: 4 })
  expect(book.recent(10).at(-3)).toMatchObject({ block: 3, share: null })
  // The last six blocks' trades are not final yet.
  expect(book.totals()).toEqual({ blocks: 4, bound: 30, captured: 9, share: 0.3, ahead: 4 })
})

test('a trade of an unknown block changes nothing, and the number of kept blocks is limited', () => {
  const book = new CaptureBook()
  book.onTrade(trade(5, 1))
  for (let block = 1; block <= 700; block++) book.onOptimum(optimum(block, 1))
  expect([book.recent(1_000).length, book.recent(1)[0]?.block, book.totals().captured]).toEqual([600, 700, 0])
})
