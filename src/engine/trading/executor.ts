/** The executor: judges each opportunity, simulates it on the pending block, has it signed, sends it, follows it to the books. */
import type { Address } from '../../amm/index.ts'
import {
  type ChainState,
  type DataFee,
  type Decision,
  intentCycles,
  judge,
  legsIn,
  type Opportunity,
  type Policies,
} from '../../arbitrage/index.ts'
import { type ExecuteIntent, encodeExecute } from '../../intents/index.ts'
import type { Chain, Head, Hex, SimulatedCall, Simulation } from '../../ports/chain.ts'
import type { DecisionRecord, Ledger, PaperTrade, Trade } from '../../ports/ledger.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import type { Detection, Sent } from '../../ports/messages.ts'
import type { Relay } from '../../ports/relay.ts'
import type { Signer } from '../../ports/signer.ts'
import { messageOf } from '../../std/errors.ts'
import { tipAhead, tradeOf, transferred } from '../books/booking.ts'
import { readDataFee } from '../chains/data-fee.ts'
import type { TradingTerms } from '../chains/profile.ts'
import { lentContract } from '../paper/fills.ts'
import { PaperTrades } from '../paper/journal.ts'
import { Experiences } from './inclusion-model.ts'
import { type Submitter, submitterOf } from './submission.ts'
import { promisedBy, Transactions } from './transactions.ts'

/** Seconds after which a signed plan may no longer execute. */
const DEADLINE_SECONDS = 30
/** On paper nobody pays: the rule on the operator's balance is judged as if there were plenty, in native wei. */
const PAPER_BALANCE = 10n ** 24n

export interface ExecutorEvents {
  onDecision(record: DecisionRecord): void
  onSent(sent: Sent): void
  onTrade(trade: Trade): void
  onPaperTrade(trade: PaperTrade): void
  /** Something people should know. */
  onNote(note: string): void
  /** A promise of the system was broken: predicted and realised differ although nothing moved. */
  onViolation(detail: string): void
}

/** Tips that are kept, and the share of them that the usual one is above. */
const KEPT_TIPS = 50
const USUAL = 0.9

export interface ExecutorOptions {
  market: MarketView
  chain: Chain
  ledger: Ledger
  signer: Signer
  policies(): Policies
  mode: 'local' | 'paper'
  terms: TradingTerms
  relays: readonly Relay[]
  lease: number
  now(): number
  /** How long after a block bookings wait, in ms: its trades go first. */
  patienceMs?: number
  events: ExecutorEvents
}

export class Executor {
  readonly #options: ExecutorOptions
  readonly #submitter: Submitter
  readonly #paper: PaperTrades | undefined
  #transactions: Transactions | undefined
  #balance = 0n
  #dataFee: DataFee | undefined
  /** The head for which receipts were looked up, or are being looked up. */
  #settled: { readonly hash: Hex; readonly done: Promise<void> } | undefined
  #head: Head | undefined
  #draining = false
  /** Pools of what is being simulated, signed and sent: not in flight yet, and taken all the same. */
  readonly #leaving = new Map<string, DecisionRecord>()
  readonly #experiences = new Experiences()
  #recalled: Promise<void> = Promise.resolve()
  /** Tips of the last pending transactions that opened something. */
  readonly #tips: bigint[] = []
  #unrecorded: DecisionRecord[] = []
  #work: Promise<unknown> = Promise.resolve()

  constructor(options: ExecutorOptions) {
    this.#options = options
    this.#submitter = submitterOf(options.terms.submission, options.chain, options.relays)
    if (options.mode === 'paper') this.#paper = new PaperTrades(options)
  }

