/** Flash loans and cycles, decoded from events as the contracts emit them. */
import { expect, test } from 'vitest'
import {
  addressOf,
  DAI,
  DAI_USDC,
  E6,
  E18,
  logOf,
  PoolMarket,
  topicOf,
  USDC,
  WETH,
  WETH_USDC,
  wordOf,
} from '../../../test/support/pool-market.ts'
import type { Address } from '../../amm/index.ts'
import type { Chain, Hex, Log, Receipt } from '../../ports/chain.ts'
import { cyclesIn, decodeLoan, transactionLoans } from './flash-loan-history.ts'

/** keccak256 of the event signatures, as block explorers list them. */
const AAVE_LOAN = '0xefefaba5e921573100900a3ad9cf29f222d995fb3b6045797eaea7521bd8d6f0'
const BALANCER_LOAN = '0x0d7d75e01ab95780d3cd1c8ec0dd6c2ce19e3a20427eec8bf53283b6fb8e95f0'
const POOL_FLASH = '0xbdbdb71d7860376ba52b25a5028beea23581364a40522f6bcfb86bb1f2dca633'
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const PAIR_SWAP = '0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822'
const [BOT, VAULT, AAVE] = [addressOf('7'), addressOf('d'), addressOf('6')]
const SECOND = { ...WETH_USDC, address: addressOf('9') }

const market = new PoolMarket([WETH_USDC, SECOND, DAI_USDC], {
  balancer: { vault: VAULT },
  aave: { pool: AAVE, oracle: addressOf('5') },
})
const transfer = (token: Address, from: Address, to: Address, amount: bigint, change: Partial<Log> = {}) =>
  logOf(token, [TRANSFER, topicOf(from), topicOf(to)], [amount], change)
const swap = (pool: Address, in0: bigint, in1: bigint, change: Partial<Log> = {}) =>
  logOf(
    pool,
    [PAIR_SWAP, topicOf(BOT), topicOf(BOT)],
    [in0, in1, in0 > 0n ? 0n : 1n, in0 > 0n ? 1n : 0n],
    change,
  )

test('a loan of Aave: amount and premium are the second and fourth word', () => {
  const log = logOf(
    AAVE,
    [AAVE_LOAN, topicOf(BOT), topicOf(USDC), topicOf(addressOf('0'))],
    [BigInt(addressOf('8')), 1_000n * E6, 0n, 500_000n],
  )
  expect(transactionLoans([log], market)).toEqual([
    {
      block: 2,
      transaction: '0x77',
      from: AAVE,
      lender: 'aave-v3',
      borrower: BOT,
      token: USDC,
      amount: 1_000n * E6,
      premium: 500_000n,
    },
  ])
})

test('a loan of Balancer, and a flash of a pool, one loan for each side that was lent', () => {
  const loan = logOf(VAULT, [BALANCER_LOAN, topicOf(BOT), topicOf(WETH)], [3n * E18, 0n])
  const flash = logOf(WETH_USDC.address, [POOL_FLASH, topicOf(BOT), topicOf(BOT)], [E18, 0n, 5n, 0n])
  const both = logOf(SECOND.address, [POOL_FLASH, topicOf(BOT), topicOf(BOT)], [E18, 7n, 5n, 1n])
  expect(
    transactionLoans([loan, flash, both], market).map(({ lender, from, token, amount, premium }) => [
      lender,
      from,
      token,
      amount,
      premium,
    ]),
  ).toEqual([
    ['balancer-v2', VAULT, WETH, 3n * E18, 0n],
    ['uniswap-v3', WETH_USDC.address, WETH, E18, 5n],
    ['uniswap-v3', SECOND.address, WETH, E18, 5n],
    ['uniswap-v3', SECOND.address, USDC, 7n, 1n],
  ])
})

test('a flash of a pool outside the market, whose tokens are unknown, is left out', () => {
  expect(
    transactionLoans(
      [logOf(addressOf('f'), [POOL_FLASH, topicOf(BOT), topicOf(BOT)], [1n, 1n, 1n, 1n])],
      market,
    ),
  ).toEqual([])
})

