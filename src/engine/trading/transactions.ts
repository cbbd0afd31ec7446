/**
 * Our transactions on one account: nonces without gaps, attempts recorded before they are sent, followed
 * until they are final, sent again after a reorganisation. A nonce that is not needed after all is free
 * again, or filled with a transfer to ourselves. Each one ends: it is booked, its nonce is given back, or a
 * transaction that nobody here knows has used its nonce.
 */

import type { Address } from '../../amm/index.ts'
import type { Bid } from '../../arbitrage/index.ts'
import type { ExecuteIntent, Intent } from '../../intents/index.ts'
import type { Chain, Head, Hex, Receipt } from '../../ports/chain.ts'
import type { DecisionRecord, Ledger, NewAttempt, TransactionRecord } from '../../ports/ledger.ts'
import type { Signer } from '../../ports/signer.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { finalBlock } from '../chains/finality.ts'
import type { Finality } from '../chains/profile.ts'
import type { InFlight } from './in-flight.ts'
import { emptyTransfer, raisedFees } from './replacement.ts'
import { type Submitter, verdictOf } from './submission.ts'

/** Blocks after which the nonce of a transaction that is not mined is filled. */
const STUCK_AFTER_BLOCKS = 4
/**
 * Transfers that replace one stuck transaction, each for higher fees. After them it is only sent again, since
 * what keeps it from being mined is not its fee.
 */
const MAX_REPLACEMENTS = 5

/**
 * `recording`: signed; being recorded, or waiting for clearance. `unrecorded`, `unwanted`: the ledger refused
 * it, or it was not cleared; it is never sent, and its nonce is to be released. `handed`: given to the node
 * or the relays. `booking`: final, being booked.
 */
type Phase = 'recording' | 'unrecorded' | 'unwanted' | 'handed' | 'booking'
type Attempt = TransactionRecord['attempts'][number]
const isVoid = ({ phase }: Open): boolean => phase === 'unrecorded' || phase === 'unwanted'

interface Open {
  record: TransactionRecord
  readonly decision: DecisionRecord | undefined
  receipt: Receipt | undefined
  phase: Phase
  /** The node has a mined transaction with this nonce. */
  used?: boolean
  /** No higher fee is offered any more: why. */
  exhausted?: string
}

export interface SubmitOptions {
  /**
   * Whether to send it: resolved by work that runs in parallel with signing and recording, such as a
   * simulation. A rejection counts as no.
   */
  readonly cleared: Promise<boolean>
  /** The signed transaction of another account that it follows directly, if both are submitted together. */
  readonly behind?: Hex | undefined
}

export interface Handed {
  readonly hash: Hex
  /** ms since 1970. */
  readonly signedAt: number
  /** ms since 1970. */
  readonly recordedAt: number
}

/** A submission that failed, with the step that failed; `cause` is the error of signer, ledger or node. */
export class SubmissionError extends Error {
  readonly stage: 'signing' | 'recording' | 'sending'

  constructor(stage: SubmissionError['stage'], cause: unknown) {
    super(messageOf(cause), { cause })
    this.stage = stage
  }
}

const during = <T>(stage: SubmissionError['stage'], work: Promise<T>): Promise<T> =>
  work.catch((cause) => {
    throw new SubmissionError(stage, cause)
  })

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
  /** Why nothing may be signed or sent now; undefined if it may. */
  forbidden?(): string | undefined
  /** Books a final transaction. When it rejects, it is called again at a later head. */
  onFinal(final: {
    transaction: TransactionRecord
    receipt: Receipt
    decision: DecisionRecord | undefined
  }): Promise<void>
  /** A transaction that is not mined, whatever is offered for it, or whose nonce somebody else used. */
  onTrouble(kind: 'transaction-stuck' | 'transaction-replaced', detail: string): void
  onNote(note: string): void
}

