/** The signer, as the executor sees it: the only holder of keys. */
import type { Address } from '../amm/index.ts'
import type { Intent } from '../intents/index.ts'
import type { Hex } from './chain.ts'

export interface Signed {
  readonly raw: Hex
  readonly hash: Hex
}

/** Errors: `signer-refused` (never: the message names the rule), `signer-unreachable` (retry later). */
export interface Signer {
  account(): Promise<Address>
  sign(intent: Intent): Promise<Signed>
  /** Says who asks, to a relay: signs 32 bytes as a message, with a key that holds nothing and signs no transaction. */
  identify(digest: Hex): Promise<{ account: Address; signature: Hex }>
  close(): void
}