/** A cycle: 1 WETH from the vault, sold for 2,510 USDC, bought back for 2,480: 30 USDC are left. */
const cycle = (change: Partial<Log> = {}) => [
  transfer(WETH, VAULT, BOT, E18, change),
  transfer(WETH, BOT, WETH_USDC.address, E18, change),
  swap(WETH_USDC.address, E18, 0n, change),
  transfer(USDC, WETH_USDC.address, BOT, 2_510n * E6, change),
  transfer(USDC, BOT, SECOND.address, 2_480n * E6, change),
  swap(SECOND.address, 0n, 2_480n * E6, change),
  transfer(WETH, SECOND.address, BOT, E18, change),
  transfer(WETH, BOT, VAULT, E18, change),
]

test('a decoded transaction has its swaps in order, and the gain of the account that is neither pool nor lender', () => {
  expect(decodeLoan({ logs: cycle() }, market)).toEqual({
    swaps: [
      { pool: WETH_USDC.address, tokenIn: WETH, amountIn: E18 },
      { pool: SECOND.address, tokenIn: USDC, amountIn: 2_480n * E6 },
    ],
    gains: [{ account: BOT, token: USDC, amount: 30n * E6 }],
  })
})

test('a loss is a negative gain, and NFT transfers (four topics) are no money', () => {
  const nft = logOf(WETH, [TRANSFER, topicOf(BOT), topicOf(VAULT), `0x${wordOf(5n)}`], [])
  expect(decodeLoan({ logs: [transfer(DAI, BOT, VAULT, 4n), nft] }, market).gains).toEqual([
    { account: BOT, token: DAI, amount: -4n },
  ])
})

function chainOf(transactions: Readonly<Record<Hex, readonly Log[]>>): Chain {
  const chain: Pick<Chain, 'logs' | 'receipt'> = {
    logs: async () => Object.values(transactions).flat(),
    receipt: async (hash) =>
      transactions[hash] && ({ logs: transactions[hash], blockNumber: 9 } as unknown as Receipt),
  }
  return chain as Chain
}

test('a closed cycle names who gained, how much in whole numeraire units, and the pools', async () => {
  expect(await cyclesIn(chainOf({ '0x77': cycle() }), market, 1, 2)).toEqual([
    { account: BOT, block: 9, value: expect.closeTo(30, 6), pools: [WETH_USDC.address, SECOND.address] },
  ])
})

test('the account that gained most closed the cycle: a lender outside the market gains only its premium', async () => {
  const lender = addressOf('8')
  const logs = [...cycle(), transfer(USDC, BOT, lender, 2n * E6)]
  expect(await cyclesIn(chainOf({ '0x77': logs }), market, 1, 2)).toMatchObject([
    { account: BOT, value: expect.closeTo(28, 6) },
  ])
})

test('a trade, a swap through one pool, and a cycle that lost are no closed cycles', async () => {
  const trade = [
    transfer(WETH, BOT, WETH_USDC.address, E18, { transactionHash: '0x1' }),
    swap(WETH_USDC.address, E18, 0n, { transactionHash: '0x1' }),
    swap(DAI_USDC.address, 0n, 2_500n * E6, { transactionHash: '0x1' }),
    transfer(DAI, DAI_USDC.address, BOT, 2_500n * E18, { transactionHash: '0x1' }),
  ]
  const single = [
    swap(WETH_USDC.address, E18, 0n, { transactionHash: '0x2' }),
    transfer(USDC, WETH_USDC.address, BOT, E6, { transactionHash: '0x2' }),
  ]
  const lost = [
    ...cycle({ transactionHash: '0x3' }),
    transfer(USDC, BOT, VAULT, 31n * E6, { transactionHash: '0x3' }),
  ]
  expect(await cyclesIn(chainOf({ '0x1': trade, '0x2': single, '0x3': lost }), market, 1, 2)).toEqual([])
})
