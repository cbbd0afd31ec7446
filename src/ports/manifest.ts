/** Static description of a market; one shape for the local chain, a snapshot and a real chain. */
import type { Address, Engine, PoolKind } from '../amm/index.ts'
import type { Token } from '../graph/index.ts'

/** Static facts of a pool; its state is a `Pool`. */
export interface PoolDescriptor {
  readonly kind: PoolKind
  /** The contract; for a Uniswap V4 pool the first 20 bytes of its id. */
  readonly address: Address
  readonly dex: string
  readonly tokens: readonly Address[]
  /** The pool's id in the vault (Balancer) or manager (Uniswap V4). */
  readonly id?: `0x${string}`
  /** Constant product only; basis points. */
  readonly feeBps?: number
  /** Concentrated only. */
  readonly engine?: Engine
  readonly feePips?: number
  readonly tickSpacing?: number
  /** Uniswap V4: whether the pool holds the native coin; `tokens` lists it as its wrapped token. */
  readonly native?: boolean
  /** Weighted and stable: the generation of the contract; see `WeightedPool` and `StablePool`. */
  readonly powShortcuts?: boolean
  readonly invariantRounding?: 'up' | 'down'
  /** The real chain's pool that this local pool was built from. */
  readonly reference?: Address
}

/** A fee that a factory allows, in hundredths of a basis point, with the tick spacing of its pools. */
export interface FeeTier {
  readonly feePips: number
  readonly tickSpacing: number
}

/** A factory of pools; its events announce new ones. */
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
  /** The vault has no pool before `sinceBlock`. */
  | {
      readonly kind: 'balancer-v2'
      readonly dex: string
      readonly vault: Address
      readonly sinceBlock: number
    }

/** A market: chain, tokens, pools, factories and contracts. */
export interface MarketManifest {
  readonly chainId: number
  /** Hash and number of the first block; they distinguish one local chain from the next. */
  readonly genesis: `0x${string}`
  readonly genesisBlock: number
  /** Trades are sent on `local`; other networks start with paper trading. */
  readonly network: string
  readonly nativeSymbol: string
  readonly wrappedNative: Address
  /** The token in which values are shown, usually a dollar token; for a snapshot its wrapped native token. */
  readonly numeraire: Address
  readonly tokens: readonly Token[]
  readonly pools: readonly PoolDescriptor[]
  /** Factories of new pools. */
  readonly exchanges: readonly Exchange[]
  /** Block of the discovery; pools of later blocks are not in `pools`. */
  readonly discoveredAt: number
  /** Tokens in which profit is taken, in order of preference. */
  readonly startTokens: readonly Address[]
  readonly multicall: Address
  readonly aave?: { readonly pool: Address; readonly oracle: Address }
  readonly balancer?: { readonly vault: Address }
  readonly uniswapV4?: { readonly manager: Address }
  /** The executor contract and its accounts; absent if nothing may be sent. */
  readonly execution?: { readonly executor: Address; readonly operator: Address; readonly treasury: Address }
  /** As `execution`, for a chain without the contract: simulations override the code of `executor`. */
  readonly paper?: {
    readonly executor: Address
    readonly operator: Address
    readonly treasury: Address
    readonly code: `0x${string}`
  }
}
