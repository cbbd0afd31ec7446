import { describe, expect, test } from 'vitest'
import type { ConstantProductPool } from '../amm/index.ts'
import { cyclesOf } from '../graph/index.ts'
import {
  bestBid,
  type ChainState,
  chanceOf,
  classify,
  gasExpectation,
  judge,
  type Learned,
  learn,
  type Opportunity,
  type Policies,
  priceTokens,
  withBestLoan,
} from './index.ts'

const E18 = 10n ** 18n
const opportunity: Opportunity = {
  id: 'opp_1',
  block: 10,
  blockHash: '0xb',
  token: '0xt',
  cycles: [
    {
      legs: [
        {
          pool: '0x1',
          kind: 'constant-product',
          dex: 'a',
          tokenIn: '0xt',
          tokenOut: '0xu',
          feeBps: 30,
          venue: 'pair',
          target: '0x1',
        },
        {
          pool: '0x2',
          kind: 'concentrated',
          dex: 'b',
          tokenIn: '0xu',
          tokenOut: '0xt',
          feeBps: 0,
          venue: 'concentrated',
          target: '0x2',
        },
      ],
      amounts: [100n * E18, 50n * E18, 110n * E18],
    },
  ],
  borrowed: 100n * E18,
  loan: {
    kind: 'balancer-v2',
    lender: '0xv',
    token: '0xt',
    available: E18 * 1000n,
    rate: 0n,
    isToken0: false,
  },
  premium: 0n,
  profit: 10n * E18,
}
const head = { version: 3, issuedBy: 'test', expiresAt: null }
const policies: Required<Policies> = {
  gas: { ...head, bidShareBps: 1_000, minPriorityFee: 10n ** 9n, maxFeePerGas: 10n ** 14n },
  risk: {
    ...head,
    halted: false,
    minNetProfit: E18,
    maxGasCost: 5n * E18,
    maxInFlight: 2,
    minShareBps: 5_000,
    maxAgeBlocks: 1,
  },
  lender: { ...head, allowed: ['balancer-v2'] },
}
const state: ChainState = {
  now: 1_000,
  head: 10,
  baseFeePerGas: 10n ** 10n,
  operatorBalance: 1_000n * E18,
  inFlight: 0,
  busyPools: new Map(),
  nativeRate: 1,
  learned: [],
}
const failing = (o: Opportunity, p: Policies, s: ChainState) =>
  judge(o, p, s)
    .rules.filter((rule) => !rule.ok)
    .map((rule) => rule.rule)

