/** The holdings of each pool at the last blocks. */
import type { Address } from '../../amm/index.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { valueHeld } from './depth.ts'

/** Number of blocks that are kept; each adds one number per pool. */
export const KEPT_BLOCKS = 600

/** In whole quote tokens. */
export interface PoolValueChange {
  readonly pool: Address
  readonly before: number
  readonly after: number
}

interface BlockValues {
  readonly block: number
  readonly values: ReadonlyMap<Address, number>
}

/** Follows a market from its present block on. */
export class DepthHistory {
  readonly #market: MarketView
  readonly #blocks: BlockValues[] = []
  readonly #unsubscribe: () => void

  constructor(market: MarketView) {
    this.#market = market
    this.#keep()
    this.#unsubscribe = market.subscribe(() => this.#keep())
  }

  stop(): void {
    this.#unsubscribe()
  }

  /**
   * The pools that gained or lost over the last `blocks`, largest change first. Throws `not-ready` before the
   * first block.
   */
  changes(blocks: number): { fromBlock: number; toBlock: number; changes: PoolValueChange[] } {
    const last = this.#blocks.at(-1)
    const first = this.#blocks[Math.max(0, this.#blocks.length - 1 - blocks)]
    if (!last || !first) throw new KintsugiError('not-ready', 'no block was seen yet')
    const changes = [...last.values].flatMap(([pool, after]) => {
      const before = first.values.get(pool)
      return before === undefined || before === after ? [] : [{ pool, before, after }]
    })
    return {
      fromBlock: first.block,
      toBlock: last.block,
      changes: changes.sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before)),
    }
  }

  #keep(): void {
    const { head, pools } = this.#market
    const values = [...pools.keys()].map((pool) => [pool, valueHeld(this.#market, pool)] as const)
    this.#blocks.push({ block: head.number, values: new Map(values) })
    if (this.#blocks.length > KEPT_BLOCKS) this.#blocks.shift()
  }
}
