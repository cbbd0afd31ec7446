/** The chain, as the engine needs it. Quantities are decoded; everything else is as JSON-RPC has it. */
import type { Address } from '../amm/index.ts'

export type Hex = `0x${string}`
export type BlockTag = number | 'latest' | 'earliest' | 'pending' | 'safe' | 'finalized'

export interface Head {
  readonly number: number
  readonly hash: Hex
  readonly parentHash: Hex
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly baseFeePerGas: bigint
}

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

export interface Receipt {
  readonly transactionHash: Hex
  readonly succeeded: boolean
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly transactionIndex: number
  readonly gasUsed: bigint
  readonly effectiveGasPrice: bigint
  /** What a rollup took for the data beside the gas, in wei; 0 elsewhere. */
  readonly dataFee: bigint
  readonly logs: readonly Log[]
}

/** Without `to` it makes a contract, and what comes back is its code. */
export interface Call {
  readonly from?: Address
  readonly to?: Address
  readonly data: Hex
  readonly gas?: bigint
}

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

export interface LentContract {
  readonly code: Hex
  /** Words by slot. */
  readonly storage: Readonly<Record<Hex, Hex>>
}

/** A transaction that waits to be mined. */
export interface PendingTransaction {
  readonly hash: Hex
  readonly from: Address
  /** Null where it makes a contract. */
  readonly to: Address | null
  readonly data: Hex
  readonly value: bigint
  readonly gas: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

export interface Simulation {
  readonly succeeded: boolean
  readonly gasUsed: bigint
  readonly logs: readonly Log[]
  /** Why it would revert. */
  readonly error?: string
}

export type ChainLink = 'connected' | 'disconnected'

/** One of several nodes, as people see it. */
export interface EndpointStatus {
  readonly name: string
  readonly state: ChainLink | 'resting' | 'disagrees'
  readonly calls: number
  readonly callsToday: number
  /** Null where no budget is set. */
  readonly callsLeftToday: number | null
  readonly failures: number
  readonly lastError?: string
}

/** Errors: `chain-unreachable` (retry later), `quota-used-up` (retry later), `rpc-failed` (the node refused; the message says why). */
export interface Chain {
  chainId(): Promise<number>
  block(tag: BlockTag): Promise<Head>
  logs(filter: LogFilter): Promise<Log[]>
  /** `code` lends code to addresses for this call only. */
  call(call: Call, tag: BlockTag, code?: Readonly<Record<Address, Hex>>): Promise<Hex>
  /** Runs calls one after another in a block on top of the pending or the last one; `lent`: contracts that are there for this block only. */
  simulate(
    calls: readonly SimulatedCall[],
    on: 'pending' | 'latest',
    lent?: Readonly<Record<Address, LentContract>>,
  ): Promise<Simulation[]>
  balance(account: Address, tag: BlockTag): Promise<bigint>
  transactionCount(account: Address, tag: BlockTag): Promise<number>
  send(raw: Hex): Promise<Hex>
  receipt(hash: Hex): Promise<Receipt | undefined>
  /** The last known state of the connection. */
  readonly link: ChainLink
  /** The nodes behind it, where there are several. */
  endpoints?(): readonly EndpointStatus[]
  /** Calls `onHead` for each new block and `onLink` when the connection comes or goes. Returns how to stop. */
  watch(onHead: (head: Head) => void, onLink?: (link: ChainLink) => void): () => void
  /** Calls `onTransaction` for each transaction that the node hears of, where it tells. Returns how to stop. */
  watchPending(onTransaction: (transaction: PendingTransaction) => void): () => void
  /** A transaction as it was signed; undefined where the node does not have it. */
  rawTransaction(hash: Hex): Promise<Hex | undefined>
  close(): void
}
