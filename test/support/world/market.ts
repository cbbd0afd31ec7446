/**
 * A small real market in memory: six tokens, eight pools of every kind with the pools' exact mathematics.
 * Trades change the pools as on a chain; `mine` makes a block of them.
 */
import { type Address, type Pool, sqrtRatioAtTick, swapExactIn } from '../../../src/amm/index.ts'
import { priceTokens, type TokenPrice } from '../../../src/arbitrage/index.ts'
import { MarketVerbs } from '../../../src/engine/market/verbs.ts'
import type { LoanOffer } from '../../../src/flash/index.ts'
import type { Head, Log } from '../../../src/ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../../../src/ports/manifest.ts'
import type { MarketChange } from '../../../src/ports/market.ts'
import type { LoanMarket } from '../../../src/ports/ports.ts'

export const E6 = 10n ** 6n
export const E8 = 10n ** 8n
export const E18 = 10n ** 18n

const at = (digit: string): Address => `0x${digit.repeat(40)}`
/** Ascending, as pools need them. */
export const TOKENS = {
  WMATIC: at('1'),
  USDC: at('2'),
  WETH: at('7'),
  DAI: at('8'),
  WBTC: at('9'),
  LOST: at('f'),
} as const
const { WMATIC, USDC, WETH, DAI, WBTC, LOST } = TOKENS
const pool = (digits: string): Address => `0x${digits.padStart(40, 'a')}`
/** Named by kind, pair and exchange. */
export const POOLS = {
  /** Constant product: 1,000 WETH at 2,000 USDC. */
  wethUsdc: pool('01'),
  /** Constant product: 500 WETH at 2,060 USDC, so that a cycle through both pays. */
  wethUsdcDear: pool('02'),
  /** Concentrated, 0.05 %, about 2,000 USDC per WETH. */
  concentrated: pool('03'),
  /** Stable: USDC and DAI. */
  stable: pool('04'),
  /** Weighted 50/50: 20 WBTC at 30,000 USDC, 300 WETH. */
  weighted: pool('05'),
  /** Constant product: WMATIC at 0.70 USDC. */
  matic: pool('06'),
  /** Constant product: 50 WBTC at 30,000 USDC. */
  wbtcUsdc: pool('07'),
  /** Constant product: WETH and DAI at 2,000. */
  wethDai: pool('08'),
} as const

const L = 2n * 10n ** 16n
const pools = (): Pool[] => [
  {
    kind: 'constant-product',
    address: POOLS.wethUsdc,
    dex: 'quickswap',
    tokens: [USDC, WETH],
    reserves: [2_000_000n * E6, 1_000n * E18],
    feeBps: 30,
  },
  {
    kind: 'constant-product',
    address: POOLS.wethUsdcDear,
    dex: 'sushiswap',
    tokens: [USDC, WETH],
    reserves: [1_030_000n * E6, 500n * E18],
    feeBps: 30,
  },
  {
    kind: 'concentrated',
    address: POOLS.concentrated,
    dex: 'uniswap_v3',
    tokens: [USDC, WETH],
    engine: 'uniswap-v3',
    // 1.0001^200311 raw WETH per raw USDC is 2,000 USDC per WETH.
    sqrtPriceX96: sqrtRatioAtTick(200_311),
    tick: 200_311,
    liquidity: 3n * L,
    tickSpacing: 10,
    feePips: 500,
    ticks: [
      [198_000, L, L],
      [200_000, 2n * L, 2n * L],
      [200_600, -2n * L, 2n * L],
      [202_600, -L, L],
    ],
  },
  {
    kind: 'stable',
    address: POOLS.stable,
    dex: 'balancer',
    tokens: [USDC, DAI],
    balances: [3_000_000n * E6, 3_000_000n * E18],
    scalingFactors: [10n ** 30n, E18],
    amp: 200_000n,
    swapFee: 4n * 10n ** 14n,
  },
  {
    kind: 'weighted',
    address: POOLS.weighted,
    dex: 'balancer',
    tokens: [WETH, WBTC],
    balances: [300n * E18, 20n * E8],
    weights: [E18 / 2n, E18 / 2n],
    swapFee: 2n * 10n ** 15n,
    scalingFactors: [E18, 10n ** 28n],
  },
  {
    kind: 'constant-product',
    address: POOLS.matic,
    dex: 'quickswap',
    tokens: [WMATIC, USDC],
    reserves: [1_000_000n * E18, 700_000n * E6],
    feeBps: 30,
  },
  {
    kind: 'constant-product',
    address: POOLS.wbtcUsdc,
    dex: 'quickswap',
    tokens: [USDC, WBTC],
    reserves: [1_500_000n * E6, 50n * E8],
    feeBps: 30,
  },
  {
    kind: 'constant-product',
    address: POOLS.wethDai,
    dex: 'quickswap',
    tokens: [WETH, DAI],
    reserves: [400n * E18, 800_000n * E18],
    feeBps: 30,
  },
]

