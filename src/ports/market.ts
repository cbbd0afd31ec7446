/** The market as services see it: exact pools at the head, prices over them, and what each block changed. */
import type { Address, Pool } from '../amm/index.ts'
import type { TokenPrice } from '../arbitrage/index.ts'
import type { Head, Log } from './chain.ts'
import type { MarketManifest, PoolDescriptor } from './manifest.ts'

export interface MarketChange {
  readonly head: Head
  readonly changed: ReadonlySet<Address>
  readonly logs: readonly Log[]
  /** When its head was seen here, in ms since 1970. */
  readonly receivedAt: number
}

/** Errors: `market-not-ready` before the first read. */
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
  descriptor(pool: Address): PoolDescriptor | undefined
  subscribe(listener: (change: MarketChange) => void): () => void
}
