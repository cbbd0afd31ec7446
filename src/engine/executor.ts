/** The executor: judges each opportunity, simulates it on the pending block, has it signed, sends it, follows it to the books. */
import { encodeExecute, type ExecuteIntent } from '../intents/index.ts'
import type { Address } from '../amm/index.ts'
import { type ChainState, type Decision, intentCycles, judge, legsIn, type Opportunity, type Policies } from '../arbitrage/index.ts'
import type { Chain, Head, Hex } from '../ports/chain.ts'
import type { DecisionRecord, Ledger, Trade } from '../ports/ledger.ts'
import type { MarketView } from '../ports/market.ts'
import type { Signer } from '../ports/signer.ts'
import { messageOf } from '../std/errors.ts'
import { tradeOf, transferred } from './books.ts'
import type { Detection } from './detector.ts'
import { Experiences } from './experiences.ts'
import { Transactions } from './transactions.ts'

/** Seconds after which a signed plan may no longer execute. */
const DEADLINE_SECONDS = 30
/** On paper nobody pays: the rule on the operator's balance is judged as if there were plenty, in native wei. */
const PAPER_BALANCE = 10n ** 24n

export interface ExecutorEvents {
  onDecision(record: DecisionRecord): void
  onSent(sent: { decisionId: string; hash: Hex; block: number; latencyMs: number }): void
  onTrade(trade: Trade): void
  /** Something people should know. */
  onNote(note: string): void
  /** A promise of the system was broken: predicted and realised differ although nothing moved. */
  onViolation(detail: string): void
}

export interface ExecutorOptions {
  market: MarketView
  chain: Chain
  ledger: Ledger
  signer: Signer
  policies(): Policies
  mode: 'local' | 'paper'
  lease: number
  now(): number
  events: ExecutorEvents
}

export class Executor {
  readonly #options: ExecutorOptions
  #transactions: Transactions | undefined
  #balance = 0n
  #settledAt: Hex | undefined
  #head: Head | undefined
  #draining = false
  /** Pools of what is being simulated, signed and sent: not in flight yet, and taken all the same. */
  readonly #leaving = new Map<string, readonly string[]>()
  readonly #experiences = new Experiences()
  #unrecorded: DecisionRecord[] = []
  #work: Promise<unknown> = Promise.resolve()

  constructor(options: ExecutorOptions) {
    this.#options = options
  }

