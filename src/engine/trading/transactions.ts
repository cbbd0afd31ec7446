/**
 * Our transactions on one account: nonces without gaps, attempts persisted before they are sent, followed until final,
 * sent again after a reorganisation, withdrawn where they are stuck.
 */
import type { Address } from '../../amm/index.ts'
import { type Bid, legsIn } from '../../arbitrage/index.ts'
import type { ExecuteIntent, Intent } from '../../intents/index.ts'
import type { Chain, Head, Hex, Receipt } from '../../ports/chain.ts'
import type { DecisionRecord, Ledger, NewAttempt, TransactionRecord } from '../../ports/ledger.ts'
import type { Signer } from '../../ports/signer.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { finalBlock } from '../chains/finality.ts'
import type { Finality } from '../chains/profile.ts'
import type { Submitter } from './submission.ts'

/** Blocks after which a transaction that is not mined is withdrawn by a transfer to ourselves at its nonce. */
const STUCK_AFTER_BLOCKS = 4
/** Nodes replace a pending transaction only for a tip at least this much higher, in hundredths. */
const REPLACEMENT_BUMP = 125n
const TRANSFER_GAS = 21_000n
const bumped = (value: bigint): bigint => (value * REPLACEMENT_BUMP) / 100n + 1n

/** Unknown counts as more than anything. */
export const promisedBy = (decision: DecisionRecord | undefined): number =>
  Number(decision?.decision?.numbers.grossNative ?? Number.POSITIVE_INFINITY)

interface Open {
  record: TransactionRecord
  decision: DecisionRecord | undefined
  /** Pools of its route, busy until it is mined. */
  pools: readonly Address[]
  receipt: Receipt | undefined
  /** Nobody has been given it: it waits to be written down and cleared; or it could not be written down, is void, and its nonce is to be filled. */
  held?: 'waits' | 'void'
}

export interface SubmitOptions {
  /** Whether it is to be sent: what is asked for meanwhile, such as a simulation. */
  readonly cleared: Promise<boolean>
  /** The signed transaction to stand right behind, where that can be had. */
  readonly behind?: Hex | undefined
}

export interface Handed {
  readonly hash: Hex
  /** ms since 1970. */
  readonly signedAt: number
  readonly recordedAt: number
}

export interface TransactionsOptions {
  chain: Chain
  ledger: Ledger
  signer: Signer
  genesis: Hex
  chainId: number
  account: Address
  /** This executor's lease number. */
  lease: number
  submitter: Submitter
  finality: Finality
  now(): number
  onFinal(final: {
    transaction: TransactionRecord
    receipt: Receipt
    decision: DecisionRecord | undefined
  }): Promise<void>
  onNote(note: string): void
}

