/**
 * Evaluates a strategy on a recording: it decides at each block as it would have, and its fills follow from
 * the next block. Deterministic: the same recording and options give the same report.
 */
import type { Address } from '../../amm/index.ts'
import { judge, legsIn, type Opportunity, type Policies } from '../../arbitrage/index.ts'
import type { PaperOutcome } from '../../ports/ledger.ts'
import { Detector } from '../trading/detector.ts'
import { poolOffers } from '../trading/loan-reader.ts'
import { judgeFill, worthOn } from './fills.ts'
import { type RecordedBlock, RecordedMarket, type RecordingHead } from './recording.ts'

export interface ReplayOptions {
  readonly policies: Policies
  /** Whether our trade is assumed before or after all transactions of the next block. */
  readonly position: 'first' | 'last'
}

/** The outcome of one gap; each is counted once, at the block in which it was first seen. */
export interface ReplayedGap {
  readonly block: number
  readonly route: readonly Address[]
  /** In native wei, after premium, before gas. */
  readonly promised: number
  readonly outcome: PaperOutcome | 'refused'
  /** The profit net of gas if it was traded, otherwise the gas of a failed attempt. */
  readonly net: number
  /** Why it was not traded, or who won it instead. */
  readonly reason: string
}

export interface ReplayReport {
  readonly blocks: number
  readonly fromBlock: number
  readonly toBlock: number
  readonly gaps: readonly ReplayedGap[]
  readonly traded: number
  /** Native wei. */
  readonly net: number
  readonly largestDrawdown: number
  /** Predicted value of gaps, by outcome. */
  readonly byOutcome: Readonly<Record<string, { gaps: number; promised: number; net: number }>>
  readonly missedBecause: Readonly<Record<string, number>>
  /** Net so far, and the plan's net optimum, after each block. */
  readonly curve: readonly { readonly block: number; readonly net: number; readonly optimum: number }[]
  /** Accounts that closed cycles, with their gain in quote units. */
  readonly winners: readonly {
    readonly account: Address
    readonly cycles: number
    readonly value: number
    readonly ours: boolean
  }[]
}

/** In paper mode the operator can always pay. */
const PLENTY = 10n ** 24n

export class Replay {
  readonly #market: RecordedMarket
  readonly #detector: Detector
  readonly #options: ReplayOptions
  readonly #gaps: ReplayedGap[] = []
  readonly #curve: { block: number; net: number; optimum: number }[] = []
  readonly #winners = new Map<Address, { cycles: number; value: number; ours: boolean }>()
  /** Gaps met already: each counts once, until it no longer pays. */
  #open = new Map<string, boolean>()
  #pending: { opportunity: Opportunity; gas: number; promised: number }[] = []
  #net = 0
  #blocks = 0
  readonly #first: number

  constructor(head: RecordingHead, options: ReplayOptions) {
    this.#options = options
    this.#market = new RecordedMarket(head)
    this.#first = head.head.number
    const byToken = Map.groupBy(head.offers, (offer) => offer.token)
    const offers = (token: Address) => [
      ...(byToken.get(token) ?? []),
      ...poolOffers(token, this.#market.pools.values()),
    ]
    this.#detector = new Detector({
      market: this.#market,
      loans: { offers },
      now: () => this.#market.observedAt,
    })
    this.#decide({
      head: head.head,
      changed: new Set(this.#market.pools.keys()),
      logs: [],
      receivedAt: this.#market.observedAt,
    })
  }

  /** Fills the pending decisions by this block, then decides on it. */
  add(block: RecordedBlock): void {
    this.#blocks++
    const filled = this.#options.position === 'first' ? this.#fill(block) : undefined
    const change = this.#market.apply(block)
    if (!filled) this.#fill(block)
    for (const { account, value, ours } of block.winners) {
      const known = this.#winners.get(account) ?? { cycles: 0, value: 0, ours }
      this.#winners.set(account, { cycles: known.cycles + 1, value: known.value + value, ours })
    }
    this.#decide(change)
    this.#curve.push({
      block: block.head.number,
      net: this.#net,
      optimum: this.#detector.optimum(change).plannedNet,
    })
  }

  report(): ReplayReport {
    let [peak, drawdown] = [0, 0]
    for (const { net } of this.#curve) {
      peak = Math.max(peak, net)
      drawdown = Math.max(drawdown, peak - net)
    }
    const byOutcome: Record<string, { gaps: number; promised: number; net: number }> = {}
    const missedBecause: Record<string, number> = {}
    for (const { outcome, promised, net, reason } of this.#gaps) {
      const sum = (byOutcome[outcome] ??= { gaps: 0, promised: 0, net: 0 })
      sum.gaps++
      sum.promised += promised
      sum.net += net
      if (outcome !== 'traded') missedBecause[reason] = (missedBecause[reason] ?? 0) + promised
    }
    return {
      blocks: this.#blocks,
      fromBlock: this.#first,
      toBlock: this.#market.head.number,
      gaps: this.#gaps,
      traded: this.#gaps.filter(({ outcome }) => outcome === 'traded').length,
      net: this.#net,
      largestDrawdown: drawdown,
      byOutcome,
      missedBecause,
      curve: this.#curve,
      winners: [...this.#winners]
        .map(([account, numbers]) => ({ account, ...numbers }))
        .sort((a, b) => b.value - a.value),
    }
  }

  #fill({ winners, head }: RecordedBlock): true {
    for (const { opportunity, gas, promised } of this.#pending) {
      const worth = worthOn(
        this.#market.pools,
        opportunity,
        this.#market.prices(),
        this.#market.manifest.wrappedNative,
      )
      const fill = judgeFill(opportunity, worth, gas, winners)
      this.#net += fill.net
      this.#gaps.push({
        block: head.number,
        route: legsIn(opportunity).map((leg) => leg.pool),
        promised,
        ...fill,
      })
    }
    this.#pending = []
    return true
  }

  #decide(change: Parameters<Detector['detect']>[0]): void {
    const { opportunities } = this.#detector.detect(change)
    const busy = new Map<string, number>()
    const stillOpen = new Map<string, boolean>()
    for (const opportunity of opportunities) {
      const key = opportunity.cycles
        .map(({ legs }) => legs.map((leg) => leg.pool + leg.tokenIn).join())
        .join('+')
      stillOpen.set(key, true)
      if (this.#open.has(key)) continue
      const prices = this.#market.prices()
      const [rate, native] = [
        prices.get(opportunity.token)?.rate,
        prices.get(this.#market.manifest.wrappedNative)?.rate,
      ]
      const { verdict, rules, numbers } = judge(opportunity, this.#options.policies, {
        now: this.#market.observedAt,
        head: change.head.number,
        baseFeePerGas: change.head.baseFeePerGas,
        operatorBalance: PLENTY,
        inFlight: this.#pending.length,
        busyPools: busy,
        nativeRate: rate === undefined || !native ? undefined : rate / native,
        learned: [],
      })
      const promised = Number(numbers.grossNative)
      if (verdict === 'trade') {
        this.#pending.push({ opportunity, gas: Number(numbers.gasCost), promised })
        for (const leg of legsIn(opportunity)) busy.set(leg.pool, promised)
        continue
      }
      const reason = rules.find((rule) => !rule.ok)?.rule ?? 'unknown'
      // A smaller cycle through pools that a better one already takes is the same gap.
      if (reason === 'no pool is already in flight') continue
      this.#gaps.push({
        block: change.head.number,
        route: legsIn(opportunity).map((leg) => leg.pool),
        promised,
        outcome: 'refused',
        net: 0,
        reason,
      })
    }
    this.#open = stillOpen
  }
}
