/** Submission of a signed transaction, in one of three ways that the chain's profile names. */
import type { Chain, Hex } from '../../ports/chain.ts'
import type { Relay } from '../../ports/relay.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import type { Submission } from '../chains/profile.ts'

export interface Submitted {
  readonly raw: Hex
  readonly hash: Hex
  /** Whether it is a trade or cancels a stuck transaction; a cancellation may be public. */
  readonly type: 'execute' | 'cancel'
  /** The signed transaction of another account that it must follow directly. */
  readonly behind?: Hex
}

export interface Submitter {
  /**
   * Hands it over, to be mined in the block after `head`. Call again at later heads. Throws if no node or
   * relay accepts it.
   */
  send(transaction: Submitted, head: number): Promise<void>
  /**
   * Blocks after which an unmined transaction cannot be mined any more, since only we could submit it again;
   * undefined: it may be mined at any time.
   */
  readonly expiresAfter: number | undefined
  /** Whether a trade that would revert is left out instead, and costs nothing. */
  readonly revertsAreFree: boolean
}

/**
 * What a node means by refusing a transaction: `known`, it has it; `used`, its nonce is mined; or `refused`.
 */
export function verdictOf(message: string): 'known' | 'used' | 'refused' {
  if (/already (known|imported)|alreadyknown|known transaction/i.test(message)) return 'known'
  return /nonce (is )?too low|old ?nonce/i.test(message) ? 'used' : 'refused'
}

export function submitterOf(submission: Submission, chain: Chain, relays: readonly Relay[]): Submitter {
  if (submission.kind === 'relay' && relays.length > 0) return relaySubmitter(submission, chain, relays)
  if (submission.kind === 'sequencer' && relays.length > 0)
    throw new KintsugiError(
      'bad-settings',
      'RELAY_URLS is set, but this chain has a sequencer and no relays',
      { hint: 'unset RELAY_URLS' },
    )
  // Public nodes and sequencers have the same interface; they differ in who else sees the transaction.
  return {
    send: ({ raw }) => chain.send(raw).then(() => undefined),
    expiresAfter: undefined,
    revertsAreFree: false,
  }
}

function relaySubmitter(
  { method, blocks }: Extract<Submission, { kind: 'relay' }>,
  chain: Chain,
  relays: readonly Relay[],
): Submitter {
  return {
    expiresAfter: blocks,
    revertsAreFree: true,
    send: async ({ raw, type, behind }, head) => {
      if (type === 'cancel') {
        await chain.send(raw)
        return
      }
      const handed = await Promise.allSettled(
        relays.map((relay) =>
          method === 'bundle'
            ? relay.sendBundle(behind ? [behind, raw] : [raw], head + 1)
            : relay.sendPrivateTransaction(raw, head + blocks),
        ),
      )
      if (handed.some((result) => result.status === 'fulfilled')) return
      const reasons = handed.map(
        (result, index) => `${relays[index]?.name}: ${messageOf((result as PromiseRejectedResult).reason)}`,
      )
      throw new KintsugiError('relay-refused', `no relay accepted the transaction: ${reasons.join('; ')}`, {
        retry: 'later',
      })
    },
  }
}
