/** The trades of paper mode: held for a block, then judged by what it held, and written down apart from those that moved money. */
import { legsIn } from '../../arbitrage/index.ts'
import type { Chain } from '../../ports/chain.ts'
import type { DecisionRecord, Ledger, PaperTrade } from '../../ports/ledger.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import { describeRoute } from '../books/booking.ts'
import { cyclesIn } from '../market/flash-loan-history.ts'
import { tokenAt } from '../market/tokens.ts'
import { promisedBy } from '../trading/transactions.ts'
import { judgeFill, worthOn } from './fills.ts'

export interface PaperTradesOptions {
  market: MarketView
  chain: Chain
  ledger: Ledger
  now(): number
}

export class PaperTrades {
  readonly #options: PaperTradesOptions
  #open: DecisionRecord[] = []

  constructor(options: PaperTradesOptions) {
    this.#options = options
  }

  get open(): number {
    return this.#open.length
  }

  /** As those of transactions in flight. */
  busyPools(): Map<string, number> {
    return new Map(
      this.#open.flatMap((record) =>
        legsIn(record.opportunity).map((leg) => [leg.pool, promisedBy(record)] as const),
      ),
    )
  }

  /** Takes a trade that would have been sent; its decision must be in the ledger. */
  add(record: DecisionRecord): void {
    this.#open.push(record)
  }

  /** Judges what was open before this block, as the last in it. Call while the market is as the block left it. Throws what ledger and chain throw. */
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
