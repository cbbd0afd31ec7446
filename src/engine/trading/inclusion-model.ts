/** What our final transactions taught, read from the ledger and kept up to date: the same for the executor and for who explains it. */
import { type Learned, learn } from '../../arbitrage/index.ts'
import type { Bus } from '../../ports/bus.ts'
import type { DecisionRecord, Ledger, Trade } from '../../ports/ledger.ts'

/** Trades of the ledger that are learned from at the start. */
const RECALLED = 200

export class Experiences {
  learned: Learned = []

  /** What the last trades in the ledger taught. Throws what the ledger throws. */
  async recall(ledger: Ledger): Promise<void> {
    const trades = await ledger.trades({ limit: RECALLED })
    const decisions = await ledger.decisionsById(trades.flatMap(({ decisionId }) => decisionId ?? []))
    for (const trade of trades.reverse())
      this.add(trade, trade.decisionId === null ? undefined : decisions.get(trade.decisionId))
  }

  /** `tipAhead`: where it lost, what a unit of gas would have had to pay to win, in wei. */
  add(trade: Trade, record: DecisionRecord | undefined, tipAhead?: bigint): void {
    const decision = record?.decision
    // Decisions of earlier versions did not say what they bid.
    if (!decision?.bid || trade.outcome === 'cancelled' || decision.numbers.bidShare === undefined) return
    // Who follows a pending transaction is alone there: it says nothing about bids after a block.
    if (record?.opportunity.follows) return
    const { gasEstimate, bidShare, grossNative } = decision.numbers
    const gross = Number(grossNative)
    const won = trade.outcome === 'as-predicted'
    // Whoever was ahead shows which bids would have lost as well.
    const needed = won || tipAhead === undefined || gross <= 0 ? 0 : (Number(tipAhead) * gasEstimate) / gross
    this.learned = learn(this.learned, {
      gasRatio: Number(trade.gasUsed) / gasEstimate,
      bidShare: Math.max(bidShare, needed),
      gross,
      won,
    })
  }

  /** Recalls, and learns from each trade that is booked. `recalled` resolves when the first is done. */
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