const descriptorOf = (each: Pool): PoolDescriptor => ({
  kind: each.kind,
  address: each.address,
  dex: each.dex,
  tokens: each.tokens,
  ...(each.kind === 'constant-product' ? { feeBps: each.feeBps } : {}),
  ...(each.kind === 'concentrated'
    ? {
        feePips: each.feePips,
        tickSpacing: each.tickSpacing,
        ...(each.engine ? { engine: each.engine } : {}),
      }
    : {}),
  ...(each.kind === 'weighted' || each.kind === 'stable'
    ? { id: `0x${each.address.slice(2)}${'0'.repeat(24)}` as const }
    : {}),
})

const hashOf = (number: number, fork = 0) => `0x${fork}${number.toString(16).padStart(63, '0')}` as const
export const GENESIS = hashOf(0)

const manifest = (initial: readonly Pool[]): MarketManifest => ({
  chainId: 31_337,
  genesis: GENESIS,
  genesisBlock: 0,
  network: 'local',
  nativeSymbol: 'MATIC',
  wrappedNative: WMATIC,
  numeraire: USDC,
  tokens: [
    { address: WMATIC, symbol: 'WMATIC', decimals: 18 },
    { address: USDC, symbol: 'USDC', decimals: 6 },
    { address: WETH, symbol: 'WETH', decimals: 18 },
    { address: DAI, symbol: 'DAI', decimals: 18 },
    { address: WBTC, symbol: 'WBTC', decimals: 8 },
    // No pool trades it.
    { address: LOST, symbol: 'LOST', decimals: 18 },
  ],
  pools: initial.map(descriptorOf),
  exchanges: [],
  discoveredAt: 0,
  startTokens: [WMATIC, USDC, WETH],
  multicall: at('c'),
  aave: { pool: at('d'), oracle: at('e') },
  balancer: { vault: at('b') },
  execution: { executor: at('3'), operator: at('4'), treasury: at('5') },
})

export const BLOCK_SECONDS = 2

/** A market whose pools change by `swap` and whose blocks are made by `mine`. */
export class SmallMarket extends MarketVerbs {
  readonly manifest: MarketManifest
  readonly pools: Map<Address, Pool>
  readonly heads: Head[] = []
  failure: string | undefined
  observedAt: number
  readonly #listeners = new Set<(change: MarketChange) => void>()
  readonly #changed = new Set<Address>()
  readonly #now: () => number
  #prices: ReadonlyMap<Address, TokenPrice>

  constructor(now: () => number, firstBlock = 100) {
    super()
    const initial = pools()
    this.#now = now
    this.manifest = manifest(initial)
    this.pools = new Map(initial.map((each) => [each.address, each]))
    this.#prices = priceTokens(this.pools, USDC)
    this.observedAt = now()
    this.heads.push(this.#headAt(firstBlock))
  }

  get head(): Head {
    return this.heads.at(-1) as Head
  }

  prices(): ReadonlyMap<Address, TokenPrice> {
    return this.#prices
  }

  descriptor(address: Address): PoolDescriptor | undefined {
    return this.manifest.pools.find((each) => each.address === address)
  }

  subscribe(listener: (change: MarketChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Trades in a pool, exactly as its contract would. Returns what comes out. Visible to listeners with the
   * next block.
   */
  swap(address: Address, tokenIn: Address, tokenOut: Address, amountIn: bigint): bigint {
    const result = swapExactIn(this.pool(address), tokenIn, tokenOut, amountIn)
    if (!result.ok) throw new Error(`the pool refuses: ${result.refusal}`)
    this.replace(result.swap.after as Pool)
    return result.swap.amountOut
  }

  /** Puts a pool in another state. */
  replace(changed: Pool): void {
    this.pools.set(changed.address, changed)
    this.#changed.add(changed.address)
    this.#prices = priceTokens(this.pools, USDC)
  }

  /** Makes a block of what changed. */
  mine(logs: readonly Log[] = []): Head {
    this.heads.push(this.#headAt(this.head.number + 1))
    this.observedAt = this.#now()
    const change = { head: this.head, changed: new Set(this.#changed), logs, receivedAt: this.observedAt }
    this.#changed.clear()
    for (const listener of this.#listeners) listener(change)
    return this.head
  }

  #headAt(number: number): Head {
    return {
      number,
      hash: hashOf(number),
      parentHash: hashOf(number - 1),
      timestamp: Math.floor(this.#now() / 1_000),
      baseFeePerGas: 30n * 10n ** 9n,
    }
  }
}

/** Lenders with fixed terms: Aave at 0.05 % and Balancer without a premium, for USDC and WETH. */
export class SmallLoans implements LoanMarket {
  readonly all: LoanOffer[] = (
    [
      [USDC, 1_000_000n * E6],
      [WETH, 800n * E18],
    ] as const
  ).flatMap(([token, available]) => [
    { kind: 'aave-v3', lender: at('d'), token, available, rate: 5n, isToken0: false } as const,
    {
      kind: 'balancer-v2',
      lender: at('b'),
      token,
      available: available / 2n,
      rate: 0n,
      isToken0: false,
    } as const,
  ])

  offers(token: Address): readonly LoanOffer[] {
    return this.all.filter((offer) => offer.token === token)
  }
}
