import { decodeFunctionData } from 'viem'
import { expect, test } from 'vitest'
import { EXECUTE_ABI } from './encode.ts'
import { encodeExecute, encodePlan, intent } from './index.ts'

const address = (digit: string) => `0x${digit.repeat(40)}` as `0x${string}`
const execute = {
  type: 'execute' as const,
  chainId: 31_337,
  account: address('1'),
  nonce: 7,
  gasLimit: 500_000n,
  maxFeePerGas: 10n,
  maxPriorityFeePerGas: 2n,
  lease: 1,
  executor: address('2'),
  lender: { kind: 'uniswap-v3' as const, address: address('3'), isToken0: true },
  token: address('4'),
  amount: 255n,
  minProfit: 16n,
  deadline: 1_000,
  cycles: [
    {
      amountIn: 254n,
      legs: [
        { venue: 'pair' as const, pool: address('5'), tokenIn: address('4'), feeBps: 30 },
        { venue: 'managed' as const, pool: address('6'), tokenIn: address('7'), feeBps: 0 },
      ],
    },
  ],
}

test('the plan has the packed layout of the contract', () => {
  // Written out by hand from the layout in KintsugiExecutor.sol.
  expect(encodePlan(execute)).toBe(
    `0x83${'3'.repeat(40)}${'4'.repeat(40)}${'0'.repeat(30)}ff${'0'.repeat(30)}10${'0'.repeat(13)}3e8` +
      `02${'0'.repeat(30)}fe` +
      `00001e${'5'.repeat(40)}${'4'.repeat(40)}` +
      `030000${'6'.repeat(40)}${'7'.repeat(40)}`,
  )
  expect(decodeFunctionData({ abi: EXECUTE_ABI, data: encodeExecute(execute) }).args).toEqual([
    encodePlan(execute),
  ])
})

test.each([
  ['an amount of more than 128 bits', { amount: 1n << 128n }],
  ['one leg', { cycles: [{ amountIn: 1n, legs: execute.cycles[0]?.legs.slice(0, 1) }] }],
  ['seven legs', { cycles: [{ amountIn: 1n, legs: Array(7).fill(execute.cycles[0]?.legs[0]) }] }],
  ['no cycle', { cycles: [] }],
  [
    'another venue',
    { cycles: [{ amountIn: 1n, legs: Array(2).fill({ ...execute.cycles[0]?.legs[0], venue: 'curve' }) }] },
  ],
  ['another lender', { lender: { ...execute.lender, kind: 'dydx' } }],
  ['a short address', { executor: '0x12' }],
  ['a raw hash', { type: 'hash' }],
])('%s is not a valid intent', (_, change) => {
  expect(intent.safeParse({ ...execute, ...change }).success).toBe(false)
  expect(intent.safeParse(execute).success).toBe(true)
})
