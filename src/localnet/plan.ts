/** The plan of a local market. */
import type { Address } from '../amm/index.ts'
import type { MarketSnapshot } from '../graph/index.ts'

/** A market to build: its tokens and pools, and the prices that it starts from. */
export interface MarketPlan {
  readonly network: string
  readonly nativeSymbol: string
  readonly wrappedNative: Address
  readonly numeraire: Address
  readonly snapshot: MarketSnapshot
  /** Dollars per whole token. */
  readonly dollars: ReadonlyMap<Address, number>
}

/** Mints or wraps `amount` (smallest units) of `token` for `to`. */
export type Fund = (token: Address, to: Address, amount: bigint) => void

/** The account that sets the local chain up and writes its oracle; impersonated, no key exists. */
export const BUILDER: Address = '0x00000000000000000000000000000000000b0001'