  /** Takes up open transactions. Throws what the ledger, the signer or the chain throw. */
  async start(): Promise<void> {
    const { market, chain, ledger, signer, mode, lease, now, events } = this.#options
    const { manifest } = market
    if (mode === 'local' && manifest.execution) {
      const account = await signer.account()
      if (account !== manifest.execution.operator) throw new Error(`the signer holds ${account}, the contract's operator is ${manifest.execution.operator}`)
      this.#transactions = new Transactions({
        chain,
        ledger,
        signer,
        genesis: manifest.genesis,
        chainId: manifest.chainId,
        account,
        lease,
        now,
        onNote: events.onNote,
        onFinal: async (final) => {
          const trade = await tradeOf(final, market, chain, now())
          this.#experiences.add(trade, final.decision)
          await this.#book(trade)
        },
      })
      await this.#experiences.recall(ledger)
      await this.#transactions.recover()
      this.#balance = await chain.balance(account, 'latest')
    }
    this.#head = await chain.block('latest')
  }

  get inFlight(): number {
    return this.#transactions?.unsettled ?? 0
  }

  /** Stops taking opportunities; what is in flight goes on to the books. */
  drain(): void {
    this.#draining = true
  }

  /** A new head: what was mined, what is final. */
  async onHead(head: Head): Promise<void> {
    await this.#settle(head)
    await this.#exclusive(async () => {
      await this.#transactions?.finish(head)
      const account = this.#options.market.manifest.execution?.operator
      if (account && this.#transactions) this.#balance = await this.#options.chain.balance(account, 'latest')
    })
  }

  /** A block's opportunities, best first. */
  async onDetection(detection: Detection): Promise<void> {
    const { market, chain } = this.#options
    if (this.#draining || detection.genesis !== market.manifest.genesis || detection.opportunities.length === 0) return
    const head = this.#head && this.#head.number >= detection.block ? this.#head : await chain.block(detection.block)
    await this.#settle(head)
    const refused: DecisionRecord[] = []
    const trades: Promise<void>[] = []
    const busy = this.#busyPools()
    let inFlight = this.#inFlightNow
    for (const opportunity of detection.opportunities) {
      const record = this.#judge(opportunity, head, busy, inFlight)
      const { decision } = record
      if (decision.verdict === 'refuse' || !decision.bid || !this.#transactions) {
        refused.push(this.#transactions || decision.verdict === 'refuse' ? record : withRule(record, 'paper mode: everything but sending', 'paper', 'local'))
        continue
      }
      for (const leg of legsIn(opportunity)) busy.add(leg.pool)
      inFlight++
      trades.push(this.#trade(record, head, detection.receivedAt).then(() => undefined))
    }
    await Promise.all(trades)
    await this.#record(refused)
  }

  /** One opportunity on request, under all the rules; with `dryRun` nothing is sent. Throws what the chain throws. */
  async request(opportunity: Opportunity, dryRun: boolean): Promise<{ record: DecisionRecord; hash: Hex | undefined }> {
    const { chain } = this.#options
    const head = await chain.block('latest')
    await this.#settle(head)
    const record = this.#judge(opportunity, head, this.#busyPools(), this.#inFlightNow)
    if (record.decision.verdict === 'trade' && this.#transactions) return this.#trade(record, head, this.#options.now(), dryRun)
    const refused = record.decision.verdict === 'refuse' ? record : withRule(record, 'paper mode: everything but sending', 'paper', 'local')
    await this.#record([refused])
    return { record: refused, hash: undefined }
  }

  #busyPools(): Set<string> {
    const busy = this.#transactions?.busyPools() ?? new Set<string>()
    for (const pools of this.#leaving.values()) for (const pool of pools) busy.add(pool)
    return busy
  }

  get #inFlightNow(): number {
    return (this.#transactions?.inFlight ?? 0) + this.#leaving.size
  }

  #judge(opportunity: Opportunity, head: Head, busyPools: ReadonlySet<string>, inFlight: number): DecisionRecord {
    const state: ChainState = {
      now: this.#options.now(),
      head: head.number,
      baseFeePerGas: head.baseFeePerGas,
      operatorBalance: this.#transactions ? this.#balance : PAPER_BALANCE,
      inFlight,
      busyPools,
      nativeRate: this.#nativeRate(opportunity.token),
      learned: this.#experiences.learned,
    }
    const decision = judge(opportunity, this.#options.policies(), state)
    return { id: opportunity.id, genesis: this.#options.market.manifest.genesis, opportunity, decision, decidedAt: state.now }
  }

  async #trade(record: DecisionRecord, head: Head, since: number, dryRun = false): Promise<{ record: DecisionRecord; hash: Hex | undefined }> {
    this.#leaving.set(
      record.id,
      legsIn(record.opportunity).map((leg) => leg.pool),
    )
    try {
      return await this.#send(record, head, since, dryRun)
    } finally {
      this.#leaving.delete(record.id)
    }
  }

  async #send(record: DecisionRecord, head: Head, since: number, dryRun: boolean): Promise<{ record: DecisionRecord; hash: Hex | undefined }> {
    const { chain, market, now, events } = this.#options
    const execution = market.manifest.execution
    const transactions = this.#transactions
    const bid = record.decision.bid
    if (!execution || !transactions || !bid) return { record, hash: undefined }
    const build = (nonce: number): ExecuteIntent => ({
      type: 'execute',
      chainId: market.manifest.chainId,
      account: execution.operator,
      nonce,
      gasLimit: bid.gasLimit,
      maxFeePerGas: bid.maxFeePerGas,
      maxPriorityFeePerGas: bid.maxPriorityFeePerGas,
      lease: this.#options.lease,
      executor: execution.executor,
      ...planOf(record.opportunity, bid.minProfit, head.timestamp + DEADLINE_SECONDS),
    })
    let judged = record
    try {
      const call = { from: execution.operator, to: execution.executor, data: encodeExecute(build(0)) }
      const simulation = await chain.simulate(call)
      const profit = transferred(simulation.logs, record.opportunity.token, execution.executor, execution.treasury)
      judged = { ...record, simulation: { succeeded: simulation.succeeded, gasUsed: simulation.gasUsed, profit, ...(simulation.error ? { error: simulation.error } : {}) } }
      const ok = simulation.succeeded && profit >= bid.minProfit
      judged = withRule(judged, 'simulation on the pending block', simulation.error ?? `profit ${profit}`, `profit of at least ${bid.minProfit}`, ok)
      if (!ok || dryRun) {
        const told = ok ? withRule(judged, 'asked to send', 'a dry run', 'no dry run') : judged
        await this.#record([told])
        return { record: told, hash: undefined }
      }
      const hash = await transactions.submit(build, judged, head)
      events.onDecision(judged)
      events.onSent({ decisionId: record.id, hash, block: record.opportunity.block, latencyMs: now() - since })
      return { record: judged, hash }
    } catch (error) {
      const failed = withRule(judged, 'sending', messageOf(error), 'signed, recorded and sent')
      await this.#record([failed])
      return { record: failed, hash: undefined }
    }
  }

  async #settle(head: Head): Promise<void> {
    await this.#exclusive(async () => {
      if (this.#settledAt === head.hash || (this.#head && head.number < this.#head.number)) return
      await this.#transactions?.settle()
      this.#settledAt = head.hash
      this.#head = head
    })
  }

  async #book(trade: Trade): Promise<void> {
    const { ledger, events } = this.#options
    if (!(await ledger.book(trade))) return
    if (trade.outcome === 'as-predicted' && trade.predictedProfit !== trade.realisedProfit) {
      events.onViolation(`${trade.hash}: nothing moved, yet ${trade.realisedProfit} was realised where ${trade.predictedProfit} was predicted`)
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
    const [rate, native] = [prices.get(token)?.rate, prices.get(this.#options.market.manifest.wrappedNative)?.rate]
    return rate === undefined || !native ? undefined : rate / native
  }

  #exclusive(work: () => Promise<void>): Promise<void> {
    const result = this.#work.then(work)
    this.#work = result.catch(() => undefined)
    return result
  }
}

function planOf(opportunity: Opportunity, minProfit: bigint, deadline: number): Pick<ExecuteIntent, 'lender' | 'token' | 'amount' | 'minProfit' | 'deadline' | 'cycles'> {
  return {
    lender: { kind: opportunity.loan.kind, address: opportunity.loan.lender, isToken0: opportunity.loan.isToken0 },
    token: opportunity.token,
    amount: opportunity.borrowed,
    minProfit,
    deadline,
    cycles: intentCycles(opportunity),
  }
}

function withRule(record: DecisionRecord, rule: string, got: string, needed: string, ok = false): DecisionRecord {
  const decision: Decision = { ...record.decision, verdict: ok ? record.decision.verdict : 'refuse', rules: [...record.decision.rules, { rule, ok, got, needed }] }
  return { ...record, decision }
}
