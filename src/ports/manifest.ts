/** What a market is made of: the same shape for the local chain, a snapshot and a real chain. */
import type { Address } from '../amm/index.ts'
import type { Token } from '../graph/index.ts'

export interface PoolDescriptor {
  readonly kind: 'constant-product' | 'concentrated'
  readonly address: Address
  readonly dex: string
  readonly tokens: readonly [Address, Address]
  /** Constant product only. */
  readonly feeBps?: number
  /** Concentrated only. */
  readonly feePips?: number
  readonly tickSpacing?: number
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
  /** Our contract and its accounts; absent where nothing may be sent. */
  readonly execution?: { readonly executor: Address; readonly operator: Address; readonly treasury: Address }
}
