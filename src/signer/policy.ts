/** The signer's policy, a pure check: any refusal wins, and only an intent that a rule allows is signed. */
import type { Address } from '../amm/index.ts'
import type { Intent } from '../intents/index.ts'

export interface SignerPolicy {
  readonly chainId: number
  readonly account: Address
  readonly executor: Address
  /** Maximum gas cost per transaction and per rolling window, in wei. */
  readonly maxGasCost: bigint
  readonly maxGasCostPerWindow: bigint
  readonly windowMs: number
  /** Maximum distance of the deadline, in seconds. */
  readonly maxDeadlineAhead: number
}

export interface SignerState {
  /** Highest lease number seen: a paused former executor has a lower one. */
  readonly lease: number
  /** Signatures of the current window: time and maximum gas cost, by nonce. */
  readonly spent: readonly { readonly at: number; readonly nonce: number; readonly wei: bigint }[]
}

/** The reason to refuse, or `undefined`. `now` in ms since 1970. */
export function refusalOf(
  intent: Intent,
  policy: SignerPolicy,
  state: SignerState,
  now: number,
): string | undefined {
  if (intent.chainId !== policy.chainId)
    return `chain ${intent.chainId}: only chain ${policy.chainId} is allowed`
  if (intent.account !== policy.account)
    return `account ${intent.account}: this signer holds ${policy.account}`
  if (intent.lease < state.lease) return `lease ${intent.lease}: a newer executor holds lease ${state.lease}`
  if (intent.maxPriorityFeePerGas > intent.maxFeePerGas) return 'maxPriorityFeePerGas is above maxFeePerGas'
  const cost = intent.gasLimit * intent.maxFeePerGas
  if (cost > policy.maxGasCost)
    return `gas of up to ${cost} wei: the cap per transaction is ${policy.maxGasCost}`
  // One attempt per nonce can be mined: a replacement counts for the increase only.
  const window = state.spent.filter(
    (entry) => entry.at > now - policy.windowMs && entry.nonce !== intent.nonce,
  )
  const replaced = state.spent
    .filter((entry) => entry.nonce === intent.nonce)
    .reduce((max, entry) => (entry.wei > max ? entry.wei : max), 0n)
  const total = window.reduce((sum, entry) => sum + entry.wei, 0n) + (cost > replaced ? cost : replaced)
  if (total > policy.maxGasCostPerWindow)
    return `gas of up to ${total} wei within the window: the cap is ${policy.maxGasCostPerWindow}`
  if (intent.type === 'cancel') return undefined
  if (intent.executor !== policy.executor)
    return `contract ${intent.executor}: only ${policy.executor} is allowed`
  if (intent.minProfit <= 0n) return 'minProfit must be above zero'
  const ahead = intent.deadline - Math.floor(now / 1_000)
  if (ahead <= 0) return 'the deadline has passed'
  if (ahead > policy.maxDeadlineAhead)
    return `deadline ${ahead} s ahead: at most ${policy.maxDeadlineAhead} s`
  return undefined
}
