/**
 * The effect of pending transactions on the market: each one sent to a known swap contract is simulated on
 * top of the last block, and the market that it leaves is searched, so that a trade can follow it directly.
 */
import type { Address, Pool } from '../../amm/index.ts'
import type { Followed } from '../../arbitrage/index.ts'
import type { Chain, PendingTransaction, Simulation } from '../../ports/chain.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import type { Detection } from '../../ports/messages.ts'
import { messageOf } from '../../std/errors.ts'
import { afterEvent, PoolRegistry, swapSender } from '../market/pool-events.ts'
import type { Detector } from './detector.ts'

/** Maximum transactions simulated per block: the search after the block finds the rest. */
const MAX_PER_BLOCK = 60
/** Maximum contracts that are known to make swaps; the latest are kept. */
const MAX_ROUTERS = 2_000

export interface PendingSearchOptions {
  chain: Chain
  market: MarketView
  detector: Detector
  now(): number
  onFound(detection: Detection): void
  onNote(note: string): void
}

export interface PendingStatistics {
  /**
   * Transactions that the node announced, that were simulated on top of the block, and that opened an
   * opportunity.
   */
  readonly heardOf: number
  readonly run: number
  readonly opened: number
}

export class PendingSearch {
  readonly #options: PendingSearchOptions
  /** Targets of transactions that swap: pools, and contracts that called pools. */
  readonly #routers = new Set<Address>()
  readonly #registry: PoolRegistry
  readonly #ours: ReadonlySet<Address | undefined>
  #left = MAX_PER_BLOCK
  #work: Promise<void> = Promise.resolve()
  readonly statistics = { heardOf: 0, run: 0, opened: 0 }

  constructor(options: PendingSearchOptions) {
    this.#options = options
    const { manifest } = options.market
    this.#registry = new PoolRegistry(manifest)
    this.#ours = new Set([manifest.execution?.operator, manifest.execution?.executor])
  }

  /** Starts to listen. Returns an unsubscribe function. */
  start(): () => void {
    return this.#options.chain.watchPending((transaction) => this.#hear(transaction))
  }

  /** Learns from a block's events which contracts make swaps. Call after each block. */
  onBlock({ logs }: Pick<MarketChange, 'logs'>): void {
    this.#left = MAX_PER_BLOCK
    for (const log of logs) {
      const sender = swapSender(log)
      if (!sender || this.#ours.has(sender)) continue
      this.#routers.delete(sender)
      this.#routers.add(sender)
      if (this.#routers.size > MAX_ROUTERS)
        this.#routers.delete(this.#routers.values().next().value as Address)
    }
  }

  #hear(transaction: PendingTransaction): void {
    this.statistics.heardOf++
    const { to, from, maxFeePerGas } = transaction
    const { market, now, onNote } = this.#options
    if (to === null || this.#ours.has(from) || !(this.#routers.has(to) || market.pools.has(to))) return
    if (maxFeePerGas < market.head.baseFeePerGas || this.#left <= 0) return
    this.#left--
    const seen = now()
    // In sequence: each is searched on the state of the last block, which the detector lends.
    this.#work = this.#work
      .then(() => this.#look({ ...transaction, to }, seen))
      .catch((error) => onNote(`a pending transaction was not simulated: ${messageOf(error)}`))
  }

  async #look(
    {
      hash,
      from,
      to,
      data,
      value,
      gas,
      maxFeePerGas,
      maxPriorityFeePerGas,
    }: PendingTransaction & { to: Address },
    seen: number,
  ): Promise<void> {
    const { chain, market, detector, onFound } = this.#options
    const { head } = market
    const [simulation] = (await chain.simulate([{ from, to, data, value, gas }], 'latest')) as [Simulation]
    this.statistics.run++
    // A new block arrived: it contains this transaction, or the next simulation has a better state.
    if (!simulation.succeeded || market.head.hash !== head.hash) return
    const after = this.#after(simulation)
    if (after.size === 0) return
    const follows: Followed = { hash, from, to, data, value, gas, maxFeePerGas, maxPriorityFeePerGas }
    const detection = detector.detectAhead(after, follows, seen)
    if (detection.opportunities.length === 0) return
    this.statistics.opened++
    onFound(detection)
  }

  /** The pools that a simulated transaction changes, in the state after it. */
  #after({ logs }: Simulation): Map<Address, Pool> {
    const { market } = this.#options
    const after = new Map<Address, Pool>()
    for (const log of logs) {
      const address = this.#registry.poolOf(log)
      const pool = after.get(address) ?? market.pools.get(address)
      const next = pool && afterEvent(pool, log)
      if (next) after.set(address, next)
    }
    return after
  }
}
