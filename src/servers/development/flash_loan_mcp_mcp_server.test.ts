import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { aaveLoan, mineArbitrage } from '../../../test/support/world/events.ts'
import { E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import server from './flash_loan_mcp_mcp_server.ts'

const BOT = `0x${'6'.repeat(40)}` as const
const [OURS, TREASURY] = [`0x${'3'.repeat(40)}`, `0x${'5'.repeat(40)}`] as const
const hashOf = (digit: string) => `0x${digit.repeat(64)}` as const

/**
 * A loan of 10,000 USDC at block 100 in a cycle of the bot, and one of 2 WETH (at 0.001) of ours at block
 * 101.
 */
async function withLoans() {
  const h = await harness(server)
  mineArbitrage(h.world, BOT, hashOf('1'))
  h.world.mine()
  const change = { blockNumber: 101, transactionHash: hashOf('2') }
  h.world.chain.logged.push(aaveLoan(OURS, TOKENS.WETH, [2n * E18, 10n ** 15n], change))
  return { ...h, weth: h.world.market.price(TOKENS.WETH) as number }
}

test('recent_flash_loans: newest first, with value by lender, within the blocks', async () => {
  const { call, weth } = await withLoans()
  const all = await call('recent_flash_loans', { limit: 1 })
  expect(all).toMatchObject({ fromBlock: 2, toBlock: 101, total: 2, nextOffset: 1 })
  expect(all.loans).toEqual([
    {
      block: 101,
      transaction: hashOf('2'),
      lender: 'aave-v3',
      from: `0x${'d'.repeat(40)}`,
      borrower: OURS,
      token: 'WETH',
      amount: { raw: String(2n * E18), amount: '2 WETH' },
      premium: { raw: String(10n ** 15n), amount: '0.001 WETH' },
      value: expect.closeTo(2 * weth, 1),
    },
  ])
  expect(all.byLender['aave-v3'].value).toBeCloseTo(10_000 + 2 * weth, 0)
  expect((await call('recent_flash_loans', { blocks: 1 })).total).toBe(1)
})

test('flash_loan_statistics: sums by lender, token and borrower, and the average', async () => {
  const { call, weth } = await withLoans()
  const sums = await call('flash_loan_statistics')
  expect(sums.loans).toBe(2)
  expect(sums.value).toBeCloseTo(10_000 + 2 * weth, 0)
  expect(sums.premiumValue).toBeCloseTo(5 + 0.001 * weth, 3)
  expect(sums.averageValue).toBeCloseTo((10_000 + 2 * weth) / 2, 0)
  expect(sums.byToken.USDC).toEqual({ loans: 1, value: 10_000, premiumValue: 5 })
  expect(sums.borrowers.map(({ borrower, ours }: Record<string, unknown>) => [borrower, ours])).toEqual([
    [BOT, false],
    [OURS, true],
  ])
  expect(await call('flash_loan_statistics', { blocks: 1 })).toMatchObject({
    loans: 1,
    byLender: { 'aave-v3': { loans: 1 } },
  })
  const quiet = await harness(server)
  expect(await quiet.call('flash_loan_statistics')).toMatchObject({ loans: 0, value: 0, averageValue: null })
})

test('decode_flash_loan: loans, swaps in order, and the gain after the premium', async () => {
  const { call, world } = await withLoans()
  const decoded = await call('decode_flash_loan', { hash: hashOf('1') })
  expect(decoded).toMatchObject({ hash: hashOf('1'), block: 100, succeeded: true, gasUsed: '310000' })
  expect(decoded.loans).toMatchObject([{ amount: { amount: '10,000 USDC' }, premium: { amount: '5 USDC' } }])
  expect(decoded.swaps).toEqual([
    {
      pool: POOLS.wethUsdc,
      dex: 'quickswap',
      tokenIn: 'USDC',
      amountIn: { raw: '10000000000', amount: '10,000 USDC' },
    },
    {
      pool: POOLS.wethUsdcDear,
      dex: 'sushiswap',
      tokenIn: 'WETH',
      amountIn: { raw: String(5n * E18), amount: '5 WETH' },
    },
  ])
  // 10,200 out less 10,005 back.
  expect(decoded.gains).toEqual([
    { account: BOT, token: 'USDC', amount: { raw: '195000000', amount: '195 USDC' } },
  ])
  mineArbitrage(world, TREASURY, hashOf('a'))
  expect((await call('decode_flash_loan', { hash: hashOf('A').replace('0X', '0x') })).hash).toBe(hashOf('a'))
})

test('competitor_activity: cycles and gains by account; ours is marked', async () => {
  const { call, world } = await withLoans()
  expect(await call('competitor_activity', { blocks: 1 })).toMatchObject({ total: 0, competitors: [] })
  mineArbitrage(world, BOT, hashOf('3'))
  mineArbitrage(world, TREASURY, hashOf('4'))
  expect((await call('competitor_activity')).competitors).toEqual([
    { account: BOT, transactions: 2, value: 390, lastBlock: 101, ours: false },
    { account: TREASURY, transactions: 1, value: 195, lastBlock: 101, ours: true },
  ])
})