export class Transactions {
  readonly #options: TransactionsOptions
  readonly #open = new Map<number, Open>()
  #nextNonce = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: TransactionsOptions) {
    this.#options = options
  }

  /** Takes up what an earlier process left: open attempts are followed again, and re-sent where the node lost them. */
  async recover(): Promise<void> {
    const { ledger, chain, genesis, account } = this.#options
    const standing = ledger.markLost(genesis).then(() => ledger.openTransactions())
    const [all, mined, highest] = await Promise.all([
      standing,
      chain.transactionCount(account, 'latest'),
      ledger.highestNonce(genesis, account),
    ])
    const open = all.filter((record) => record.genesis === genesis && record.account === account)
    const decisions = await ledger.decisionsById(open.flatMap(({ decisionId }) => decisionId ?? []))
    for (const record of open) {
      const decision = record.decisionId === null ? undefined : decisions.get(record.decisionId)
      this.#open.set(record.nonce, {
        record,
        decision,
        pools: decision ? legsIn(decision.opportunity).map((leg) => leg.pool) : [],
        receipt: undefined,
      })
    }
    this.#nextNonce = Math.max(mined, (highest ?? -1) + 1)
    await this.settle()
    const head = await chain.block('latest')
    await this.#fillGaps(mined, head)
    for (const { record, receipt } of this.#open.values())
      if (!receipt) await this.#resend(record, head.number)
  }

  /** A process that died while one transaction was being written down and the next one was already: the nonce of the first is missing, and would hold up all that come after. */
  async #fillGaps(mined: number, head: Head): Promise<void> {
    const { submitter, genesis, account } = this.#options
    for (let nonce = mined; nonce < this.#nextNonce; nonce++) {
      if (this.#open.has(nonce)) continue
      const next = this.#open.get(Math.min(...[...this.#open.keys()].filter((open) => open > nonce)))
      if (!next || submitter.expiresAfter !== undefined) return this.#expire(nonce)
      const open: Open = {
        record: { genesis, account, nonce, decisionId: null, status: 'open', attempts: [] },
        decision: undefined,
        pools: [],
        receipt: undefined,
      }
      await this.#withdraw(open, head, next.record.attempts.at(-1)?.intent)
      this.#open.set(nonce, open)
    }
  }

  /** What was sent and is not mined yet. */
  get inFlight(): number {
    return [...this.#open.values()].filter((open) => !open.receipt && !open.held).length
  }

  /** What those that are not mined yet tip per gas, and how much gas they may burn. */
  get tips(): { tip: bigint; gas: bigint }[] {
    return [...this.#open.values()].flatMap(({ record, receipt }) => {
      const intent = receipt ? undefined : record.attempts.at(-1)?.intent
      return intent ? [{ tip: intent.maxPriorityFeePerGas, gas: intent.gasLimit }] : []
    })
  }

  /** Replaces those that are not mined yet and tip less, so that what comes after them by nonce need not wait behind others. Throws what signer and ledger throw. */
  raise(
    { maxFeePerGas, maxPriorityFeePerGas }: Pick<Bid, 'maxFeePerGas' | 'maxPriorityFeePerGas'>,
    head: Head,
  ): Promise<void> {
    return this.#inTurn(async () => {
      for (const [, open] of [...this.#open].sort(([a], [b]) => a - b)) {
        const last = open.record.attempts.at(-1)
        if (!last || open.receipt || open.held || last.intent.maxPriorityFeePerGas >= maxPriorityFeePerGas)
          continue
        const higher = (wanted: bigint, before: bigint) => (wanted > bumped(before) ? wanted : bumped(before))
        const intent: Intent = {
          ...last.intent,
          maxFeePerGas: higher(maxFeePerGas, last.intent.maxFeePerGas),
          maxPriorityFeePerGas: higher(maxPriorityFeePerGas, last.intent.maxPriorityFeePerGas),
        }
        const attempt = await this.#attempt(intent, open.record.decisionId, head)
        await this.#options.ledger.recordAttempt(attempt)
        open.record = { ...open.record, attempts: [...open.record.attempts, attempt] }
        await this.#send(attempt, head.number)
      }
    })
  }

  /** Transactions that are not final yet. */
  get unsettled(): number {
    return this.#open.size
  }

  /** The pools of what is not mined yet, with what each promises in native wei. */
  busyPools(): Map<string, number> {
    return new Map(
      [...this.#open.values()]
        .filter((open) => !open.receipt)
        .flatMap(({ pools, decision }) => pools.map((pool) => [pool, promisedBy(decision)] as const)),
    )
  }

  /**
   * Signs and persists, and sends once `cleared` says so; where it does not, the nonce is given back, and `undefined`
   * returned. Throws `signer-refused`, `ledger-unreachable`, `chain-unreachable`; what could not be written down is never sent.
   */
  submit(
    build: (nonce: number) => ExecuteIntent,
    decision: DecisionRecord,
    head: Head,
    { cleared, behind }: SubmitOptions,
  ): Promise<Handed | undefined> {
    const { ledger, now } = this.#options
    return this.#inTurn(async () => {
      const nonce = this.#nextNonce
      const attempt = await this.#attempt(build(nonce), decision.id, head)
      this.#nextNonce = nonce + 1
      const record: TransactionRecord = {
        genesis: attempt.genesis,
        account: attempt.account,
        nonce,
        decisionId: decision.id,
        status: 'open',
        attempts: [attempt],
      }
      const open: Open = {
        record,
        decision,
        pools: legsIn(decision.opportunity).map((leg) => leg.pool),
        receipt: undefined,
        held: 'waits',
      }
      this.#open.set(nonce, open)
      return { attempt, open, signedAt: now() }
    }).then(async ({ attempt, open, signedAt }) => {
      // The next one is signed meanwhile, and need not wait for this one's clearance, nor for the node's answer.
      try {
        await ledger.recordAttempt(attempt, decision)
      } catch (error) {
        open.held = 'void'
        await this.#inTurn(() => this.#giveUp(attempt.nonce, open, head)).catch((failed) =>
          this.#options.onNote(`nonce ${attempt.nonce} waits to be filled: ${messageOf(failed)}`),
        )
        throw error
      }
      const recordedAt = now()
      const ok = await cleared.catch(() => false)
      delete open.held
      if (!ok) {
        await this.#inTurn(() => this.#abandon(attempt.nonce, open, head))
        return undefined
      }
      await this.#send(attempt, head.number, behind)
      return { hash: attempt.hash, signedAt, recordedAt }
    })
  }

  /** What could not be written down is never sent: its nonce is free again, or filled where another came after it. */
  async #giveUp(nonce: number, open: Open, head: Head): Promise<void> {
    if (nonce !== this.#nextNonce - 1) return this.#abandon(nonce, open, head)
    for (
      let last: Open | undefined = open;
      last?.held === 'void';
      last = this.#open.get(this.#nextNonce - 1)
    ) {
      this.#open.delete(last.record.nonce)
      this.#nextNonce = last.record.nonce
    }
  }

  /** A nonce that is not wanted after all: free again where none comes after it, else filled with nothing. */
  async #abandon(nonce: number, open: Open, head: Head): Promise<void> {
    if (nonce === this.#nextNonce - 1 || this.#options.submitter.expiresAfter !== undefined)
      await this.#expire(nonce)
    else await this.#withdraw(open, head)
  }

  /** Looks up receipts of everything open; books what is final. Call at each new head. */
  async settle(): Promise<void> {
    const { chain } = this.#options
    await Promise.all(
      [...this.#open.values()].map(async (open) => {
        const receipts = await Promise.all(open.record.attempts.map((attempt) => chain.receipt(attempt.hash)))
        open.receipt = receipts.find((receipt) => receipt !== undefined)
      }),
    )
  }

  /** What follows once receipts are known, off the hot path: bookings, re-sending, withdrawing. */
  async finish(head: Head): Promise<void> {
    const { chain, finality, submitter, onFinal, onNote } = this.#options
    if (this.#open.size === 0) return
    const finalized = await finalBlock(chain, finality, head.number)
    for (const [nonce, open] of [...this.#open].sort(([a], [b]) => a - b)) {
      const { receipt, record } = open
      if (open.held === 'void')
        await this.#inTurn(() => this.#giveUp(nonce, open, head)).catch((error) =>
          onNote(`nonce ${nonce} waits to be filled: ${messageOf(error)}`),
        )
      if (open.held) continue
      if (receipt) {
        if (receipt.blockNumber > finalized) continue
        await onFinal({ transaction: record, receipt, decision: open.decision })
        this.#open.delete(nonce)
      } else {
        const last = record.attempts.at(-1)
        const age = head.number - (last?.sentAtBlock ?? head.number)
        if (last?.intent.type === 'execute' && submitter.expiresAfter !== undefined) {
          if (age >= submitter.expiresAfter) {
            await this.#inTurn(() => this.#expire(nonce)).catch((error) =>
              onNote(`giving nonce ${nonce} back failed: ${messageOf(error)}`),
            )
            return
          }
          await this.#resend(record, head.number)
        } else if (age >= STUCK_AFTER_BLOCKS)
          await this.#inTurn(() => this.#withdraw(open, head)).catch((error) =>
            onNote(`withdrawing nonce ${nonce} failed: ${messageOf(error)}`),
          )
        else if (age >= 1) await this.#resend(record, head.number)
      }
    }
  }

  /** What relays did not get mined in time never will be: its nonce is free again, and what was to come after it is void too. */
  async #expire(nonce: number): Promise<void> {
    const { ledger, genesis, account } = this.#options
    const nonces = [...this.#open.keys()].filter((open) => open >= nonce)
    await ledger.markExpired(genesis, account, nonces)
    for (const expired of nonces) this.#open.delete(expired)
    this.#nextNonce = nonce
  }

  /** Fills its nonce with a transfer to ourselves, at more than `like` offered. */
  async #withdraw(open: Open, head: Head, like = open.record.attempts.at(-1)?.intent): Promise<void> {
    const { ledger, onNote } = this.#options
    if (!like) return
    const intent: Intent = {
      type: 'cancel',
      chainId: like.chainId,
      account: like.account,
      nonce: open.record.nonce,
      lease: this.#options.lease,
      gasLimit: TRANSFER_GAS,
      maxFeePerGas: bumped(
        like.maxFeePerGas > head.baseFeePerGas * 2n ? like.maxFeePerGas : head.baseFeePerGas * 2n,
      ),
      maxPriorityFeePerGas: bumped(like.maxPriorityFeePerGas),
    }
    const attempt = await this.#attempt(intent, open.record.decisionId, head)
    // What was never written down takes its decision along.
    await ledger.recordAttempt(attempt, open.held === 'void' ? open.decision : undefined)
    open.record = {
      ...open.record,
      attempts: open.held === 'void' ? [attempt] : [...open.record.attempts, attempt],
    }
    delete open.held
    onNote(
      `nonce ${open.record.nonce} is withdrawn: not mined for ${STUCK_AFTER_BLOCKS} blocks, not written down, or not wanted after all`,
    )
    await this.#send(attempt, head.number)
  }

  async #attempt(intent: Intent, decisionId: string | null, head: Head): Promise<NewAttempt> {
    const { signer, genesis, account, now } = this.#options
    const { raw, hash } = await signer.sign(intent)
    return {
      genesis,
      account,
      nonce: intent.nonce,
      decisionId,
      hash,
      raw,
      intent,
      sentAt: now(),
      sentAtBlock: head.number,
    }
  }

  async #resend(record: TransactionRecord, head: number): Promise<void> {
    const attempt = record.attempts.at(-1)
    if (attempt) await this.#send(attempt, head)
  }

  /** A node that refuses what it already has, or what is already mined, is no failure: the receipt will tell. */
  async #send(
    { raw, hash, intent }: Pick<NewAttempt, 'raw' | 'hash' | 'intent'>,
    head: number,
    behind?: Hex,
  ): Promise<void> {
    try {
      await this.#options.submitter.send(
        { raw, hash, type: intent.type, ...(behind ? { behind } : {}) },
        head,
      )
    } catch (error) {
      if (!(error instanceof KintsugiError)) throw error
      this.#options.onNote(`sending ${hash} was answered: ${error.message}`)
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }
}
