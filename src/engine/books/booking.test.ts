import { describe, expect, test, vi } from 'vitest'
import { testManifest } from '../../../test/support/manifest.ts'
import type { Address } from '../../amm/index.ts'
import type { Leg, Opportunity } from '../../arbitrage/index.ts'
import type { Chain, Hex, Log, Receipt } from '../../ports/chain.ts'
import type { DecisionRecord, TransactionRecord } from '../../ports/ledger.ts'
import { RecordedMarket } from '../paper/recording.ts'
import { describeRoute, tradeOf, transferred } from './booking.ts'

const address = (digit: string): Address => `0x${digit.repeat(40)}`
const [NATIVE, TOKEN, EXECUTOR, TREASURY, OPERATOR] = [
  address('a'),
  address('b'),
  address('c'),
  address('d'),
  address('e'),
] as [Address, Address, Address, Address, Address]
const [FIRST, SECOND] = [address('1'), address('2')] as [Address, Address]
const hash = (digit: string): Hex => `0x${digit.repeat(64)}`
/** keccak256('Transfer(address,address,uint256)'). */
const TRANSFER: Hex = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const word = (account: Address): Hex => `0x${'0'.repeat(24)}${account.slice(2)}`

const log = (change: Partial<Log>): Log => ({
  address: FIRST,
  topics: [],
  data: '0x',
  blockNumber: 12,
  blockHash: hash('b'),
  transactionHash: hash('9'),
  transactionIndex: 0,
  logIndex: 0,
  ...change,
})
const transfer = (from: Address, to: Address, value: bigint, token = TOKEN): Log =>
  log({
    address: token,
    topics: [TRANSFER, word(from), word(to)],
    data: `0x${value.toString(16).padStart(64, '0')}`,
  })

describe('net transfers', () => {
  test('only transfers of the token between the two accounts count', () => {
    const logs = [
      transfer(EXECUTOR, TREASURY, 70n),
      transfer(EXECUTOR, TREASURY, 5n),
      transfer(EXECUTOR, TREASURY, 1_000n, NATIVE),
      transfer(OPERATOR, TREASURY, 1_000n),
      transfer(EXECUTOR, OPERATOR, 1_000n),
    ]
    expect(transferred(logs, TOKEN, EXECUTOR, TREASURY)).toBe(75n)
  })

  test('returned own capital is not profit', () => {
    const logs = [transfer(TREASURY, EXECUTOR, 1_000n), transfer(EXECUTOR, TREASURY, 1_070n)]
    expect(transferred(logs, TOKEN, EXECUTOR, TREASURY)).toBe(70n)
  })
})

const market = new RecordedMarket({
  schema: 'market-recording/1',
  manifest: testManifest(NATIVE, {
    genesis: hash('0'),
    numeraire: TOKEN,
    tokens: [
      { address: NATIVE, symbol: 'WA', decimals: 18 },
      { address: TOKEN, symbol: 'USD', decimals: 6 },
    ],
    startTokens: [TOKEN],
    execution: { executor: EXECUTOR, operator: OPERATOR, treasury: TREASURY },
  }),
  head: { number: 20, hash: hash('b'), parentHash: hash('a'), timestamp: 1_000, baseFeePerGas: 1n },
  // A native coin is worth 2,000 dollars.
  pools: [
    {
      kind: 'constant-product',
      address: FIRST,
      dex: 'd',
      tokens: [NATIVE, TOKEN],
      reserves: [10n ** 21n, 2_000_000n * 10n ** 6n],
      feeBps: 30,
    },
  ],
  offers: [],
})
const leg = (pool: Address, tokenIn: Address, tokenOut: Address): Leg => ({
  pool,
  kind: 'constant-product',
  dex: pool === FIRST ? 'one' : 'two',
  tokenIn,
  tokenOut,
  venue: 'pair',
  target: pool,
  feeBps: 30,
})
const opportunity: Opportunity = {
  id: 'opp_1',
  block: 10,
  blockHash: hash('b'),
  token: TOKEN,
  cycles: [{ legs: [leg(FIRST, TOKEN, NATIVE), leg(SECOND, NATIVE, TOKEN)], amounts: [1_000n, 1n, 1_100n] }],
  loan: {
    kind: 'own-capital',
    lender: TREASURY,
    token: TOKEN,
    available: 10n ** 12n,
    rate: 0n,
    isToken0: false,
  },
  borrowed: 1_000n,
  premium: 0n,
  profit: 30_000_000n,
}
const decision = { id: 'opp_1', genesis: hash('0'), opportunity } as DecisionRecord
const transaction = (type: 'execute' | 'cancel'): TransactionRecord =>
  ({
    genesis: hash('0'),
    account: OPERATOR,
    nonce: 4,
    decisionId: 'opp_1',
    status: 'open',
    attempts: [
      { hash: hash('f'), raw: '0x', intent: { type, executor: EXECUTOR }, sentAt: 0, sentAtBlock: 10 },
    ],
  }) as unknown as TransactionRecord
