/**
 * The executor: judges each opportunity, simulates it on the pending block, has it signed, sends it, and
 * books its outcome.
 */
import type { Address } from '../../amm/index.ts'
import {
  type Bid,
  type ChainState,
  type DataFee,
  type DecisionOutcome,
  intentCycles,
  judge,
  type Opportunity,
  outcomeOf,
  type Policies,
} from '../../arbitrage/index.ts'
import type { IncidentKind } from '../../fleet/incidents.ts'
import { type ExecuteIntent, encodeExecute } from '../../intents/index.ts'
import type { Chain, Head, Hex, Simulation } from '../../ports/chain.ts'
import type { DecisionRecord, Ledger, Trade } from '../../ports/ledger.ts'
import type { MarketView } from '../../ports/market.ts'
import type { Detection, Sent } from '../../ports/messages.ts'
import type { Relay } from '../../ports/relay.ts'
import type { Signer } from '../../ports/signer.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { type FinalTransaction, tipAhead, tradeOf, transferred } from '../books/booking.ts'
import { readDataFee } from '../chains/data-fee.ts'
import type { TradingTerms } from '../chains/profile.ts'
import { lentContract } from '../paper/fills.ts'
import type { PaperTrades } from '../paper/journal.ts'
import { DecisionLog } from './decision-log.ts'
import { busyPools, type InFlight } from './in-flight.ts'
import { InclusionModel } from './inclusion-model.ts'
import { sentOf, type Times } from './sent-message.ts'
import { type Submitter, submitterOf } from './submission.ts'
import { SubmissionError, Transactions } from './transactions.ts'

/** Seconds after which a signed plan may no longer execute. */
const DEADLINE_SECONDS = 30
/** The operator's balance in paper mode, which spends nothing, in native wei. */
const PAPER_BALANCE = 10n ** 24n
/** Tips that are kept, and the quantile of them that counts as typical. */
const KEPT_TIPS = 50
const TYPICAL_QUANTILE = 0.9

export interface ExecutorEvents {
  onDecision(record: DecisionRecord): void
  onSent(sent: Sent): void
  onTrade(trade: Trade): void
  /** A condition that operators should know of. */
  onNote(note: string): void
  /** A failure that people should see, such as a profit that differs from the predicted one. */
  onIncident(kind: IncidentKind, detail: string): void
}

export interface ExecutorOptions {
  market: MarketView
  chain: Chain
  ledger: Ledger
  signer: Signer
  policies(): Policies
  /** Why trading is halted; undefined while it runs. Asked last before each signature and each sending. */
  halted(): string | undefined
  /** In paper mode, the journal that receives trades instead of the chain. */
  paper?: PaperTrades
  terms: TradingTerms
  relays: readonly Relay[]
  lease: number
  now(): number
  /** How long after a block bookings wait, in ms: its trades go first. */
  patienceMs?: number
  /** Why trading pauses now; undefined while it does not. */
  paused?(): string | undefined
  events: ExecutorEvents
}

/** A decision at its end; `hash` of the transaction that was sent. */
export interface Executed {
  readonly record: DecisionRecord
  readonly hash: Hex | undefined
}

/** The newest head, and the look-up of receipts at it, which is undefined once it failed. */
interface Clock {
  readonly head: Head
  receipts: Promise<void> | undefined
}

/** A decision with the transaction that would execute it. */
interface Plan {
  readonly record: DecisionRecord
  readonly bid: Bid
  readonly account: { readonly executor: Address; readonly operator: Address; readonly treasury: Address }
  build(nonce: number): ExecuteIntent
}

interface Simulated {
  readonly simulation?: NonNullable<DecisionRecord['simulation']>
  /** Why it is not worth sending; undefined if it is. */
  readonly refusal: string | undefined
  /** ms since 1970. */
  readonly at: number
}

