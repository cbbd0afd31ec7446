/** What a market is made of: the same shape for the local chain, a snapshot and a real chain. */
import type { Address, Engine, PoolKind } from '../amm/index.ts'
import type { Token } from '../graph/index.ts'

export interface PoolDescriptor {
  readonly kind: PoolKind
  /** The contract; for a Uniswap V4 pool the first 20 bytes of its id. */
  readonly address: Address
  readonly dex: string
  readonly tokens: readonly Address[]
  /** What the vault (Balancer) or the manager (Uniswap V4) calls it. */
  readonly id?: `0x${string}`
  /** Constant product only. */
  readonly feeBps?: number
  /** Concentrated only. */
  readonly engine?: Engine
  readonly feePips?: number
  readonly tickSpacing?: number
  /** Uniswap V4: the pool holds the native coin, named here by its wrapped token. */
  readonly native?: boolean
  /** Weighted and stable: what distinguishes the generations of their contracts. */
  readonly powShortcuts?: boolean
  readonly invariantRounding?: 'up' | 'down'
  /** The pool of a real chain that this one was built from. */
  readonly reference?: Address
}

/** A fee that a factory allows, in hundredths of a basis point, with the spacing of its pools' ticks. */
export interface FeeTier {
  readonly feePips: number
  readonly tickSpacing: number
}

/** Who makes pools. Its events tell of new ones. */
export type Exchange =
  | { readonly kind: 'uniswap-v2'; readonly dex: string; readonly factory: Address; readonly feeBps: number }
  | {
      readonly kind: 'uniswap-v3'
      readonly dex: string
      readonly factory: Address
      readonly fees: readonly FeeTier[]
    }
  | { readonly kind: 'algebra'; readonly dex: string; readonly factory: Address }
  | {
      readonly kind: 'uniswap-v4'
      readonly dex: string
      readonly manager: Address
      readonly fees: readonly FeeTier[]
    }
  /** No pool before `sinceBlock`. */
  | {
      readonly kind: 'balancer-v2'
      readonly dex: string
      readonly vault: Address
      readonly sinceBlock: number
    }

export interface MarketManifest {
  readonly chainId: number
  /** Hash and number of the first block: they tell one local chain from the next. */
  readonly genesis: `0x${string}`
  readonly genesisBlock: number
  /** `local` chains may be traded on; anything else starts on paper. */
  readonly network: string
  readonly nativeSymbol: string
  readonly wrappedNative: Address
  /** The token in which values are shown, usually a dollar; for a snapshot its wrapped native token. */
  readonly numeraire: Address
  readonly tokens: readonly Token[]
  readonly pools: readonly PoolDescriptor[]
  /** Where new pools come from. */
  readonly exchanges: readonly Exchange[]
  /** Pools made in later blocks are not among `pools` yet. */
  readonly discoveredAt: number
  /** Tokens in which profit is wanted, best first. */
  readonly startTokens: readonly Address[]
  readonly multicall: Address
  readonly aave?: { readonly pool: Address; readonly oracle: Address }
  readonly balancer?: { readonly vault: Address }
  readonly uniswapV4?: { readonly manager: Address }
  /** Our contract and its accounts; absent where nothing may be sent. */
  readonly execution?: { readonly executor: Address; readonly operator: Address; readonly treasury: Address }
  /** The same where it is not deployed: simulations are lent its code. */
  readonly paper?: {
    readonly executor: Address
    readonly operator: Address
    readonly treasury: Address
    readonly code: `0x${string}`
  }
}
