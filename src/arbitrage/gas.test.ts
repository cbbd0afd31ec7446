import { describe, expect, test } from 'vitest'
import type { LenderKind } from '../flash/index.ts'
import { gasOf, judge, type Leg, type Opportunity } from './index.ts'

const E18 = 10n ** 18n
const leg = (kind: Leg['kind'], digit: string): Leg => ({
  pool: `0x${digit.repeat(40)}`,
  kind,
  dex: 'd',
  tokenIn: '0xa',
  tokenOut: '0xb',
  venue: 'pair',
  target: '0x1',
  feeBps: 30,
})
const opportunity = (lender: LenderKind, kinds: readonly Leg['kind'][]): Opportunity => ({
  id: 'opp_1',
  block: 10,
  blockHash: '0xb',
  token: '0xa',
  cycles: [{ legs: kinds.map((kind, index) => leg(kind, String(index + 1))), amounts: [] }],
  loan: { kind: lender, lender: '0xf', token: '0xa', available: E18, rate: 0n, isToken0: false },
  borrowed: E18,
  premium: 0n,
  profit: 10n * E18,
})
const head = { version: 1, issuedBy: 'test', expiresAt: null }
const policies = {
  gas: { ...head, bidShareBps: 1_000, minPriorityFee: 10n ** 9n, maxFeePerGas: 10n ** 14n },
  risk: {
    ...head,
    halted: false,
    minNetProfit: 1n,
    maxGasCost: 5n * E18,
    maxInFlight: 2,
    minShareBps: 5_000,
    maxAgeBlocks: 1,
  },
  lender: {
    ...head,
    allowed: ['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2', 'own-capital'] as const,
  },
}
const state = {
  now: 1_000,
  head: 10,
  baseFeePerGas: 10n ** 10n,
  operatorBalance: 1_000n * E18,
  inFlight: 0,
  busyPools: new Map(),
  nativeRate: 1,
  learned: [],
}

/** By hand: 95,000 for the transaction, 62,000 and 88,000 for the swaps, and the gas of the lender. */
const BY_LENDER = [
  ['own-capital', 200_000],
  ['balancer-v2', 245_000],
  ['uniswap-v2', 247_500],
  ['uniswap-v3', 259_000],
  ['aave-v3', 322_000],
] as const

describe('the gas of an opportunity', () => {
  test.each(BY_LENDER)('with a loan of %s', (lender, gas) => {
    const found = opportunity(lender, ['constant-product', 'concentrated'])
    expect(gasOf(found)).toBe(gas)
    expect(judge(found, policies, state).numbers.gasEstimate).toBe(gas)
  })

  test('each kind of pool has its own', () => {
    expect(gasOf(opportunity('balancer-v2', ['weighted', 'stable']))).toBe(95_000 + 105_000 + 115_000)
  })

  test('without experience the limit is twice the estimate', () => {
    const found = opportunity('balancer-v2', ['constant-product', 'concentrated'])
    expect(judge(found, policies, state).bid?.gasLimit).toBe(490_000n)
  })
})