/** How a plan ended, before it is reported. */
interface Ending {
  readonly outcome: DecisionOutcome
  readonly simulated?: Simulated
  readonly hash?: Hex
}

export class Executor {
  readonly #options: ExecutorOptions
  readonly #submitter: Submitter
  readonly #decisions: DecisionLog
  #transactions: Transactions | undefined
  #balance = 0n
  #dataFee: DataFee | undefined
  #clock: Clock | undefined
  #draining = false
  #closed = false
  /** Decisions that are being simulated, signed and sent: not in flight yet, but their pools are busy. */
  readonly #leaving = new Map<string, DecisionRecord>()
  readonly #inclusion = new InclusionModel()
  #recalled: Promise<void> = Promise.resolve()
  /** Tips of the last pending transactions that opened an opportunity, in wei per gas. */
  readonly #tips: bigint[] = []

  constructor(options: ExecutorOptions) {
    this.#options = options
    this.#submitter = submitterOf(options.terms.submission, options.chain, options.relays)
    const { ledger, events } = options
    this.#decisions = new DecisionLog({ ledger, onDecision: events.onDecision, onNote: events.onNote })
  }

  /** Adopts open transactions. Throws what the ledger, the signer or the chain throw. */
  async start(): Promise<void> {
    const { market, chain, ledger, signer, paper, terms, lease, now, events } = this.#options
    const { genesis, chainId, execution } = market.manifest
    if (!paper && execution) {
      const { operator } = execution
      // The first decision needs the model of earlier trades; the start does not.
      this.#recalled = this.#inclusion.recall(ledger)
      this.#recalled.catch(() => undefined)
      const [account, balance] = await Promise.all([signer.account(), chain.balance(operator, 'latest')])
      if (account !== operator)
        throw new Error(`the signer holds ${account}, the contract's operator is ${operator}`)
      this.#transactions = new Transactions({
        chain,
        ledger,
        signer,
        submitter: this.#submitter,
        finality: terms.finality,
        genesis,
        chainId,
        account,
        lease,
        now,
        onNote: events.onNote,
        onTrouble: events.onIncident,
        forbidden: () => this.#forbidden(),
        onFinal: (final) => this.#book(final),
      })
      await this.#transactions.recover()
      this.#balance = balance
    }
    this.#clock = { head: await chain.block('latest'), receipts: undefined }
    this.#dataFee = await readDataFee(chain, terms.gas, this.#clock.head.number)
  }

  /** Transactions that are not final yet. */
  get open(): number {
    return this.#transactions?.open ?? 0
  }

  /** Whether a decision is being executed, or a transaction is not final yet. */
  get busy(): boolean {
    return this.open > 0 || this.#leaving.size > 0
  }

  /** Stops taking opportunities; what is in flight is still booked. */
  drain(): void {
    this.#draining = true
  }

  /** From now on nothing is signed or sent: a successor may use the next nonce. */
  close(): void {
    this.#closed = true
  }

  /** Why nothing may be signed or sent now; undefined if it may. */
  #forbidden(): string | undefined {
    return this.#closed ? 'this executor has handed over to its successor' : this.#options.halted()
  }

  /**
   * Advances to a new head: receipts at once; after the patience fees, bookings and the balance. Calls may
   * overlap.
   */
  async onHead(head: Head): Promise<void> {
    const { chain, market, terms, events, patienceMs = 0 } = this.#options
    await this.#advance(head)
    if (patienceMs > 0) await new Promise((resolve) => setTimeout(resolve, patienceMs))
    const dataFee = await readDataFee(chain, terms.gas, head.number).catch((error) => {
      events.onNote(`the data fee was not read, the last one is used: ${messageOf(error)}`)
      return this.#dataFee
    })
    if (head.number >= (this.#clock?.head.number ?? 0)) this.#dataFee = dataFee
    await this.#transactions?.advance(head)
    const account = market.manifest.execution?.operator
    if (account && this.#transactions) this.#balance = await chain.balance(account, 'latest')
  }

  /** A block's opportunities, or those that a pending transaction opens; best first. */
  async onDetection(detection: Detection): Promise<void> {
    const { market, chain, now } = this.#options
    const [best] = detection.opportunities
    if (this.#draining || detection.genesis !== market.manifest.genesis || !best) return
    const received = now()
    if (best.follows) this.#tips.push(best.follows.maxPriorityFeePerGas)
    if (this.#tips.length > KEPT_TIPS) this.#tips.shift()
    const known = this.#clock?.head
    const head = known && known.number >= detection.block ? known : await chain.block(detection.block)
    await Promise.all([this.#advance(head), this.#recalled])
    const refused: DecisionRecord[] = []
    const trades: Promise<unknown>[] = []
    const paused = this.#options.paused?.()
    for (const opportunity of detection.opportunities) {
      const record = this.#judge(opportunity, head)
      if (record.decision.verdict === 'refuse') refused.push(record)
      else if (paused !== undefined)
        trades.push(this.#report(record, { outcome: { stage: 'paused', reason: paused } }))
      else trades.push(this.#execute(record, head, { seen: detection.receivedAt, received }))
    }
    await Promise.all(trades)
    await this.#decisions.record(refused)
  }

  /**
   * One opportunity on request, under all the rules; with `dryRun` nothing is sent. Throws `bad-argument` if
   * it is of a block that the chain does not have, `overloaded` while trading pauses, and what the chain
   * throws.
   */
  async request(opportunity: Opportunity, dryRun: boolean): Promise<Executed> {
    const { chain, now } = this.#options
    const paused = dryRun ? undefined : this.#options.paused?.()
    if (paused !== undefined) throw new KintsugiError('overloaded', paused, { retry: 'later' })
    const head = await chain.block('latest')
    if (opportunity.block < 0 || opportunity.block > head.number)
      throw new KintsugiError(
        'bad-argument',
        `opportunity.block: expected a block of the chain, from 0 to ${head.number} (got ${opportunity.block})`,
      )
    await Promise.all([this.#advance(head), this.#recalled])
    const record = this.#judge(opportunity, head)
    if (record.decision.verdict === 'trade')
      return this.#execute(record, head, { seen: now(), received: now() }, dryRun)
    await this.#decisions.record([record])
    return { record, hash: undefined }
  }

  /**
   * Moves the clock to a head unless it is there or past it. Resolves when receipts are known, which are
   * looked up once per head.
   */
  #advance(head: Head): Promise<void> {
    const known = this.#clock
    const stays = known && (head.hash === known.head.hash || head.number < known.head.number)
    if (stays && known.receipts) return known.receipts
    const receipts = this.#transactions?.refresh() ?? Promise.resolve()
    const clock: Clock = { head: stays ? known.head : head, receipts }
    this.#clock = clock
    receipts.catch(() => {
      clock.receipts = undefined
    })
    return receipts
  }

  /** Judges an opportunity, given every trade that is in flight or being sent. */
  #judge(opportunity: Opportunity, head: Head): DecisionRecord {
    const { now, policies, market, paper } = this.#options
    const trades: InFlight | undefined = this.#transactions ?? paper
    // Relays handle each bundle separately.
    const tipsInFlight = this.#submitter.expiresAfter === undefined ? this.#transactions?.tips : undefined
    const typicalTip = this.#typicalTip()
    const state: ChainState = {
      now: now(),
      head: head.number,
      baseFeePerGas: head.baseFeePerGas,
      operatorBalance: this.#transactions ? this.#balance : PAPER_BALANCE,
      inFlight: (trades?.inFlight ?? 0) + this.#leaving.size,
      busyPools: busyPools([...(trades?.pending ?? []), ...this.#leaving.values()]),
      nativeRate: this.#nativeRate(opportunity.token),
      learned: this.#inclusion.learned,
      ...(tipsInFlight === undefined ? {} : { tipsInFlight }),
      ...(typicalTip === undefined ? {} : { typicalTip }),
      ...(this.#dataFee ? { dataFee: this.#dataFee } : {}),
      revertsAreFree: this.#submitter.revertsAreFree,
    }
    const decision = judge(opportunity, policies(), state)
    const { genesis } = market.manifest
    const outcome = outcomeOf(decision)
    return { id: opportunity.id, genesis, opportunity, decision, outcome, decidedAt: state.now }
  }

  #typicalTip(): bigint | undefined {
    return [...this.#tips].sort((a, b) => (a < b ? -1 : 1))[Math.floor(this.#tips.length * TYPICAL_QUANTILE)]
  }

  /** Builds the transaction, simulates and submits it in parallel, and reports the outcome. */
  async #execute(record: DecisionRecord, head: Head, times: Times, dryRun = false): Promise<Executed> {
    this.#leaving.set(record.id, record)
    try {
      const plan = this.#build(record, head)
      if (!plan)
        return await this.#report(record, { outcome: { stage: 'paper', reason: 'no account executes here' } })
      const decidedAt = this.#options.now()
      const simulated = this.#simulate(plan)
      return this.#transactions && !dryRun
        ? await this.#submit(plan, head, simulated, { ...times, decidedAt }, this.#transactions)
        : await this.#withhold(record, await simulated, dryRun)
    } finally {
      this.#leaving.delete(record.id)
    }
  }

  #build(record: DecisionRecord, head: Head): Plan | undefined {
    const { market, lease } = this.#options
    const { execution, paper, chainId } = market.manifest
    const account = execution ?? paper
    const { opportunity, decision } = record
    const { bid } = decision
    if (!account || !bid) return undefined
    const { minProfit, ...fees } = bid
    const { kind, lender, isToken0 } = opportunity.loan
    const build = (nonce: number): ExecuteIntent => ({
      type: 'execute',
      chainId,
      account: account.operator,
      nonce,
      ...fees,
      lease,
      executor: account.executor,
      lender: { kind, address: lender, isToken0 },
      token: opportunity.token,
      amount: opportunity.borrowed,
      minProfit,
      deadline: head.timestamp + DEADLINE_SECONDS,
      cycles: intentCycles(opportunity),
    })
    return { record, bid, account, build }
  }

  /**
   * The trade as it would run now, on the pending block or right behind the transaction that it follows.
   * Never rejects.
   */
  async #simulate({ record, bid, account, build }: Plan): Promise<Simulated> {
    const { chain, market, now } = this.#options
    const { token, follows } = record.opportunity
    const call = { from: account.operator, to: account.executor, data: encodeExecute(build(0)) }
    // On paper the contract is lent to the simulation.
    const lent = lentContract(market.manifest)
    try {
      const results = await (follows
        ? chain.simulate([followedCall(follows), call], 'latest', lent)
        : chain.simulate([call], 'pending', lent))
      const { succeeded, gasUsed, error, logs } = results.at(-1) as Simulation
      const profit = transferred(logs, token, account.executor, account.treasury)
      const refusal = !succeeded
        ? `reverts: ${error ?? 'without a reason'}`
        : profit < bid.minProfit
          ? `unprofitable (profit ${profit}, needed ${bid.minProfit})`
          : undefined
      return { simulation: { succeeded, gasUsed, profit, ...(error ? { error } : {}) }, refusal, at: now() }
    } catch (error) {
      return { refusal: `not simulated: ${messageOf(error)}`, at: now() }
    }
  }

  /**
   * Signs, records and sends. Signing and recording run in parallel with the simulation; nothing is sent
   * unless it earns.
   */
  async #submit(
    { record, bid, build }: Plan,
    head: Head,
    simulating: Promise<Simulated>,
    times: Times & { decidedAt: number },
    transactions: Transactions,
  ): Promise<Executed> {
    const { opportunity } = record
    try {
      if (opportunity.follows && this.#submitter.expiresAfter === undefined)
        await transactions.raise(bid, head)
      const handed = await transactions.submit(build, record, head, {
        cleared: simulating.then(({ refusal }) => refusal === undefined),
        behind: await this.#behind(opportunity),
      })
      const simulated = await simulating
      if (!handed)
        return await this.#report(record, {
          simulated,
          outcome:
            simulated.refusal === undefined
              ? { stage: 'sending', reason: this.#forbidden() ?? 'it was no longer wanted' }
              : { stage: 'simulation', reason: simulated.refusal },
        })
      this.#options.events.onSent(sentOf(record, handed, simulated.at, times, this.#options.now()))
      return await this.#report(record, {
        simulated,
        hash: handed.hash,
        outcome: { stage: 'sent', reason: '' },
      })
    } catch (error) {
      const stage = error instanceof SubmissionError ? error.stage : 'sending'
      return this.#report(record, {
        simulated: await simulating,
        outcome: { stage, reason: messageOf(error) },
      })
    }
  }

  /** Ends after the simulation: a dry run, or a trade on paper, which the journal takes. */
  async #withhold(record: DecisionRecord, simulated: Simulated, dryRun: boolean): Promise<Executed> {
    const outcome: DecisionOutcome =
      simulated.refusal !== undefined
        ? { stage: 'simulation', reason: simulated.refusal }
        : dryRun
          ? { stage: 'dry-run', reason: 'a dry run was requested' }
          : { stage: 'paper', reason: 'paper mode sends nothing' }
    const executed = await this.#report(record, { simulated, outcome })
    if (outcome.stage === 'paper') this.#options.paper?.add(executed.record)
    return executed
  }

  /** Records how a decision ended. */
  async #report(judged: DecisionRecord, { outcome, simulated, hash }: Ending): Promise<Executed> {
    const record: DecisionRecord = {
      ...judged,
      ...(simulated?.simulation ? { simulation: simulated.simulation } : {}),
      decision: { ...judged.decision, verdict: outcome.stage === 'sent' ? 'trade' : 'refuse' },
      outcome,
    }
    await this.#decisions.record([record])
    return { record, hash }
  }

  /** The signed transaction that ours follows, if both must be submitted together. */
  async #behind({ follows }: Opportunity): Promise<Hex | undefined> {
    return follows && this.#submitter.expiresAfter !== undefined
      ? this.#options.chain.rawTransaction(follows.hash)
      : undefined
  }

  /** Books a final transaction and learns from it. Throws what ledger and chain throw. */
  async #book(final: FinalTransaction): Promise<void> {
    const { market, chain, ledger, events, now } = this.#options
    const trade = await tradeOf(final, market, chain, now())
    await this.#recalled
    const lost = trade.outcome === 'reverted' || trade.outcome === 'state-moved'
    const tip = lost ? await tipAhead(final, market, chain).catch(() => undefined) : undefined
    this.#inclusion.add(trade, final.decision, tip)
    if (!(await ledger.book(trade))) return
    if (trade.outcome === 'as-predicted' && trade.predictedProfit !== trade.realisedProfit) {
      events.onIncident(
        'prediction-violated',
        `${trade.hash}: realised ${trade.realisedProfit}, predicted ${trade.predictedProfit}, although nothing moved`,
      )
    }
    events.onTrade(trade)
  }

  #nativeRate(token: Address): number | undefined {
    const { market } = this.#options
    const [rate, native] = [market.rate(token), market.rate(market.manifest.wrappedNative)]
    return rate === undefined || !native ? undefined : rate / native
  }
}

/** The followed transaction as a call of a simulation. */
const followedCall = ({ from, to, data, value, gas }: NonNullable<Opportunity['follows']>) => ({
  from,
  to,
  data,
  value,
  gas,
})
