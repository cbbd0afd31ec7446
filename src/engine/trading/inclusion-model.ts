/**
 * The model of inclusion and gas, learned from our final transactions in the ledger and kept current; shared
 * by the executor and the tools that explain it.
 */
import { type Learned, learn } from '../../arbitrage/index.ts'
import type { Bus } from '../../ports/bus.ts'
import type { DecisionRecord, Ledger, Trade } from '../../ports/ledger.ts'

/** Trades of the ledger to learn from at the start. */
const RECALLED = 200

export class InclusionModel {
  /** The last experiences, newest last. */
  learned: Learned = []

  /** Learns from the last trades in the ledger. Throws what the ledger throws. */
  async recall(ledger: Ledger): Promise<void> {
    const trades = await ledger.trades({ limit: RECALLED })
    const decisions = await ledger.decisionsById(trades.flatMap(({ decisionId }) => decisionId ?? []))
    for (const trade of trades.reverse())
      this.add(trade, trade.decisionId === null ? undefined : decisions.get(trade.decisionId))
  }

  /**
   * Learns from one trade. `tipAhead`: for a trade that lost, the tip that would have won, in wei per gas.
   */
  add(trade: Trade, record: DecisionRecord | undefined, tipAhead?: bigint): void {
    const decision = record?.decision
    // Decisions of earlier versions lack the share that was bid.
    if (!decision?.bid || trade.outcome === 'cancelled' || decision.numbers.bidShare === undefined) return
    // A trade behind a pending transaction has no rivals there: it teaches nothing about bids after a block.
    if (record?.opportunity.follows) return
    const { gasEstimate, bidShare, grossNative } = decision.numbers
    const gross = Number(grossNative)
    const won = trade.outcome === 'as-predicted'
    // The tip of the account ahead shows which bids would have lost too.
    const needed = won || tipAhead === undefined || gross <= 0 ? 0 : (Number(tipAhead) * gasEstimate) / gross
    this.learned = learn(this.learned, {
      gasRatio: Number(trade.gasUsed) / gasEstimate,
      bidShare: Math.max(bidShare, needed),
      gross,
      won,
    })
  }

  /**
   * Recalls, and then learns from each trade that is booked. `recalled` resolves once the ledger was read.
   */
  follow(ledger: Ledger, bus: Bus): { stop(): void; recalled: Promise<void> } {
    const recalled = this.recall(ledger)
    recalled.catch(() => undefined)
    const stop = bus.subscribe('trades', (trade, { retained }) => {
      if (retained || trade.decisionId === null) return
      ledger.decision(trade.decisionId).then(
        (record) => this.add(trade, record),
        () => undefined,
      )
    })
    return { stop, recalled }
  }
}