const receipt = (change: Partial<Receipt> = {}): Receipt => ({
  transactionHash: hash('f'),
  succeeded: true,
  blockNumber: 12,
  blockHash: hash('b'),
  transactionIndex: 3,
  gasUsed: 200_000n,
  effectiveGasPrice: 50n,
  dataFee: 7n,
  logs: [transfer(TREASURY, EXECUTOR, 1_000_000n), transfer(EXECUTOR, TREASURY, 31_000_000n)],
  ...change,
})
/** A chain that returns these logs and records the queries. */
function chainWith(logs: readonly Log[]) {
  const queries: unknown[] = []
  const chain = {
    logs: async (filter: unknown) => {
      queries.push(filter)
      return logs
    },
  } as unknown as Chain
  return { chain, queries }
}
const booked = (logs: readonly Log[], mined = receipt()) =>
  tradeOf(
    { transaction: transaction('execute'), receipt: mined, decision },
    market,
    chainWith(logs).chain,
    99,
  )

describe('a trade in the books', () => {
  test('profit, value, gas and route, computed by hand', async () => {
    const { chain, queries } = chainWith([])
    const trade = await tradeOf(
      { transaction: transaction('execute'), receipt: receipt(), decision },
      market,
      chain,
      99,
    )
    expect(trade).toMatchObject({
      outcome: 'as-predicted',
      decisionId: 'opp_1',
      nonce: 4,
      symbol: 'USD',
      decimals: 6,
      route: 'USD → WA (one) → USD (two)',
      lender: 'own-capital',
      // The loan of 1 USD became 31 USD: a profit of 30 USD, as predicted, worth 0.015 native coins.
      realisedProfit: 30_000_000n,
      predictedProfit: 30_000_000n,
      profitValue: 30,
      gasUsed: 200_000n,
      gasCost: 10_000_007n,
      predictedAtBlock: 10,
      bookedAt: 99,
    })
    expect(trade.profitNative).toBeCloseTo(0.015, 10)
    expect(queries).toEqual([{ fromBlock: 11, toBlock: 12, address: [FIRST, SECOND] }])
  })

  test.each([
    ['as-predicted', log({ blockNumber: 12, transactionIndex: 3 })],
    ['as-predicted', log({ blockNumber: 12, transactionIndex: 4 })],
    ['as-predicted', log({ address: address('7'), blockNumber: 11 })],
    ['state-moved', log({ blockNumber: 11, transactionIndex: 9 })],
    ['state-moved', log({ address: SECOND, blockNumber: 12, transactionIndex: 2 })],
  ] as const)('%s, by the events of its pools before it', async (outcome, moved) => {
    expect((await booked([moved])).outcome).toBe(outcome)
  })

  test('without a price of the native coin nothing is booked in it, and the value stays', async () => {
    const rate = market.rate.bind(market)
    using _unpriced = vi
      .spyOn(market, 'rate')
      .mockImplementation((token) => (token === NATIVE ? undefined : rate(token)))
    const { chain } = chainWith([])
    const final = { transaction: transaction('execute'), receipt: receipt(), decision }
    const trade = await tradeOf(final, market, chain, 99)
    expect([trade.profitNative, trade.profitValue, trade.realisedProfit]).toEqual([0, 30, 30_000_000n])
  })

  test('a revert earns nothing and pays its gas', async () => {
    const trade = await booked([], receipt({ succeeded: false, logs: [] }))
    expect([trade.outcome, trade.realisedProfit, trade.profitValue, trade.gasCost]).toEqual([
      'reverted',
      0n,
      0,
      10_000_007n,
    ])
  })

  test('a transaction that only fills its nonce is booked as cancelled, with its gas', async () => {
    const { chain, queries } = chainWith([])
    const trade = await tradeOf(
      { transaction: transaction('cancel'), receipt: receipt({ logs: [] }), decision },
      market,
      chain,
      99,
    )
    expect(trade).toMatchObject({
      outcome: 'cancelled',
      token: NATIVE,
      symbol: 'WA',
      realisedProfit: 0n,
      gasCost: 10_000_007n,
      decisionId: 'opp_1',
    })
    expect(queries).toEqual([])
  })
})

test('a route of several cycles names each', () => {
  const twice = { ...opportunity, cycles: [...opportunity.cycles, ...opportunity.cycles] }
  expect(describeRoute({ opportunity: twice }, (token) => (token === TOKEN ? 'T' : 'N'))).toBe(
    'T → N (one) → T (two) + T → N (one) → T (two)',
  )
})
