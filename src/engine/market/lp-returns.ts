/** Earnings of pools since the start: volume and fees from the amounts in swap events, and the price move. */
import { type Address, feeFraction, type Pool, spotPrice } from '../../amm/index.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { valueHeld } from './depth.ts'
import { lossPercent, weightedPosition } from './lp-positions.ts'
import { PoolRegistry, swapIn } from './pool-events.ts'

const YEAR_SECONDS = 365 * 86_400
/** A shorter time gives no rate for a year. */
const MIN_YEARLY_SECONDS = 60

/** Volume and fees of a pool; values in whole numeraire units. */
export interface PoolYield {
  readonly pool: Pool
  /** Value held at the price now. */
  readonly value: number
  readonly volume: number
  readonly fees: number
  /** Fees of a year at this rate in percent of the value; null for less than a minute or an empty pool. */
  readonly annualPercent: number | null
}

/** The return of a full-range share of a pool, against holding its tokens. */
export interface PoolReturn extends PoolYield {
  /** Fees in percent of the value; null for an empty pool. */
  readonly feesPercent: number | null
  /** Change of the price of the first token in the second. */
  readonly priceChangePercent: number
  readonly lossPercent: number
  /** Fees less loss; null for an empty pool. */
  readonly netPercent: number | null
}

/** Follows a market from its present block on. */
export class PoolReturns {
  readonly #market: MarketView
  readonly #now: () => number
  readonly #since: number
  readonly #registry: PoolRegistry
  readonly #volume = new Map<Address, number>()
  readonly #fees = new Map<Address, number>()
  readonly #firstPrice = new Map<Address, number>()
  readonly #unsubscribe: () => void

  /** `now`: ms since 1970. */
  constructor(market: MarketView, now: () => number) {
    this.#market = market
    this.#now = now
    this.#since = now()
    this.#registry = new PoolRegistry(market.manifest)
    for (const pool of market.pools.values()) this.#firstPrice.set(pool.address, priceOf(pool))
    this.#unsubscribe = market.subscribe((change) => this.#add(change))
  }

  stop(): void {
    this.#unsubscribe()
  }

  /** Seconds since the start. */
  seconds(): number {
    return (this.#now() - this.#since) / 1_000
  }

  /** Traded volume in whole numeraire units. */
  volume(pool: Address): number {
    return this.#volume.get(pool) ?? 0
  }

  /** Swap fees in whole numeraire units. */
  fees(pool: Address): number {
    return this.#fees.get(pool) ?? 0
  }

  /**
   * Price of the first token in the second at the start, both smallest units; for a pool that appeared later,
   * then.
   */
  firstPrice(pool: Address): number | undefined {
    return this.#firstPrice.get(pool)
  }

  /** Volume, fees and yearly rate of a pool. */
  yieldOf(pool: Pool): PoolYield {
    const { address } = pool
    const [value, fees, seconds] = [valueHeld(this.#market, address), this.fees(address), this.seconds()]
    const annualPercent =
      seconds < MIN_YEARLY_SECONDS || value === 0 ? null : (100 * (fees / value) * YEAR_SECONDS) / seconds
    return { pool, value, volume: this.volume(address), fees, annualPercent }
  }

  /** The yields of all pools that trade these tokens, highest rate first; without rates, most fees first. */
  yields(tokens: readonly Address[]): PoolYield[] {
    return [...this.#market.pools.values()]
      .filter((pool) => tokens.every((token) => pool.tokens.includes(token)))
      .map((pool) => this.yieldOf(pool))
      .sort((a, b) => (b.annualPercent ?? b.fees) - (a.annualPercent ?? a.fees))
  }

  /**
   * The return of a pool. Throws `not-found` for a pool outside this market, `not-ready` before its first
   * block.
   */
  returnOf(address: Address): PoolReturn {
    const pool = this.#market.pool(address)
    const first = this.firstPrice(address)
    if (first === undefined) throw new KintsugiError('not-ready', `pool ${address} was not observed yet`)
    const earned = this.yieldOf(pool)
    const ratio = priceOf(pool) / first
    const loss = lossPercent(weightedPosition(ratio, firstWeight(pool)))
    const feesPercent = earned.value > 0 ? (100 * earned.fees) / earned.value : null
    return {
      ...earned,
      feesPercent,
      priceChangePercent: 100 * (ratio - 1),
      lossPercent: loss,
      netPercent: feesPercent === null ? null : feesPercent - loss,
    }
  }

  #add({ logs, changed }: MarketChange): void {
    const { pools } = this.#market
    for (const address of changed) {
      const pool = pools.get(address)
      if (pool && !this.#firstPrice.has(address)) this.#firstPrice.set(address, priceOf(pool))
    }
    for (const log of logs) {
      const pool = pools.get(this.#registry.poolOf(log))
      const swap = pool && swapIn(pool, log)
      if (!swap) continue
      const value = this.#market.worth(swap.tokenIn, swap.amountIn) ?? 0
      this.#volume.set(pool.address, this.volume(pool.address) + value)
      this.#fees.set(pool.address, this.fees(pool.address) + value * feeFraction(pool, swap.tokenIn))
    }
  }
}

const priceOf = (pool: Pool) => spotPrice(pool, pool.tokens[0] as Address, pool.tokens[1] as Address)

/** Share of the first of the first two tokens in the value. */
function firstWeight(pool: Pool): number {
  if (pool.kind !== 'weighted') return 0.5
  const [first, second] = pool.weights.map(Number) as [number, number]
  return first / (first + second)
}
