/**
 * The participants of the local market: traders whose orders open gaps, and competitors who close some of
 * them.
 */
import { encodeFunctionData, type Hex } from 'viem'
import { type Address, type Pool, quoteExactIn, spotPrice, virtualReserves } from '../amm/index.ts'
import { placeOf } from '../arbitrage/index.ts'
import { type Hop, MarketSearch } from '../graph/index.ts'
import type { MarketChange, MarketView } from '../ports/market.ts'
import { normal, pareto, type Random } from '../std/random.ts'
import { own } from './artifacts.ts'
import { rpc, rpcBatch, toHex } from './rpc.ts'

const traderAbi = own('LocalTrader').abi
const GWEI = 10n ** 9n
const SWAP_GAS = 1_500_000

/** Order sizes as shares of a pool's depth: heavy-tailed, as order flow is. */
const SIZE = { scale: 0.0004, alpha: 1.15, max: 0.04 }
/** Deviation from the fair price at which most orders trade a pool back. */
const PULL = 60
/** Daily volatility of the fair prices, as a fraction. */
const VOLATILITY = 0.04

export interface CrowdOptions {
  url: string
  market: MarketView
  trader: Address
  random: Random
  blockSeconds: number
  /** Mean number of orders per block. */
  ordersPerBlock: number
  competitors: number
  onError(error: unknown): void
}

const ACCOUNTS: readonly Address[] = Array.from(
  { length: 8 },
  (_, index) => `0x${(0xc0ffee00 + index).toString(16).padStart(40, '0')}` as Address,
)
/** Account of competitor number `index`. */
export const competitorAccount = (index: number): Address =>
  `0x${(0xc0de01 + index).toString(16).padStart(40, '0')}`

export class Crowd {
  readonly #options: CrowdOptions
  readonly #fair = new Map<Address, number>()
  readonly #search: MarketSearch
  readonly #sending = new Map<Address, Promise<void>>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #stop: (() => void) | undefined
  orders = 0
  competitorTrades = 0

