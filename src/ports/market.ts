/**
 * The market as services see it: exact pools at the head, prices over them, and the changes of each block.
 */
import type { Address, Pool } from '../amm/index.ts'
import type { TokenPrice } from '../arbitrage/index.ts'
import type { Token } from '../graph/index.ts'
import type { Head, Log } from './chain.ts'
import type { MarketManifest, PoolDescriptor } from './manifest.ts'

/** The changes of one block. */
export interface MarketChange {
  readonly head: Head
  /** Pools whose state changed. */
  readonly changed: ReadonlySet<Address>
  readonly logs: readonly Log[]
  /** When its head was seen here, in ms since 1970. */
  readonly receivedAt: number
}

/**
 * The state of the market at the head, and verbs over it. Every verb throws the error that a tool should
 * answer with. Implementations extend `MarketVerbs` (src/engine/market/verbs.ts). Throws `market-not-ready`
 * before the first read.
 */
export interface MarketView {
  readonly manifest: MarketManifest
  readonly pools: ReadonlyMap<Address, Pool>
  readonly head: Head
  /** When the state was last confirmed against the chain, in ms since 1970. */
  readonly observedAt: number
  /** Why the view may be stale, or undefined. */
  readonly failure: string | undefined
  /** Numeraire units per unit, both smallest, by token. */
  prices(): ReadonlyMap<Address, TokenPrice>
  /** How a pool was built: factory, fee, id in its vault. */
  descriptor(pool: Address): PoolDescriptor | undefined
  /** Calls `listener` after each block. Returns an unsubscribe function. */
  subscribe(listener: (change: MarketChange) => void): () => void
  /**
   * A token by symbol (any case) or address. ETH, BTC, MATIC and POL name their wrapped tokens.
   * Throws `unknown-symbol` with the known symbols as its hint.
   */
  token(text: string): Token
  /** A token's symbol; a shortened address for a token outside this market. */
  symbol(token: Address): string
  /** The state of a pool. Throws `not-found` for a pool outside this market. */
  pool(address: Address): Pool
  /** Numeraire units per unit of the token, both smallest; undefined for a token without a price. */
  rate(token: Address): number | undefined
  /** Whole numeraire units per whole token; undefined for a token without a price. */
  price(token: Address): number | undefined
  /** An amount as answers carry it: smallest units, and whole tokens with the symbol ("2,000.5 USDC"). */
  amount(token: Address, raw: bigint): { readonly raw: bigint; readonly amount: string }
  /** Value of `amount` (smallest units) in whole numeraire units; undefined for a token without a price. */
  worth(token: Address, amount: bigint): number | undefined
}
