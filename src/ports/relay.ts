/** A private relay: hands transactions to those who make blocks, and to nobody else. */
import type { Hex } from './chain.ts'

/** Errors: `relay-unreachable` (retry later), `relay-refused` (the message says why). */
export interface Relay {
  /** For people: never the URL, which may hold a key. */
  readonly name: string
  /** Signed transactions to stand together at one place of `block`, all or none; left out where one would revert. */
  sendBundle(raws: readonly Hex[], block: number): Promise<void>
  /** One signed transaction, tried until `lastBlock`; left out where it would revert. */
  sendPrivateTransaction(raw: Hex, lastBlock: number): Promise<void>
}