  constructor(options: CrowdOptions) {
    this.#options = options
    for (const [token, price] of options.market.prices()) this.#fair.set(token, price.rate)
    this.#search = new MarketSearch(options.market.pools.values(), {
      maxHops: 3,
      startTokens: options.market.manifest.startTokens,
    })
  }

  async start(): Promise<void> {
    const accounts = [
      ...ACCOUNTS,
      ...Array.from({ length: this.#options.competitors }, (_, index) => competitorAccount(index)),
    ]
    await rpcBatch(
      this.#options.url,
      accounts.flatMap((account) => [
        { method: 'anvil_impersonateAccount', params: [account] },
        { method: 'anvil_setBalance', params: [account, toHex(10n ** 24n)] },
      ]),
    )
    this.#stop = this.#options.market.subscribe((change) => this.#onBlock(change))
  }

  stop(): void {
    this.#stop?.()
    for (const timer of this.#timers) clearTimeout(timer)
  }

  /** Fair prices now, in numeraire units per unit, both smallest. */
  get fairPrices(): ReadonlyMap<Address, number> {
    return this.#fair
  }

  #onBlock(change: MarketChange): void {
    const { random, blockSeconds, ordersPerBlock, market, competitors } = this.#options
    const step = VOLATILITY * Math.sqrt(blockSeconds / 86_400)
    for (const [token, price] of this.#fair)
      if (token !== market.manifest.numeraire) this.#fair.set(token, price * Math.exp(step * normal(random)))
    const pools = [...market.pools.values()]
    const count = Math.min(20, Math.floor(-Math.log(1 - random()) * ordersPerBlock))
    for (let i = 0; i < count; i++) {
      const order = this.#order(pools[Math.floor(random() * pools.length)] as Pool)
      const delay = random() * blockSeconds * 900
      if (order) this.#later(delay, () => this.#send(order))
    }
    if (competitors > 0) this.#follow(change)
    for (let index = 0; index < competitors; index++)
      if (random() < 0.5)
        this.#later(random() * blockSeconds * 300, () => this.#compete(competitorAccount(index)))
  }

  #order(pool: Pool): ReturnType<Crowd['transaction']> | undefined {
    const { random } = this.#options
    // Two random tokens of the pool.
    const first = Math.floor(random() * pool.tokens.length)
    const second = (first + 1 + Math.floor(random() * (pool.tokens.length - 1))) % pool.tokens.length
    const [token0, token1] = [pool.tokens[Math.min(first, second)], pool.tokens[Math.max(first, second)]] as [
      Address,
      Address,
    ]
    const [fair0, fair1] = [this.#fair.get(token0), this.#fair.get(token1)]
    const price = spotPrice(pool, token0, token1)
    if (!(price > 0)) return undefined
    // Above one: token0 is expensive here, so most orders sell it.
    const dear = fair0 && fair1 ? price / (fair0 / fair1) : 1
    const [tokenIn, tokenOut] =
      random() < 1 / (1 + Math.exp(-PULL * Math.log(dear))) ? [token0, token1] : [token1, token0]
    const share = Math.min(SIZE.max, pareto(random, SIZE.scale, SIZE.alpha))
    const amountIn = BigInt(Math.floor(virtualReserves(pool, tokenIn, tokenOut)[0] * share))
    const quoted = quoteExactIn(pool, tokenIn, tokenOut, amountIn)
    if (quoted === undefined) return undefined
    const data = encodeFunctionData({
      abi: traderAbi,
      functionName: 'swap',
      args: [localSwap(pool, { pool: pool.address, tokenIn, tokenOut }), amountIn, (quoted * 97n) / 100n],
    })
    this.orders++
    return this.transaction(
      ACCOUNTS[Math.floor(random() * ACCOUNTS.length)] as Address,
      data,
      GWEI * BigInt(1 + Math.floor(random() * 30)),
    )
  }

  /** Updates the search of the competitors. */
  #follow(change: MarketChange): void {
    const { market } = this.#options
    const prices = market.prices()
    const native = prices.get(market.manifest.wrappedNative)?.rate ?? 1
    for (const address of change.changed) {
      const pool = market.pools.get(address)
      if (pool) this.#search.update(pool)
    }
    this.#search.setValues({ get: (token) => (prices.get(token)?.rate ?? 0) / native })
    this.#search.search(change.changed)
  }

  /**
   * A competitor: trades the most profitable cycle from its own capital and bids a random share of the
   * profit.
   */
  #compete(account: Address): void {
    const { market, random } = this.#options
    const best = this.#search.best(1).map((sized) => ({
      sized,
      value: Number(sized.grossProfit) * this.#search.valueOf((sized.hops[0] as Hop).tokenIn),
    }))[0]
    if (!best || best.value < 1e16) return
    const swaps = best.sized.hops.map((hop) => localSwap(market.pools.get(hop.pool) as Pool, hop))
    const tip = BigInt(Math.floor((best.value * (0.05 + 0.3 * random())) / 400_000))
    const data = encodeFunctionData({
      abi: traderAbi,
      functionName: 'cycle',
      args: [swaps, best.sized.amounts[0], 1n],
    })
    this.competitorTrades++
    this.#send(this.transaction(account, data, tip > GWEI ? tip : GWEI))
  }

  transaction(from: Address, data: Hex, tip: bigint) {
    const maxFee = this.#options.market.head.baseFeePerGas * 3n + tip
    return {
      from,
      to: this.#options.trader,
      data,
      gas: toHex(SWAP_GAS),
      maxFeePerGas: toHex(maxFee),
      maxPriorityFeePerGas: toHex(tip),
    }
  }

  /** Sequential per account: the node assigns nonces, and concurrent transactions would get the same one. */
  #send(transaction: ReturnType<Crowd['transaction']>): void {
    const before = this.#sending.get(transaction.from) ?? Promise.resolve()
    const sent = before
      .then(() => rpc(this.#options.url, 'eth_sendTransaction', transaction))
      .then(() => undefined, this.#options.onError)
    this.#sending.set(transaction.from, sent)
  }

  #later(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      try {
        work()
      } catch (error) {
        this.#options.onError(error)
      }
    }, delayMs)
    this.#timers.add(timer)
  }
}

const VENUE = { pair: 0, concentrated: 1, vault: 2, managed: 3 } as const

/** A swap as an argument of the traders' contract. */
export function localSwap(pool: Pool, { tokenIn, tokenOut }: Hop) {
  const { venue, target } = placeOf(pool)
  return {
    venue: VENUE[venue],
    pool: target,
    feeBps: pool.kind === 'constant-product' ? pool.feeBps : 0,
    tokenIn,
    tokenOut,
  }
}
