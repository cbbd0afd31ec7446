/** Replacing a transaction that is not mined: by the same one for higher fees, or by an empty transfer. */
import type { Address } from '../../amm/index.ts'
import type { Intent } from '../../intents/index.ts'

/** Nodes replace a pending transaction only for a tip at least this much higher, in hundredths. */
const REPLACEMENT_BUMP = 125n
const TRANSFER_GAS = 21_000n
/** The tip of a transfer that replaces nothing. */
const TRANSFER_TIP = 10n ** 9n

/** Wei per gas. */
export type Fees = Pick<Intent, 'maxFeePerGas' | 'maxPriorityFeePerGas'>

const bumped = (value: bigint): bigint => (value * REPLACEMENT_BUMP) / 100n + 1n
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** At least `wanted`, and enough for a node to replace `before`. */
export const raisedFees = (wanted: Fees, before: Fees): Fees => ({
  maxFeePerGas: max(wanted.maxFeePerGas, bumped(before.maxFeePerGas)),
  maxPriorityFeePerGas: max(wanted.maxPriorityFeePerGas, bumped(before.maxPriorityFeePerGas)),
})

/** A transfer of nothing to ourselves, which uses a nonce; it replaces the attempt with the fees `before`. */
export const emptyTransfer = (
  account: { readonly chainId: number; readonly account: Address; readonly lease: number },
  nonce: number,
  baseFeePerGas: bigint,
  before: Fees = { maxFeePerGas: TRANSFER_TIP, maxPriorityFeePerGas: TRANSFER_TIP },
): Intent => ({
  type: 'cancel',
  ...account,
  nonce,
  gasLimit: TRANSFER_GAS,
  maxFeePerGas: bumped(max(before.maxFeePerGas, baseFeePerGas * 2n)),
  maxPriorityFeePerGas: bumped(before.maxPriorityFeePerGas),
})
