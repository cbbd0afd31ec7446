/** A chain as data, plus three strategies: submission of a transaction, price of gas, finality. */

import type { Address } from '../../amm/index.ts'
import type { Token } from '../../graph/index.ts'
import type { Exchange, FeeTier } from '../../ports/manifest.ts'
import type { ChainName } from './names.ts'

/** How a transaction reaches the block's maker. */
export type Submission =
  /** To every node: visible to all, and may be copied. */
  | { readonly kind: 'public' }
  /** To the sequencer, through the nodes: not visible to others before it is ordered. */
  | { readonly kind: 'sequencer' }
  /** To private relays for the next `blocks` blocks, if any are configured; otherwise as `public`. */
  | { readonly kind: 'relay'; readonly method: 'bundle' | 'private-transaction'; readonly blocks: number }

/** The price of gas. */
export type GasMarket =
  /** Base fee and a tip that buys a place in the block. */
  | { readonly kind: 'auction'; readonly minPriorityFee: bigint }
  /** As `auction`, and a fee for the data that the rollup posts, read from its oracle. */
  | { readonly kind: 'op-stack'; readonly minPriorityFee: bigint; readonly oracle: Address }
  /** No tip; the data is charged as gas, at the price of the precompile. */
  | { readonly kind: 'arbitrum'; readonly gasInfo: Address }

/** When a block is final: by the node's tag, or by depth below the head if the node does not know the tag. */
export interface Finality {
  readonly tag: 'finalized' | 'safe'
  readonly depthWithoutTag: number
}

/** The rules of trading on a chain. */
export interface TradingTerms {
  readonly submission: Submission
  readonly gas: GasMarket
  readonly finality: Finality
  /**
   * Maximum gas cost of one transaction, and maximum price of a unit of gas, in wei, unless a policy sets
   * others.
   */
  readonly maxGasCost: bigint
  readonly maxFeePerGas: bigint
}

export interface ChainProfile extends TradingTerms {
  /** As in `--chain NAME` and in `NAME_RPC_URL`. */
  readonly name: ChainName
  readonly chainId: number
  readonly nativeSymbol: string
  readonly wrappedNative: Address
  readonly numeraire: Address
  readonly tokens: readonly Token[]
  readonly multicall: Address
  readonly exchanges: readonly Exchange[]
  readonly aave?: { readonly pool: Address }
}

/** The fees that Uniswap's factories, and their forks, have from the start, with their tick spacings. */
export const UNISWAP_FEES: readonly FeeTier[] = [
  { feePips: 100, tickSpacing: 1 },
  { feePips: 500, tickSpacing: 10 },
  { feePips: 3000, tickSpacing: 60 },
  { feePips: 10_000, tickSpacing: 200 },
]