export class Transactions implements InFlight {
  readonly #options: TransactionsOptions
  readonly #open = new Map<number, Open>()
  #nextNonce = 0
  /** Nonces below are settled. */
  #settledBelow = 0
  /** The one serialiser: everything that signs, or changes which nonces are in use, runs in turn. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: TransactionsOptions) {
    this.#options = options
  }

  /**
   * Adopts the open transactions of an earlier process: they are followed again, and sent again if the node
   * lost them.
   */
  async recover(): Promise<void> {
    const { ledger, chain, genesis, account } = this.#options
    const [all, mined, highest] = await Promise.all([
      ledger.markLost(genesis).then(() => ledger.openTransactions()),
      chain.transactionCount(account, 'latest'),
      ledger.highestNonce(genesis, account),
    ])
    const open = all.filter((record) => record.genesis === genesis && record.account === account)
    const decisions = await ledger.decisionsById(open.flatMap(({ decisionId }) => decisionId ?? []))
    for (const record of open) {
      const decision = record.decisionId === null ? undefined : decisions.get(record.decisionId)
      this.#open.set(record.nonce, { record, decision, receipt: undefined, phase: 'handed' })
    }
    this.#nextNonce = Math.max(mined, (highest ?? -1) + 1)
    await this.refresh()
    const head = await chain.block('latest')
    await this.#closeGaps(mined, head)
    if (this.#forbidden() === undefined)
      for (const open of this.#open.values()) if (!open.receipt) await this.#sendAgain(open, head.number)
  }

  /**
   * A process that died while it recorded one transaction, and had recorded the next, leaves the first nonce
   * missing: later ones cannot be mined. Such nonces are released like those of unrecorded transactions.
   */
  async #closeGaps(mined: number, head: Head): Promise<void> {
    const { genesis, account } = this.#options
    for (let nonce = Math.max(mined, this.#settledBelow); nonce < this.#nextNonce; nonce++) {
      if (this.#open.has(nonce)) continue
      const gap: Open = {
        record: { genesis, account, nonce, decisionId: null, status: 'open', attempts: [] },
        decision: undefined,
        receipt: undefined,
        phase: 'unrecorded',
      }
      this.#open.set(nonce, gap)
      await this.#releaseOrNote(gap, head)
    }
  }

  #forbidden(): string | undefined {
    return this.#options.forbidden?.()
  }

  /** Transactions that are not final yet. */
  get open(): number {
    return this.#open.size
  }

  /** Transactions that were sent and are not mined yet. */
  get inFlight(): number {
    return this.#unmined().filter(({ phase }) => phase === 'handed').length
  }

  /** Of those that are still offered: a transfer that replaces a trade touches no pool. */
  get pending(): DecisionRecord[] {
    return this.#unmined().flatMap(({ decision, record }) =>
      record.attempts.at(-1)?.intent.type === 'cancel' ? [] : (decision ?? []),
    )
  }

  /** Tip (wei per gas) and gas limit of each transaction that is not mined yet. */
  get tips(): { tip: bigint; gas: bigint }[] {
    return this.#unmined().flatMap(({ record }) => {
      const intent = record.attempts.at(-1)?.intent
      return intent ? [{ tip: intent.maxPriorityFeePerGas, gas: intent.gasLimit }] : []
    })
  }

  #unmined(): Open[] {
    return [...this.#open.values()].filter(({ receipt }) => !receipt)
  }

  #byNonce(): [number, Open][] {
    return [...this.#open].sort(([a], [b]) => a - b)
  }

  /**
   * Replaces transactions in flight that tip less, so that later nonces do not wait behind other accounts.
   * Throws `SubmissionError`.
   */
  raise(wanted: Pick<Bid, 'maxFeePerGas' | 'maxPriorityFeePerGas'>, head: Head): Promise<void> {
    return this.#inTurn(async () => {
      for (const [, open] of this.#byNonce()) {
        const last = open.record.attempts.at(-1)
        if (!last || open.receipt || open.phase !== 'handed') continue
        if (last.intent.maxPriorityFeePerGas >= wanted.maxPriorityFeePerGas) continue
        const intent: Intent = { ...last.intent, ...raisedFees(wanted, last.intent) }
        const attempt = await during('signing', this.#sign(intent, open.record.decisionId, head))
        await during('recording', this.#options.ledger.recordAttempt(attempt))
        open.record = { ...open.record, attempts: [...open.record.attempts, attempt] }
        await during('sending', this.#send(open, attempt, head.number))
      }
    })
  }

  /**
   * Signs and records, and sends once `cleared` is true and nothing forbids it; otherwise it releases the
   * nonce and returns `undefined`. Throws `SubmissionError`; what could not be recorded is never sent.
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
      const attempt = await during('signing', this.#sign(build(nonce), decision.id, head))
      this.#nextNonce = nonce + 1
      const record: TransactionRecord = {
        genesis: attempt.genesis,
        account: attempt.account,
        nonce,
        decisionId: decision.id,
        status: 'open',
        attempts: [attempt],
      }
      const open: Open = { record, decision, receipt: undefined, phase: 'recording' }
      this.#open.set(nonce, open)
      return { attempt, open, signedAt: now() }
    }).then(async ({ attempt, open, signedAt }) => {
      // The next one is signed meanwhile: it need not wait for this one's clearance, nor for the node's
      // answer.
      try {
        await ledger.recordAttempt(attempt, decision)
      } catch (error) {
        open.phase = 'unrecorded'
        await this.#releaseOrNote(open, head)
        throw new SubmissionError('recording', error)
      }
      const recordedAt = now()
      if (!(await cleared.catch(() => false)) || this.#forbidden() !== undefined) {
        open.phase = 'unwanted'
        await this.#releaseOrNote(open, head)
        return undefined
      }
      open.phase = 'handed'
      await during('sending', this.#send(open, attempt, head.number, behind))
      return { hash: attempt.hash, signedAt, recordedAt }
    })
  }

  /**
   * Looks up the receipts of everything open. Call at each new head, before decisions. Throws what the chain
   * throws.
   */
  async refresh(): Promise<void> {
    await Promise.all([...this.#open.values()].map((open) => this.#lookUp(open)))
  }

  async #lookUp(open: Open): Promise<void> {
    const { chain } = this.#options
    const receipts = await Promise.all(open.record.attempts.map(({ hash }) => chain.receipt(hash)))
    open.receipt = receipts.find((receipt) => receipt !== undefined)
  }

  /**
   * Acts on the receipts, off the hot path: books final transactions, resends those that the node may have
   * lost, gives up stuck ones. Call after `refresh`; calls may overlap. Throws what chain and `onFinal`
   * throw.
   */
  async advance(head: Head): Promise<void> {
    if (this.#open.size === 0) return
    const { chain, finality } = this.#options
    const finalized = await finalBlock(chain, finality, head.number)
    for (const [nonce, open] of this.#byNonce()) {
      // Freeing an earlier nonce drops the later ones.
      if (this.#open.get(nonce) !== open) continue
      if (isVoid(open)) await this.#releaseOrNote(open, head)
      else if (open.phase !== 'handed') continue
      else if (!open.receipt) await this.#pursue(open, head, finalized)
      else if (open.receipt.blockNumber <= finalized) await this.#book(open, open.receipt)
    }
  }

  /** Books under the decision of the attempt that was mined, which another process may have sent. */
  async #book(open: Open, receipt: Receipt): Promise<void> {
    const { ledger, onFinal } = this.#options
    const mined = open.record.attempts.find(({ hash }) => hash === receipt.transactionHash)
    const decisionId = mined?.decisionId ?? null
    open.phase = 'booking'
    try {
      const decision =
        decisionId === null || decisionId === open.decision?.id
          ? open.decision
          : await ledger.decision(decisionId)
      await onFinal({ transaction: { ...open.record, decisionId }, receipt, decision })
      this.#settle(open)
    } finally {
      open.phase = 'handed'
    }
  }

  #settle({ record: { nonce } }: Open): void {
    this.#open.delete(nonce)
    this.#settledBelow = Math.max(this.#settledBelow, nonce + 1)
  }

  /** Sends a transaction that is not mined again, or gives up its nonce once it is stuck. */
  async #pursue(open: Open, head: Head, finalized: number): Promise<void> {
    const { submitter, chain, account } = this.#options
    const { nonce, attempts } = open.record
    const last = attempts.at(-1)
    if (!last) return
    const age = head.number - last.sentAtBlock
    // Relays forget an attempt after some blocks; a transaction that was public once may be mined at any
    // time.
    const expiresAfter = last.intent.type === 'execute' ? submitter.expiresAfter : undefined
    const isStuck = age >= (expiresAfter ?? STUCK_AFTER_BLOCKS)
    if (isStuck || open.used) {
      const next = await chain.transactionCount(account, 'latest')
      open.used = nonce < next
      if (open.used) return this.#adopt(open, finalized)
      await this.#closeGaps(next, head)
    }
    if (this.#forbidden() !== undefined) return
    if (isStuck && open.exhausted === undefined) await this.#giveUp(open, last, head, expiresAfter)
    else if (isStuck ? age % STUCK_AFTER_BLOCKS === 0 : expiresAfter !== undefined || age >= 1)
      await this.#sendAgain(open, head.number)
  }

  /** Frees the nonce of a stuck transaction, or fills it, for at most `MAX_REPLACEMENTS` times. */
  #giveUp(open: Open, last: Attempt, head: Head, expiresAfter: number | undefined): Promise<void> {
    const { onNote, onTrouble } = this.#options
    const { nonce } = open.record
    const exhaust = (why: string) => {
      open.exhausted = why
      onTrouble('transaction-stuck', `nonce ${nonce} is not mined, and no higher fee is offered: ${why}`)
    }
    return this.#inTurn(async () => {
      // Another head may have done it meanwhile.
      if (this.#open.get(nonce) !== open || open.record.attempts.at(-1) !== last) return
      const replacements = open.record.attempts.filter(({ intent }) => intent.type === 'cancel').length
      if (expiresAfter !== undefined) await this.#free(nonce)
      else if (replacements < MAX_REPLACEMENTS) await this.#fill(open, head)
      else if (open.exhausted === undefined) exhaust(`it was replaced ${replacements} times`)
    }).catch((error) => {
      const refused = error instanceof KintsugiError && error.code === 'signer-refused'
      if (refused && this.#forbidden() === undefined) exhaust(error.message)
      else onNote(`giving up nonce ${nonce} failed, to be tried again: ${messageOf(error)}`)
    })
  }

  /**
   * The chain has used a nonce, but by no attempt that is known here. Another process of ours may have sent
   * one meanwhile: it is in the ledger. Otherwise the transaction ends once its nonce is final.
   */
  async #adopt(open: Open, finalized: number): Promise<void> {
    const { ledger, chain, account, genesis, onTrouble } = this.#options
    const { nonce } = open.record
    await this.#lookUp(open)
    if (open.receipt) return
    const stored = await ledger.transactionAt(genesis, account, nonce)
    // Booked by the process that sent it.
    if (stored?.status === 'final') return this.#settle(open)
    const known = new Set(open.record.attempts.map(({ hash }) => hash))
    const others = stored?.attempts.filter(({ hash }) => !known.has(hash)) ?? []
    open.record = { ...open.record, attempts: [...others, ...open.record.attempts] }
    await this.#lookUp(open)
    if (open.receipt || (await chain.transactionCount(account, finalized)) <= nonce) return
    await ledger.markReplaced(genesis, account, nonce)
    this.#settle(open)
    onTrouble(
      'transaction-replaced',
      `nonce ${nonce} was used by a transaction that the ledger does not know`,
    )
  }

  /** Releases the nonce of a transaction that is not sent; where that fails, the next head tries again. */
  #releaseOrNote(open: Open, head: Head): Promise<void> {
    const { nonce } = open.record
    return this.#inTurn(async () => {
      if (this.#open.get(nonce) === open && isVoid(open)) await this.#release(open, head)
    }).catch((error) => {
      if (this.#forbidden() === undefined)
        this.#options.onNote(`releasing nonce ${nonce} failed, to be tried again: ${messageOf(error)}`)
    })
  }

  /**
   * Gives up the nonce of a transaction that was never sent: it is free again, or filled when a later one is
   * in use.
   */
  #release(open: Open, head: Head): Promise<void> {
    const { nonce } = open.record
    const later = [...this.#open.values()].filter(({ record }) => record.nonce > nonce)
    const inUse = later.some((each) => !isVoid(each))
    return inUse && this.#options.submitter.expiresAfter === undefined
      ? this.#fill(open, head)
      : this.#free(nonce)
  }

  /** Makes a nonce and all later ones free again: none of them will be mined. */
  async #free(nonce: number): Promise<void> {
    const { ledger, genesis, account } = this.#options
    const later = this.#byNonce().filter(([each]) => each >= nonce)
    const recorded = later.filter(([, { phase }]) => phase !== 'unrecorded').map(([each]) => each)
    // The ledger knows nothing of unrecorded transactions.
    if (recorded.length > 0) await ledger.markExpired(genesis, account, recorded)
    for (const [each] of later) this.#open.delete(each)
    this.#nextNonce = nonce
  }

  /** Fills a nonce with a transfer to ourselves that offers more than the last attempt. */
  async #fill(open: Open, head: Head): Promise<void> {
    const { ledger, onNote, chainId, account, lease } = this.#options
    const unrecorded = open.phase === 'unrecorded'
    const before = open.record.attempts.at(-1)?.intent
    const { nonce } = open.record
    const intent = emptyTransfer({ chainId, account, lease }, nonce, head.baseFeePerGas, before)
    const attempt = await this.#sign(intent, open.record.decisionId, head)
    // The decision of a transaction that was not recorded is recorded with it.
    await ledger.recordAttempt(attempt, unrecorded ? open.decision : undefined)
    open.record = { ...open.record, attempts: unrecorded ? [attempt] : [...open.record.attempts, attempt] }
    open.phase = 'handed'
    onNote(`nonce ${nonce} is filled with a transfer to ourselves: its transaction is stuck or was not sent`)
    await this.#send(open, attempt, head.number)
  }

  /** The last check before a signature, whoever wants it: nothing is signed while it is forbidden. */
  async #sign(intent: Intent, decisionId: string | null, head: Head): Promise<NewAttempt> {
    const { signer, genesis, account, now } = this.#options
    const reason = this.#forbidden()
    if (reason !== undefined) throw new KintsugiError('refused', reason)
    const { raw, hash } = await signer.sign(intent)
    const { nonce } = intent
    return { genesis, account, nonce, decisionId, hash, raw, intent, sentAt: now(), sentAtBlock: head.number }
  }

  async #sendAgain(open: Open, head: number): Promise<void> {
    const last = open.record.attempts.at(-1)
    if (last) await this.#send(open, last, head)
  }

  /**
   * A node that refuses a transaction that it already has, or that is mined, is no failure: the receipt
   * decides.
   */
  async #send(
    open: Open,
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
      const verdict = verdictOf(error.message)
      if (verdict === 'used') open.used = true
      else if (verdict === 'refused') this.#options.onNote(`the node answered to ${hash}: ${error.message}`)
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }
}
