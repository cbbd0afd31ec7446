/**
 * The trades of paper mode: kept for one block, judged by the state of that block, and recorded apart from
 * those that moved money.
 */
import type { Chain } from '../../ports/chain.ts'
import type { DecisionRecord, Ledger, PaperTrade } from '../../ports/ledger.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import { describeRoute } from '../books/booking.ts'
import { cyclesIn } from '../market/flash-loan-history.ts'
import { tokenAt } from '../market/tokens.ts'
import type { InFlight } from '../trading/in-flight.ts'
import { judgeFill, worthOn } from './fills.ts'

export interface PaperTradesOptions {
  market: MarketView
  chain: Chain
  ledger: Ledger
  now(): number
}

export class PaperTrades implements InFlight {
  readonly #options: PaperTradesOptions
  #open: DecisionRecord[] = []

  constructor(options: PaperTradesOptions) {
    this.#options = options
  }

  get inFlight(): number {
    return this.#open.length
  }

  get pending(): readonly DecisionRecord[] {
    return this.#open
  }

  /** Adds a trade that would have been sent; its decision must be in the ledger. */
  add(record: DecisionRecord): void {
    this.#open.push(record)
  }

  /**
   * Judges the trades decided before this block, as the last in it. Call while the market is as the block
   * left it. Throws what ledger and chain throw.
   */
  async judge({ head }: MarketChange): Promise<PaperTrade[]> {
    const { market, chain, ledger, now } = this.#options
    const due = this.#open.filter(({ opportunity }) => opportunity.block < head.number)
    if (due.length === 0) return []
    this.#open = this.#open.filter((record) => !due.includes(record))
    const prices = market.prices()
    const worth = due.map(({ opportunity }) =>
      worthOn(market.pools, opportunity, prices, market.manifest.wrappedNative),
    )
    const gas = due.map(({ decision }) => Number(decision.numbers.gasCost))
    const failed = worth.some((value, index) => value <= (gas[index] as number))
    const winners = failed
      ? (await cyclesIn(chain, market, head.number, head.number)).map((cycle) => ({ ...cycle, ours: false }))
      : []
    const trades = due.map((record, index): PaperTrade => {
      const { opportunity } = record
      const fill = judgeFill(opportunity, worth[index] as number, gas[index] as number, winners)
      const token = tokenAt(market.manifest, opportunity.token)
      return {
        decisionId: record.id,
        genesis: record.genesis,
        block: head.number,
        route: describeRoute(record, (address) => tokenAt(market.manifest, address).symbol),
        symbol: token.symbol,
        decimals: token.decimals,
        predictedProfit: opportunity.profit,
        outcome: fill.outcome,
        netNative: fill.net,
        reason: fill.reason,
        judgedAt: now(),
      }
    })
    await ledger.recordPaperTrades(trades)
    return trades
  }
}