describe('the guard', () => {
  test('a good opportunity is traded, with a bid that is a share of the profit', () => {
    const decision = judge(opportunity, policies, state)
    expect(decision.verdict).toBe('trade')
    expect(decision.policies).toEqual({ gas: 3, risk: 3, lender: 3 })
    expect(decision.bid?.minProfit).toBe(5n * E18)
    // Without experience a small bid has the greatest expected profit: at most a tenth of the profit, over
    // the expected gas.
    expect(decision.numbers.bidShare).toBeLessThanOrEqual(0.1)
    expect(decision.bid?.maxPriorityFeePerGas).toBeLessThanOrEqual(E18 / BigInt(decision.numbers.gasEstimate))
    expect(decision.numbers.expectedNative).toBeLessThan(decision.numbers.netNative)
    expect(decision.numbers.netNative).toBe(10n * E18 - decision.numbers.gasCost)
  })

  test('a trade behind a pending transaction has its fees, raises ours in flight if that is cheap, and may use a busy pool for another gap', () => {
    const follows = {
      hash: '0xf',
      from: '0x1',
      to: '0x2',
      data: '0x',
      value: 0n,
      gas: 1n,
      maxFeePerGas: 40n * 10n ** 9n,
      maxPriorityFeePerGas: 5n * 10n ** 9n,
    } as const
    const following = { ...opportunity, follows }
    const { bid, verdict } = judge(following, policies, {
      ...state,
      tipsInFlight: [{ tip: 10n ** 9n, gas: 500_000n }],
    })
    expect([verdict, bid?.maxFeePerGas, bid?.maxPriorityFeePerGas]).toEqual([
      'trade',
      follows.maxFeePerGas,
      follows.maxPriorityFeePerGas,
    ])
    expect(
      failing(following, policies, { ...state, tipsInFlight: [{ tip: 10n ** 9n, gas: 10n ** 9n }] }),
    ).toEqual(['follows its pending transaction'])
    // 10^9 gas, each from a tip of 1 to 5 gwei; at most a fiftieth of ten coins.
    const { rules } = judge(following, policies, {
      ...state,
      tipsInFlight: [{ tip: 10n ** 9n, gas: 10n ** 9n }],
    })
    expect(rules.find(({ ok }) => !ok)).toEqual({
      rule: 'follows its pending transaction',
      ok: false,
      got: '4000000000000000000',
      needed: '200000000000000000',
      unit: 'wei',
      bound: 'max',
    })
    // The trade earns ten native coins, which exceeds five times one in flight, but not five times three.
    expect(failing(following, policies, { ...state, busyPools: new Map([['0x2', 1e18]]) })).toEqual([])
    expect(failing(following, policies, { ...state, busyPools: new Map([['0x2', 3e18]]) })).toEqual([
      'no pool is already in flight',
    ])
    expect(failing(opportunity, policies, { ...state, busyPools: new Map([['0x2', 1e18]]) })).toEqual([
      'no pool is already in flight',
    ])
  })

  test.each([
    ['gas policy in force', opportunity, { risk: policies.risk, lender: policies.lender }, state],
    [
      'risk policy in force',
      opportunity,
      { ...policies, risk: { ...policies.risk, expiresAt: 1_000 } },
      state,
    ],
    ['lender policy in force', opportunity, { gas: policies.gas, risk: policies.risk }, state],
    ['trading not halted', opportunity, { ...policies, risk: { ...policies.risk, halted: true } }, state],
    [
      'lender allowed',
      opportunity,
      { ...policies, lender: { ...policies.lender, allowed: ['aave-v3'] as const } },
      state,
    ],
    ['opportunity is fresh', opportunity, policies, { ...state, head: 12 }],
    ['transactions in flight', opportunity, policies, { ...state, inFlight: 2 }],
    ['no pool is already in flight', opportunity, policies, { ...state, busyPools: new Map([['0x2', 1]]) }],
    ['base fee below the ceiling', opportunity, policies, { ...state, baseFeePerGas: 10n ** 14n }],
    ['net profit', { ...opportunity, profit: E18 / 2n }, policies, state],
    ['gas within its cap', opportunity, { ...policies, risk: { ...policies.risk, maxGasCost: 1n } }, state],
    ['operator can pay the gas', opportunity, policies, { ...state, operatorBalance: 1n }],
    ['profit can be valued', opportunity, policies, { ...state, nativeRate: undefined }],
  ])('refuses by: %s', (rule, o, p, s) => {
    expect(judge(o, p, s).verdict).toBe('refuse')
    expect(judge(o, p, s).bid).toBeUndefined()
    expect(failing(o, p, s)).toContain(rule)
  })

  test('limits hold to the unit', () => {
    const { numbers } = judge(opportunity, policies, state)
    const exact = {
      ...policies,
      risk: { ...policies.risk, minNetProfit: numbers.expectedNative, maxGasCost: numbers.gasCost },
    }
    expect(judge(opportunity, exact, state).verdict).toBe('trade')
    expect(
      failing(
        opportunity,
        { ...exact, risk: { ...exact.risk, minNetProfit: numbers.expectedNative + 1n } },
        state,
      ),
    ).toEqual(['expected profit'])
    expect(
      failing(opportunity, { ...exact, risk: { ...exact.risk, maxGasCost: numbers.gasCost - 1n } }, state),
    ).toEqual(['gas within its cap'])
  })
})

describe('learning from past trades', () => {
  const won = (bidShare: number, gasRatio = 1) => ({ bidShare, gasRatio, gross: 1e18, won: true })
  const lost = (bidShare: number, gasRatio = 0.5) => ({ bidShare, gasRatio, gross: 1e18, won: false })
  const many = (count: number, make: (index: number) => ReturnType<typeof won>) =>
    Array.from({ length: count }, (_, index) => make(index)).reduce(learn, [] as Learned)
  const question = { gross: 1e18, gasEstimate: 400_000, baseFee: 1e9, minPriority: 1e7, maxShare: 0.6 }

  test('without rivals the bid falls to the minimum', () => {
    const bid = bestBid(
      many(20, () => won(0)),
      question,
    )
    expect([bid.share, bid.priority]).toEqual([0, question.minPriority])
    expect(bid.chance).toBeGreaterThan(0.9)
  })

  test('against a rival who bids a quarter, lower bids are avoided', () => {
    const learned = many(120, (index) => {
      const share = [0, 0.1, 0.2, 0.3, 0.4][index % 5] as number
      return share > 0.25 ? won(share) : lost(share)
    })
    expect(bestBid(learned, question).share).toBe(0.3)
    expect(chanceOf(learned, 0.1, 1e18)).toBeLessThan(chanceOf(learned, 0.3, 1e18))
    // The chance never falls as the bid rises.
    const chances = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6].map((share) => chanceOf(learned, share, 1e18))
    expect(chances).toEqual([...chances].sort((a, b) => a - b))
  })

  test('gas is a distribution: the limit follows the highest ratio, a revert costs the mean of past reverts', () => {
    const learned = many(100, (index) => (index % 10 === 0 ? won(0, 1.8) : won(0, 0.9)))
    const gas = gasExpectation(learned)
    expect(gas.mean).toBeCloseTo(0.99, 1)
    expect(gas.high).toBeGreaterThan(1.7)
    const decision = judge(opportunity, policies, { ...state, learned })
    expect(Number(decision.bid?.gasLimit)).toBeGreaterThan(decision.numbers.gasEstimate * 2.2)
    expect(gasExpectation(many(50, () => lost(0, 0.2))).reverted).toBeLessThan(0.3)
  })

  test('a small profit is refused if the chance of inclusion is too low', () => {
    const learned = many(100, () => ({ ...lost(0.6), gross: 1e15 }))
    const thin = { ...opportunity, profit: E18 / 1_000n }
    const dear = { ...state, baseFeePerGas: 10n ** 9n, learned }
    expect(failing(thin, { ...policies, risk: { ...policies.risk, minNetProfit: 1n } }, dear)).toEqual([
      'expected profit',
    ])
  })

  test('only the latest trades count, the newest with the greatest weight', () => {
    expect(many(500, () => won(0))).toHaveLength(400)
    const turned = [...Array.from({ length: 40 }, () => won(0)), ...Array.from({ length: 40 }, () => lost(0))]
    expect(chanceOf(turned, 0, 1e18)).toBeLessThan(0.5)
    // Outcomes of trades a thousand times larger have little weight.
    expect(chanceOf(turned, 0, 1e21)).toBeGreaterThan(chanceOf(turned, 0, 1e18))
  })
})

