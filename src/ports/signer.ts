/** The signer, the only holder of keys. */
import type { Address } from '../amm/index.ts'
import type { Intent } from '../intents/index.ts'
import type { Hex } from './chain.ts'

/** A signed transaction, encoded, and its hash. */
export interface Signed {
  readonly raw: Hex
  readonly hash: Hex
}

/**
 * Errors: `signer-refused` (do not retry; the message names the rule), `signer-unreachable` (retry later).
 */
export interface Signer {
  /** The account that signs transactions. */
  account(): Promise<Address>
  /**
   * Signs an intent that is within the policy; its value counts against the caps before the signature is
   * returned.
   */
  sign(intent: Intent): Promise<Signed>
  /**
   * Authenticates to a relay: signs 32 bytes as a message, with a key that owns nothing and signs no
   * transaction.
   */
  identify(digest: Hex): Promise<{ account: Address; signature: Hex }>
  close(): void
}