  /** Takes up open transactions. Throws what the ledger, the signer or the chain throw. */
  async start(): Promise<void> {
    const { market, chain, ledger, signer, mode, terms, lease, now, events } = this.#options
    const { manifest } = market
    if (mode === 'local' && manifest.execution) {
      const { operator } = manifest.execution
      // What earlier trades taught is needed for the first decision, not to be there.
      this.#recalled = this.#experiences.recall(ledger)
      this.#recalled.catch(() => undefined)
      const [account, balance] = await Promise.all([signer.account(), chain.balance(operator, 'latest')])
      if (account !== manifest.execution.operator)
        throw new Error(
          `the signer holds ${account}, the contract's operator is ${manifest.execution.operator}`,
        )
      this.#transactions = new Transactions({
        chain,
        ledger,
        signer,
        submitter: this.#submitter,
        finality: terms.finality,
        genesis: manifest.genesis,
        chainId: manifest.chainId,
        account,
        lease,
        now,
        onNote: events.onNote,
        onFinal: async (final) => {
          const trade = await tradeOf(final, market, chain, now())
          await this.#recalled
          const lost = trade.outcome === 'reverted' || trade.outcome === 'state-moved'
          this.#experiences.add(
            trade,
            final.decision,
            lost ? await tipAhead(final, market, chain).catch(() => undefined) : undefined,
          )
          await this.#book(trade)
        },
      })
      await this.#transactions.recover()
      this.#balance = balance
    }
    this.#head = await chain.block('latest')
    this.#dataFee = await readDataFee(chain, terms.gas, this.#head.number)
  }

  get inFlight(): number {
    return this.#transactions?.unsettled ?? 0
  }

  /** Stops taking opportunities; what is in flight goes on to the books. */
  drain(): void {
    this.#draining = true
  }

  /** A new head: what was mined, what is final, what gas costs. */
  async onHead(head: Head): Promise<void> {
    const { chain, market, terms, events, patienceMs = 0 } = this.#options
    await this.#settle(head)
    if (patienceMs > 0) await new Promise((resolve) => setTimeout(resolve, patienceMs))
    await this.#exclusive(async () => {
      this.#dataFee = await readDataFee(chain, terms.gas, head.number).catch((error) => {
        events.onNote(`the price of data was not read, the last one stands: ${messageOf(error)}`)
        return this.#dataFee
      })
      await this.#transactions?.finish(head)
      const account = market.manifest.execution?.operator
      if (account && this.#transactions) this.#balance = await chain.balance(account, 'latest')
    })
  }

  /** What a block left of the market: judges what was traded on paper. */
  async onChange(change: MarketChange): Promise<void> {
    for (const trade of (await this.#paper?.judge(change)) ?? []) this.#options.events.onPaperTrade(trade)
  }

  /** A block's opportunities, or those that a pending transaction opens; best first. */
  async onDetection(detection: Detection): Promise<void> {
    const { market, chain, now } = this.#options
    if (
      this.#draining ||
      detection.genesis !== market.manifest.genesis ||
      detection.opportunities.length === 0
    )
      return
    const told = now()
    const { follows } = detection.opportunities[0] as Opportunity
    if (follows) this.#tips.push(follows.maxPriorityFeePerGas)
    if (this.#tips.length > KEPT_TIPS) this.#tips.shift()
    const head =
      this.#head && this.#head.number >= detection.block ? this.#head : await chain.block(detection.block)
    await Promise.all([this.#settle(head), this.#recalled])
    const refused: DecisionRecord[] = []
    const trades: Promise<unknown>[] = []
    const busy = this.#busyPools()
    let inFlight = this.#inFlightNow
    for (const opportunity of detection.opportunities) {
      const record = this.#judge(opportunity, head, busy, inFlight)
      if (record.decision.verdict === 'refuse') {
        refused.push(record)
        continue
      }
      for (const leg of legsIn(opportunity)) busy.set(leg.pool, promisedBy(record))
      inFlight++
      trades.push(this.#trade(record, head, { seen: detection.receivedAt, told }))
    }
    await Promise.all(trades)
    await this.#record(refused)
  }

  /** One opportunity on request, under all the rules; with `dryRun` nothing is sent. Throws what the chain throws. */
  async request(
    opportunity: Opportunity,
    dryRun: boolean,
  ): Promise<{ record: DecisionRecord; hash: Hex | undefined }> {
    const { chain, now } = this.#options
    const head = await chain.block('latest')
    await Promise.all([this.#settle(head), this.#recalled])
    const record = this.#judge(opportunity, head, this.#busyPools(), this.#inFlightNow)
    if (record.decision.verdict === 'trade')
      return this.#trade(record, head, { seen: now(), told: now() }, dryRun)
    await this.#record([record])
    return { record, hash: undefined }
  }

  #typicalTip(): bigint {
    return [...this.#tips].sort((a, b) => (a < b ? -1 : 1))[Math.floor(this.#tips.length * USUAL)] as bigint
  }

  #busyPools(): Map<string, number> {
    const busy = (this.#transactions ?? this.#paper)?.busyPools() ?? new Map<string, number>()
    for (const record of this.#leaving.values())
      for (const leg of legsIn(record.opportunity)) busy.set(leg.pool, promisedBy(record))
    return busy
  }

  get #inFlightNow(): number {
    return (this.#transactions?.inFlight ?? this.#paper?.open ?? 0) + this.#leaving.size
  }

  #judge(
    opportunity: Opportunity,
    head: Head,
    busyPools: ReadonlyMap<string, number>,
    inFlight: number,
  ): DecisionRecord {
    // Relays take each bundle by itself.
    const tipsInFlight = this.#submitter.expiresAfter === undefined ? this.#transactions?.tips : undefined
    const state: ChainState = {
      now: this.#options.now(),
      head: head.number,
      baseFeePerGas: head.baseFeePerGas,
      operatorBalance: this.#transactions ? this.#balance : PAPER_BALANCE,
      inFlight,
      busyPools,
      nativeRate: this.#nativeRate(opportunity.token),
      learned: this.#experiences.learned,
      ...(tipsInFlight === undefined ? {} : { tipsInFlight }),
      ...(this.#tips.length > 0 ? { typicalTip: this.#typicalTip() } : {}),
      ...(this.#dataFee ? { dataFee: this.#dataFee } : {}),
      revertsAreFree: this.#submitter.revertsAreFree,
    }
    const decision = judge(opportunity, this.#options.policies(), state)
    return {
      id: opportunity.id,
      genesis: this.#options.market.manifest.genesis,
      opportunity,
      decision,
      decidedAt: state.now,
    }
  }

  async #trade(
    record: DecisionRecord,
    head: Head,
    times: { seen: number; told: number },
    dryRun = false,
  ): Promise<{ record: DecisionRecord; hash: Hex | undefined }> {
    this.#leaving.set(record.id, record)
    try {
      return await this.#send(record, head, times, dryRun)
    } finally {
      this.#leaving.delete(record.id)
    }
  }

  async #send(
    record: DecisionRecord,
    head: Head,
    { seen, told }: { seen: number; told: number },
    dryRun: boolean,
  ): Promise<{ record: DecisionRecord; hash: Hex | undefined }> {
    const { market, now, events } = this.#options
    const account = market.manifest.execution ?? market.manifest.paper
    const bid = record.decision.bid
    let judged = record
    const stop = async (rule: string, got: string, needed: string, ok = false) => {
      judged = withRule(judged, rule, got, needed, ok)
      await this.#record([judged])
      return { record: judged, hash: undefined }
    }
    if (!account || !bid) return stop('paper mode: everything but sending', 'paper', 'local')
    const build = (nonce: number): ExecuteIntent => ({
      type: 'execute',
      chainId: market.manifest.chainId,
      account: account.operator,
      nonce,
      gasLimit: bid.gasLimit,
      maxFeePerGas: bid.maxFeePerGas,
      maxPriorityFeePerGas: bid.maxPriorityFeePerGas,
      lease: this.#options.lease,
      executor: account.executor,
      ...planOf(record.opportunity, bid.minProfit, head.timestamp + DEADLINE_SECONDS),
    })
    const decided = now()
    const simulated = this.#simulate(record.opportunity, {
      from: account.operator,
      to: account.executor,
      data: encodeExecute(build(0)),
    }).then((simulation) => {
      const profit = transferred(
        simulation.logs,
        record.opportunity.token,
        account.executor,
        account.treasury,
      )
      const ok = simulation.succeeded && profit >= bid.minProfit
      const { succeeded, gasUsed, error } = simulation
      judged = { ...judged, simulation: { succeeded, gasUsed, profit, ...(error ? { error } : {}) } }
      judged = withRule(
        judged,
        'simulation on the pending block',
        error ?? `profit ${profit}`,
        `profit of at least ${bid.minProfit}`,
        ok,
      )
      return { ok, at: now() }
    })
    const cleared = simulated.then(
      ({ ok }) => ok,
      () => false,
    )
    try {
      if (dryRun || !this.#transactions) {
        const { ok } = await simulated
        if (!ok) return await stop('worth sending', 'the simulation says no', 'a simulation that earns')
        if (dryRun) return await stop('asked to send', 'a dry run', 'no dry run')
        const answer = await stop('paper mode: everything but sending', 'paper', 'local')
        this.#paper?.add(judged)
        return answer
      }
      if (record.opportunity.follows && this.#submitter.expiresAfter === undefined)
        await this.#transactions.raise(bid, head)
      // Signing and writing down go on beside the simulation; nothing leaves before it says yes.
      const handed = await this.#transactions.submit(build, record, head, {
        cleared,
        behind: await this.#behind(record.opportunity),
      })
      const { at } = await simulated
      if (!handed) return await stop('worth sending', 'the simulation says no', 'a simulation that earns')
      const { hash, signedAt, recordedAt } = handed
      const sent = now()
      const stages = {
        told: told - seen,
        judged: decided - told,
        simulated: at - decided,
        signed: signedAt - decided,
        recorded: recordedAt - signedAt,
        sent: sent - Math.max(recordedAt, at),
      }
      events.onSent({
        decisionId: record.id,
        hash,
        block: record.opportunity.block,
        latencyMs: sent - seen,
        stages,
        follows: record.opportunity.follows !== undefined,
      })
      await this.#record([judged])
      return { record: judged, hash }
    } catch (error) {
      return stop('sending', messageOf(error), 'signed, recorded and sent')
    }
  }

  /** The trade as it would run now: on the pending block, or right behind the transaction that it follows; on paper the contract is lent. */
  async #simulate({ follows }: Opportunity, call: SimulatedCall): Promise<Simulation> {
    const { chain, market } = this.#options
    const lent = lentContract(market.manifest)
    const first = follows && {
      from: follows.from,
      to: follows.to,
      data: follows.data,
      value: follows.value,
      gas: follows.gas,
    }
    const results = await (first
      ? chain.simulate([first, call], 'latest', lent)
      : chain.simulate([call], 'pending', lent))
    return results.at(-1) as Simulation
  }

  /** The signed transaction to stand behind, where it must be handed over together with ours. */
  async #behind({ follows }: Opportunity): Promise<Hex | undefined> {
    return follows && this.#submitter.expiresAfter !== undefined
      ? this.#options.chain.rawTransaction(follows.hash)
      : undefined
  }

  /** Looks up receipts, once for each head; what is behind the last head needs none. */
  #settle(head: Head): Promise<void> {
    if (
      this.#settled &&
      (this.#settled.hash === head.hash || (this.#head && head.number < this.#head.number))
    )
      return this.#settled.done
    this.#head = head
    const done = this.#transactions?.settle() ?? Promise.resolve()
    this.#settled = { hash: head.hash, done }
    done.catch(() => {
      if (this.#settled?.done === done) this.#settled = undefined
    })
    return done
  }

  async #book(trade: Trade): Promise<void> {
    const { ledger, events } = this.#options
    if (!(await ledger.book(trade))) return
    if (trade.outcome === 'as-predicted' && trade.predictedProfit !== trade.realisedProfit) {
      events.onViolation(
        `${trade.hash}: nothing moved, yet ${trade.realisedProfit} was realised where ${trade.predictedProfit} was predicted`,
      )
    }
    events.onTrade(trade)
  }

  /** Decisions are kept even where the ledger is away for a while: they wait, bounded, for its return. */
  async #record(records: readonly DecisionRecord[]): Promise<void> {
    for (const record of records) this.#options.events.onDecision(record)
    this.#unrecorded.push(...records)
    const batch = this.#unrecorded
    if (batch.length === 0) return
    this.#unrecorded = []
    try {
      await this.#options.ledger.recordDecisions(batch)
    } catch (error) {
      this.#unrecorded = [...batch, ...this.#unrecorded].slice(-1_000)
      this.#options.events.onNote(`${batch.length} decisions wait for the ledger: ${messageOf(error)}`)
    }
  }

  #nativeRate(token: Address): number | undefined {
    const prices = this.#options.market.prices()
    const [rate, native] = [
      prices.get(token)?.rate,
      prices.get(this.#options.market.manifest.wrappedNative)?.rate,
    ]
    return rate === undefined || !native ? undefined : rate / native
  }

  #exclusive(work: () => Promise<void>): Promise<void> {
    const result = this.#work.then(work)
    this.#work = result.catch(() => undefined)
    return result
  }
}

function planOf(
  opportunity: Opportunity,
  minProfit: bigint,
  deadline: number,
): Pick<ExecuteIntent, 'lender' | 'token' | 'amount' | 'minProfit' | 'deadline' | 'cycles'> {
  return {
    lender: {
      kind: opportunity.loan.kind,
      address: opportunity.loan.lender,
      isToken0: opportunity.loan.isToken0,
    },
    token: opportunity.token,
    amount: opportunity.borrowed,
    minProfit,
    deadline,
    cycles: intentCycles(opportunity),
  }
}

function withRule(
  record: DecisionRecord,
  rule: string,
  got: string,
  needed: string,
  ok = false,
): DecisionRecord {
  const decision: Decision = {
    ...record.decision,
    verdict: ok ? record.decision.verdict : 'refuse',
    rules: [...record.decision.rules, { rule, ok, got, needed }],
  }
  return { ...record, decision }
}
