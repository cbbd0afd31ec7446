/** A chain as data, plus three strategies: how a transaction is submitted, what gas costs, and what final means. */

import type { Address } from '../../amm/index.ts'
import type { Token } from '../../graph/index.ts'
import type { Exchange, FeeTier } from '../../ports/manifest.ts'
import type { ChainName } from './names.ts'

/** How a transaction gets to those who make blocks. */
export type Submission =
  /** To every node: whoever hears of it first passes it on, and may copy it. */
  | { readonly kind: 'public' }
  /** To the sequencer, through the nodes: nobody else sees it before it is ordered. */
  | { readonly kind: 'sequencer' }
  /** To private relays for the next so many blocks, where any are configured; else as `public`. */
  | { readonly kind: 'relay'; readonly method: 'bundle' | 'private-transaction'; readonly blocks: number }

/** What gas costs. */
export type GasMarket =
  /** Base fee and a tip that buys a place in the block. */
  | { readonly kind: 'auction'; readonly leastPriorityFee: bigint }
  /** As `auction`, and a fee for the data that the rollup posts, as its oracle tells. */
  | { readonly kind: 'op-stack'; readonly leastPriorityFee: bigint; readonly oracle: Address }
  /** No tip; the data is charged as gas, at the price that the precompile tells. */
  | { readonly kind: 'arbitrum'; readonly gasInfo: Address }

/** From when on a block is never undone: the node's tag, or this far below the head where a node does not know the tag. */
export interface Finality {
  readonly tag: 'finalized' | 'safe'
  readonly depthWithoutTag: number
}

/** How a chain is traded on. */
export interface TradingTerms {
  readonly submission: Submission
  readonly gas: GasMarket
  readonly finality: Finality
  /** The most that one transaction may burn, and that a unit of gas may cost, in wei, where no policy says otherwise. */
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