describe('outcomes', () => {
  const trade = { succeeded: true, predictedAt: 10, block: 12, transactionIndex: 3 }
  test.each([
    ['as-predicted', trade, []],
    [
      'as-predicted',
      trade,
      [
        { pool: '0x1', block: 10, transactionIndex: 9 },
        { pool: '0x1', block: 12, transactionIndex: 3 },
        { pool: '0x1', block: 12, transactionIndex: 4 },
      ],
    ],
    ['state-moved', trade, [{ pool: '0x1', block: 11, transactionIndex: 9 }]],
    ['state-moved', trade, [{ pool: '0x1', block: 12, transactionIndex: 2 }]],
    ['reverted', { ...trade, succeeded: false }, []],
  ] as const)('%s', (outcome, mined, events) => {
    expect(classify(mined, events)).toBe(outcome)
  })
})

describe('loans and prices', () => {
  const pool = (
    address: `0x${string}`,
    tokens: readonly [`0x${string}`, `0x${string}`],
    x: bigint,
    y: bigint,
  ): ConstantProductPool => ({
    kind: 'constant-product',
    address,
    dex: 'd',
    tokens,
    reserves: [x, y],
    feeBps: 30,
  })
  const market = [
    pool('0x1', ['0xa', '0xb'], 1_000n * E18, 2_000_000n * E18),
    pool('0x2', ['0xa', '0xb'], 1_000n * E18, 2_200_000n * E18),
  ]
  const pools = new Map(market.map((item) => [item.address, item]))

  test('the best loan leaves the greatest profit, even if it lends less', () => {
    const cycle = cyclesOf(market, { maxHops: 2, startTokens: ['0xb'] }).find((candidate) =>
      withBestLoan(candidate, pools, [
        {
          kind: 'balancer-v2',
          lender: '0xv',
          token: '0xb',
          available: 10n ** 30n,
          rate: 0n,
          isToken0: false,
        },
      ]),
    )
    const at = (available: bigint) =>
      withBestLoan(cycle as never, pools, [
        { kind: 'aave-v3', lender: '0xaave', token: '0xb', available: 10n ** 30n, rate: 5n, isToken0: false },
        { kind: 'balancer-v2', lender: '0xv', token: '0xb', available, rate: 0n, isToken0: false },
      ])
    expect(at(10n ** 30n)?.loan.kind).toBe('balancer-v2')
    // If the free lender has only a small amount, a premium on the whole size earns more.
    expect(at(E18)?.loan.kind).toBe('aave-v3')
    const paid = at(E18)
    expect(paid?.profit).toBe((paid?.cycles[0]?.grossProfit ?? 0n) - (paid?.premium ?? 0n))
  })

  test('the price is the depth-weighted median, and tokens without a path to the numeraire have none', () => {
    const prices = priceTokens(new Map([...pools, ['0x3', pool('0x3', ['0xx', '0xy'], 5n, 5n)]]), '0xb')
    expect(prices.get('0xa')?.pools).toBe(2)
    expect([2_000, 2_200]).toContain(Math.round(prices.get('0xa')?.rate ?? 0))
    expect(prices.get('0xx')).toBeUndefined()
  })
})
