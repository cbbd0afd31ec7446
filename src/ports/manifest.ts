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
  /** Weighted and stable: what distinguishes the generations of their contracts. */
  readonly powShortcuts?: boolean
  readonly invariantRounding?: 'up' | 'down'
  /** The pool of a real chain that this one was built from. */
  readonly reference?: Address
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
  /** Tokens in which profit is wanted, best first. */
  readonly startTokens: readonly Address[]
  readonly multicall: Address
  readonly aave?: { readonly pool: Address; readonly oracle: Address }
  readonly balancer?: { readonly vault: Address }
  readonly uniswapV4?: { readonly manager: Address }
  /** Our contract and its accounts; absent where nothing may be sent. */
  readonly execution?: { readonly executor: Address; readonly operator: Address; readonly treasury: Address }
}
