/** Decoding of a node's JSON. */
import { expect, test } from 'vitest'
import { headOf, logOf, pendingOf, receiptOf, simulationOf, tagOf } from './json-rpc-codec.ts'

const rawLog = {
  address: '0xABcd',
  topics: ['0x1'],
  data: '0x',
  blockNumber: '0x10',
  blockHash: '0xb',
  transactionHash: '0xt',
  transactionIndex: '0x2',
  logIndex: '0x3',
} as Parameters<typeof logOf>[0]

test('a head before London has no base fee', () => {
  const raw = { number: '0xff', hash: '0x1', parentHash: '0x0', timestamp: '0x64' } as const
  expect(headOf(raw)).toEqual({
    number: 255,
    hash: '0x1',
    parentHash: '0x0',
    timestamp: 100,
    baseFeePerGas: 0n,
  })
  expect(headOf({ ...raw, baseFeePerGas: '0x3b9aca00' }).baseFeePerGas).toBe(1_000_000_000n)
})

test('a log has a lower-case address and its position in numbers', () => {
  expect(logOf(rawLog)).toMatchObject({
    address: '0xabcd',
    blockNumber: 16,
    transactionIndex: 2,
    logIndex: 3,
  })
})

const rawTransaction = {
  hash: '0x1',
  from: '0xAA',
  to: null,
  input: '0x',
  value: '0x5',
  gas: '0x5208',
} as const

test('a legacy transaction pays its gas price as maximum and as priority fee', () => {
  expect(pendingOf({ ...rawTransaction, gasPrice: '0x7' })).toMatchObject({
    from: '0xaa',
    to: null,
    value: 5n,
    gas: 21_000n,
    maxFeePerGas: 7n,
    maxPriorityFeePerGas: 7n,
  })
  expect(
    pendingOf({ ...rawTransaction, to: '0xBB', maxFeePerGas: '0x9', maxPriorityFeePerGas: '0x1' }),
  ).toMatchObject({ to: '0xbb', maxFeePerGas: 9n, maxPriorityFeePerGas: 1n })
})

test('a receipt of a rollup includes its data fee; a failed one did not succeed', () => {
  const raw = {
    transactionHash: '0x1',
    status: '0x1',
    blockNumber: '0x10',
    blockHash: '0xb',
    transactionIndex: '0x2',
    gasUsed: '0x5208',
    effectiveGasPrice: '0x2',
    logs: [rawLog],
  } as const
  expect(receiptOf({ ...raw, logs: [rawLog], l1Fee: '0x64' })).toMatchObject({
    succeeded: true,
    gasUsed: 21_000n,
    effectiveGasPrice: 2n,
    dataFee: 100n,
    logs: [{ address: '0xabcd' }],
  })
  expect(receiptOf({ ...raw, logs: [], status: '0x0' })).toMatchObject({ succeeded: false, dataFee: 0n })
})

test('logs of a simulation may lack their position', () => {
  const { transactionIndex: _, blockNumber: __, ...log } = rawLog
  expect(
    simulationOf({ status: '0x0', gasUsed: '0x1', logs: [log as typeof rawLog], error: { message: 'no' } }),
  ).toMatchObject({
    succeeded: false,
    error: 'no',
    logs: [{ blockNumber: 0, transactionIndex: 0, logIndex: 3 }],
  })
})

test('a block is named by its number or its tag', () => {
  expect([tagOf(255), tagOf('latest')]).toEqual(['0xff', 'latest'])
})
