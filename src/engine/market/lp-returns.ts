/** What was traded through each pool since we look: volume and fees, from the amounts in the events themselves. */
import { type Address, feeFraction, type Pool, spotPrice } from '../../amm/index.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import { PoolRegistry, swapIn } from './pool-events.ts'
import { humanValue } from './tokens.ts'

export class PoolReturns {
  #since = 0
  readonly #volume = new Map<Address, number>()
  readonly #fees = new Map<Address, number>()
  readonly #firstPrice = new Map<Address, number>()

  /** Starts with the present market and adds each block's swaps. */
  follow(market: MarketView, now: () => number): { stop(): void } {
    this.#since = now()
    for (const pool of market.pools.values()) this.#firstPrice.set(pool.address, priceOf(pool))
    const registry = new PoolRegistry(market.manifest)
    return { stop: market.subscribe((change) => this.#add(market, registry, change)) }
  }

  seconds(now: number): number {
    return (now - this.#since) / 1_000
  }

  /** In whole quote units. */
  volume(pool: Address): number {
    return this.#volume.get(pool) ?? 0
  }

  fees(pool: Address): number {
    return this.#fees.get(pool) ?? 0
  }

  /** Of the first token in the second, both smallest, when we began. */
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
