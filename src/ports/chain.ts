/** The chain port. Quantities are decoded; all other values are as in Ethereum's JSON-RPC. Amounts in wei. */
import type { Address } from '../amm/index.ts'

/** Hexadecimal digits with `0x`. */
export type Hex = `0x${string}`
/** A block by number or by JSON-RPC tag. */
export type BlockTag = number | 'latest' | 'earliest' | 'pending' | 'safe' | 'finalized'

/** A block header. */
export interface Head {
  readonly number: number
  readonly hash: Hex
  readonly parentHash: Hex
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly baseFeePerGas: bigint
}

/** An event of a mined transaction. */
export interface Log {
  readonly address: Address
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly transactionIndex: number
  readonly logIndex: number
}

/** The result of a mined transaction. Gas in units, prices and fees in wei. */
export interface Receipt {
  readonly transactionHash: Hex
  readonly succeeded: boolean
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly transactionIndex: number
  readonly gasUsed: bigint
  readonly effectiveGasPrice: bigint
  /** A rollup's fee for data, in addition to gas, in wei; 0 on other chains. */
  readonly dataFee: bigint
  readonly logs: readonly Log[]
}

/** A call without a transaction. Without `to` it creates a contract and returns its code. */
export interface Call {
  readonly from?: Address
  readonly to?: Address
  readonly data: Hex
  readonly gas?: bigint
}

/** Filter of `eth_getLogs`; the block range is inclusive. */
export interface LogFilter {
  readonly fromBlock: number
  readonly toBlock: number
  readonly address?: Address | readonly Address[]
  readonly topics?: readonly (Hex | null | readonly Hex[])[]
}

/** A call of a simulated block. */
export interface SimulatedCall {
  readonly from: Address
  readonly to: Address
  readonly data: Hex
  readonly gas?: bigint
  /** In wei. */
  readonly value?: bigint
}

/** Code and storage placed at an address for one simulation (a state override). */
export interface LentContract {
  readonly code: Hex
  /** Words by slot. */
  readonly storage: Readonly<Record<Hex, Hex>>
}

/** A transaction in the node's mempool. */
export interface PendingTransaction {
  readonly hash: Hex
  readonly from: Address
  /** Null for a contract creation. */
  readonly to: Address | null
  readonly data: Hex
  readonly value: bigint
  readonly gas: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** The result of one simulated call. */
export interface Simulation {
  readonly succeeded: boolean
  readonly gasUsed: bigint
  readonly logs: readonly Log[]
  /** Reason of the revert. */
  readonly error?: string
}

/** State of the connection to a node. */
export type ChainLink = 'connected' | 'disconnected'

/** Status of one of several nodes, for display. */
export interface EndpointStatus {
  readonly name: string
  readonly state: ChainLink | 'resting' | 'disagrees'
  readonly calls: number
  readonly callsToday: number
  /** Null without a budget. */
  readonly callsLeftToday: number | null
  readonly failures: number
  readonly lastError?: string
}

/**
 * Errors: `chain-unreachable` (retry later), `quota-used-up` (retry later), `rpc-failed` (the node refused;
 * the message has its reason).
 */
export interface Chain {
  chainId(): Promise<number>
  block(tag: BlockTag): Promise<Head>
  logs(filter: LogFilter): Promise<Log[]>
  /** `eth_call`; `code` overrides the code of addresses for this call only. Returns the call's data. */
  call(call: Call, tag: BlockTag, code?: Readonly<Record<Address, Hex>>): Promise<Hex>
  /**
   * Runs calls in sequence in a block on top of the pending or latest one; `lent` contracts exist in this
   * simulation only.
   */
  simulate(
    calls: readonly SimulatedCall[],
    on: 'pending' | 'latest',
    lent?: Readonly<Record<Address, LentContract>>,
  ): Promise<Simulation[]>
  /** In wei. */
  balance(account: Address, tag: BlockTag): Promise<bigint>
  transactionCount(account: Address, tag: BlockTag): Promise<number>
  /** Sends a signed transaction. Returns its hash. */
  send(raw: Hex): Promise<Hex>
  /** Undefined until the transaction is mined. */
  receipt(hash: Hex): Promise<Receipt | undefined>
  /** Last known state of the connection. */
  readonly link: ChainLink
  /** The nodes behind this port, if there are several. */
  endpoints?(): readonly EndpointStatus[]
  /**
   * Calls `onHead` for each new block and `onLink` when the connection opens or closes. Returns an
   * unsubscribe function.
   */
  watch(onHead: (head: Head) => void, onLink?: (link: ChainLink) => void): () => void
  /**
   * Calls `onTransaction` for each transaction of the mempool, if the node publishes them. Returns an
   * unsubscribe function.
   */
  watchPending(onTransaction: (transaction: PendingTransaction) => void): () => void
  /** A signed transaction, encoded; undefined if the node does not have it. */
  rawTransaction(hash: Hex): Promise<Hex | undefined>
  close(): void
}
