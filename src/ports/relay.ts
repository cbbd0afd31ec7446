/** A private relay: forwards transactions to block builders only. */
import type { Hex } from './chain.ts'

/** Errors: `relay-unreachable` (retry later), `relay-refused` (the message has the reason). */
export interface Relay {
  /** For display; never the URL, which may contain a key. */
  readonly name: string
  /**
   * Sends signed transactions for consecutive inclusion in `block`, all or none; dropped if one would revert.
   */
  sendBundle(raws: readonly Hex[], block: number): Promise<void>
  /** Sends one signed transaction, tried until `lastBlock`; dropped if it would revert. */
  sendPrivateTransaction(raw: Hex, lastBlock: number): Promise<void>
}
