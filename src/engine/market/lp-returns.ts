/** Volume and fees of each pool since the start, from the amounts in swap events. */
import { type Address, feeFraction, type Pool, spotPrice } from '../../amm/index.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import { PoolRegistry, swapIn } from './pool-events.ts'
import { humanValue } from './tokens.ts'

/** Volume, fees and first price by pool. */
export class PoolReturns {
  #since = 0
  readonly #volume = new Map<Address, number>()
  readonly #fees = new Map<Address, number>()
  readonly #firstPrice = new Map<Address, number>()

  /** Records the current prices, then adds each block's swaps until it is stopped. */
  follow(market: MarketView, now: () => number): { stop(): void } {
    this.#since = now()
    for (const pool of market.pools.values()) this.#firstPrice.set(pool.address, priceOf(pool))
    const registry = new PoolRegistry(market.manifest)
    return { stop: market.subscribe((change) => this.#add(market, registry, change)) }
  }

  /** Seconds since the start; `now` in ms since 1970. */
  seconds(now: number): number {
    return (now - this.#since) / 1_000
  }

  /** Traded volume in whole numeraire units. */
  volume(pool: Address): number {
    return this.#volume.get(pool) ?? 0
  }

  /** Swap fees in whole numeraire units. */
  fees(pool: Address): number {
    return this.#fees.get(pool) ?? 0
  }

  /** Price of the first token in the second at the start, both smallest units. */
  firstPrice(pool: Address): number | undefined {
    return this.#firstPrice.get(pool)
  }

  #add(market: MarketView, registry: PoolRegistry, { logs }: MarketChange): void {
    const prices = market.prices()
    for (const log of logs) {
      const pool = market.pools.get(registry.poolOf(log))
      const swap = pool && swapIn(pool, log)
      if (!swap) continue
      const value = humanValue(market.manifest, Number(swap.amountIn) * (prices.get(swap.tokenIn)?.rate ?? 0))
      this.#volume.set(pool.address, this.volume(pool.address) + value)
      this.#fees.set(pool.address, this.fees(pool.address) + value * feeFraction(pool, swap.tokenIn))
    }
  }
}

const priceOf = (pool: Pool) => spotPrice(pool, pool.tokens[0] as Address, pool.tokens[1] as Address)
