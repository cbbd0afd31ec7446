/**
 * The captured share of the market's bound, block by block: the bound after a block against the profit of our
 * trades in the next one.
 */
import type { Hex } from '../../ports/chain.ts'
import type { Trade } from '../../ports/ledger.ts'
import type { CapturedShare } from '../../ports/messages.ts'
import type { Optimum } from './detector.ts'

/** One block, in whole native coins. */
export interface CapturedBlock {
  readonly block: number
  /** Upper bound of the profit over the pools as this block left them, before premiums and gas. */
  readonly bound: number
  /** Profit of a plan of cycles, before and after the gas of that plan. */
  readonly planned: number
  readonly plannedNet: number
  /** Profit of our trades in the next block after premiums, before gas; counted once they are final. */
  readonly captured: number
  /** `captured` over `bound`; null if the block held nothing. */
  readonly share: number | null
  /** Profit of our trades in the next block behind pending transactions: the bound had not seen those yet. */
  readonly ahead: number
}

const KEPT = 600
/** Blocks until the trades of a block are final and counted. */
const SETTLING = 6
/** A bound below this is only rounding; in whole native coins. */
const NOTHING = 1e-9

const shareOf = (captured: number, bound: number) => (bound > NOTHING ? captured / bound : null)

/** Keeps the last blocks in memory. */
export class CaptureBook {
  readonly #blocks = new Map<number, Omit<CapturedBlock, 'share'>>()
  /** Our transactions that follow pending ones. */
  readonly #following = new Set<Hex>()

  onOptimum({ block, upperBound, planned, plannedNet }: Optimum): void {
    this.#blocks.set(block, {
      block,
      bound: upperBound / 1e18,
      planned: planned / 1e18,
      plannedNet: plannedNet / 1e18,
      captured: 0,
      ahead: 0,
    })
    if (this.#blocks.size > KEPT) this.#blocks.delete(this.#blocks.keys().next().value as number)
  }

  onSent({ hash, follows }: { hash: Hex; follows: boolean }): void {
    if (!follows) return
    this.#following.add(hash)
    if (this.#following.size > 10 * KEPT) this.#following.delete(this.#following.values().next().value as Hex)
  }

  onTrade({ hash, block, profitNative }: Pick<Trade, 'hash' | 'block' | 'profitNative'>): void {
    const held = this.#blocks.get(block - 1)
    if (!held) return
    const what = this.#following.has(hash) ? 'ahead' : 'captured'
    this.#blocks.set(block - 1, { ...held, [what]: held[what] + profitNative })
  }

  /** The last blocks, newest first. */
  recent(limit: number): CapturedBlock[] {
    return [...this.#blocks.values()]
      .slice(-limit)
      .reverse()
      .map((held) => ({ ...held, share: shareOf(held.captured, held.bound) }))
  }

  /**
   * Sums over the blocks that are kept, without the last ones, whose trades are not final yet. A gap that
   * stays open counts in each block.
   */
  totals(): CapturedShare {
    let [bound, captured, ahead] = [0, 0, 0]
    const settled = [...this.#blocks.values()].slice(0, -SETTLING)
    for (const held of settled) {
      bound += held.bound
      captured += held.captured
      ahead += held.ahead
    }
    return { blocks: settled.length, bound, captured, share: shareOf(captured, bound), ahead }
  }
}
