/** The JSON of Ethereum nodes: shapes of their answers, and their decoding. */
import type { Address } from '../../amm/index.ts'
import type { BlockTag, Head, Hex, Log, PendingTransaction, Receipt, Simulation } from '../../ports/chain.ts'

export interface RawBlock {
  number: Hex
  hash: Hex
  parentHash: Hex
  timestamp: Hex
  baseFeePerGas?: Hex
}
export interface RawLog {
  address: Hex
  topics: Hex[]
  data: Hex
  blockNumber: Hex
  blockHash: Hex
  transactionHash: Hex
  transactionIndex: Hex
  logIndex: Hex
}
export interface RawReceipt {
  transactionHash: Hex
  status: Hex
  blockNumber: Hex
  blockHash: Hex
  transactionIndex: Hex
  gasUsed: Hex
  effectiveGasPrice: Hex
  /** Rollups of the OP stack. */
  l1Fee?: Hex
  logs: RawLog[]
}
export interface RawTransaction {
  hash: Hex
  from: Hex
  to: Hex | null
  input: Hex
  value: Hex
  gas: Hex
  gasPrice?: Hex
  maxFeePerGas?: Hex
  maxPriorityFeePerGas?: Hex
  blockNumber?: Hex | null
}
export interface RawSimulation {
  status: Hex
  gasUsed: Hex
  logs: RawLog[]
  error?: { message: string }
}

export const hex = (value: bigint | number): Hex => `0x${value.toString(16)}`
export const tagOf = (tag: BlockTag) => (typeof tag === 'number' ? hex(tag) : tag)
export const headOf = (raw: RawBlock): Head => ({
  number: Number(raw.number),
  hash: raw.hash,
  parentHash: raw.parentHash,
  timestamp: Number(raw.timestamp),
  baseFeePerGas: BigInt(raw.baseFeePerGas ?? 0),
})
export const logOf = (raw: RawLog): Log => ({
  address: raw.address.toLowerCase() as Address,
  topics: raw.topics,
  data: raw.data,
  blockNumber: Number(raw.blockNumber),
  blockHash: raw.blockHash,
  transactionHash: raw.transactionHash,
  transactionIndex: Number(raw.transactionIndex),
  logIndex: Number(raw.logIndex),
})

export const pendingOf = (raw: RawTransaction): PendingTransaction => ({
  hash: raw.hash,
  from: raw.from.toLowerCase() as Address,
  to: raw.to === null ? null : (raw.to.toLowerCase() as Address),
  data: raw.input,
  value: BigInt(raw.value),
  gas: BigInt(raw.gas),
  // Legacy transactions pay one price, whatever the base fee.
  maxFeePerGas: BigInt(raw.maxFeePerGas ?? raw.gasPrice ?? 0),
  maxPriorityFeePerGas: BigInt(raw.maxPriorityFeePerGas ?? raw.gasPrice ?? 0),
})

export const receiptOf = (raw: RawReceipt): Receipt => ({
  transactionHash: raw.transactionHash,
  succeeded: raw.status === '0x1',
  blockNumber: Number(raw.blockNumber),
  blockHash: raw.blockHash,
  transactionIndex: Number(raw.transactionIndex),
  gasUsed: BigInt(raw.gasUsed),
  effectiveGasPrice: BigInt(raw.effectiveGasPrice),
  dataFee: BigInt(raw.l1Fee ?? 0),
  logs: raw.logs.map(logOf),
})

/** A result of `eth_simulateV1`. Logs of a simulated block may lack their position. */
export const simulationOf = ({ status, gasUsed, logs, error }: RawSimulation): Simulation => ({
  succeeded: status === '0x1',
  gasUsed: BigInt(gasUsed),
  logs: logs.map((log) =>
    logOf({ ...log, transactionIndex: log.transactionIndex ?? '0x0', blockNumber: log.blockNumber ?? '0x0' }),
  ),
  ...(error ? { error: error.message } : {}),
})
