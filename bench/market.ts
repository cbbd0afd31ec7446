/**
 * The market engine on two snapshots: search, joint optimum and quotes, compared with Bellman-Ford and the
 * exchange's library.
 * npm run bench:market [-- FOLDER] [-- --latency]   FOLDER holds data/ and baselines/ (default ../shared)
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Token as SdkToken } from '@uniswap/sdk-core'
import type { Pool as SdkPoolType } from '@uniswap/v3-sdk'
import {
  type Address,
  type ConcentratedPool,
  type Pool,
  quoteExactIn,
  swapExactIn,
} from '../src/amm/index.ts'
import { readMarket } from '../src/cli/market.ts'
import {
  MarketGraph,
  MarketSearch,
  planCycles,
  type SizedCycle,
  type UpperBound,
  upperBound,
} from '../src/graph/index.ts'
import { embeddedMarket } from '../src/localnet/market.ts'
import { normal, type Random, seededRandom } from '../src/std/random.ts'
import { Fleet } from '../test/support/fleet.ts'

// The library's ESM build imports files without extension, which Node does not load.
const require = createRequire(import.meta.url)
const { CurrencyAmount, Token } = require('@uniswap/sdk-core') as typeof import('@uniswap/sdk-core')
const { Pool: SdkPool, TickListDataProvider } = require('@uniswap/v3-sdk') as typeof import('@uniswap/v3-sdk')

const arguments_ = process.argv.slice(2)
const folder =
  arguments_.find((argument) => !argument.startsWith('--')) ?? join(import.meta.dirname, '../../shared')
const WETH: Address = '0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2'

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)
const quantile = (values: readonly number[], q: number) =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * q))] as number
const ms = (value: number) => `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`
const spread = (values: readonly number[]) =>
  `${ms(quantile(values, 0.5))} (${ms(quantile(values, 0.05))} to ${ms(quantile(values, 0.95))})`
const rows: string[][] = []
const row = (what: string, figure: string, target = '', verdict?: boolean) => {
  rows.push([what, figure, target, verdict === undefined ? '' : verdict ? 'yes' : '**no**'])
  console.error(`${what}: ${figure}`)
}

function times(count: number, work: (index: number) => void): number[] {
  return Array.from({ length: count }, (_, index) => {
    const started = performance.now()
    work(index)
    return performance.now() - started
  })
}

/** A pool after a small trade, so that a changed pool really differs. */
function moved(pool: Pool, random: Random): Pool {
  const [tokenIn, tokenOut] = [pool.tokens[0], pool.tokens[1]] as [Address, Address]
  for (let share = 0.002 * random(); share > 1e-9; share /= 10) {
    const amount =
      pool.kind === 'constant-product'
        ? Number(pool.reserves[0])
        : pool.kind === 'concentrated'
          ? (Number(pool.liquidity) * 2 ** 96) / Number(pool.sqrtPriceX96)
          : Number(pool.balances[0])
    const swap = swapExactIn(pool, tokenIn, tokenOut, BigInt(Math.floor(amount * share)))
    if (swap.ok) return swap.swap.after
  }
  return pool
}

function benchFile(name: string): void {
  const file = join(folder, 'data', name)
  if (!existsSync(file)) {
    row(name, 'skipped: the file does not exist')
    return
  }
  const { pools } = readMarket(file)
  const about = `${name.replace(/\..*/, '')}, ${pools.length} pools`
  const random = seededRandom(1)
  for (const maxHops of [3, 4]) benchSearch(pools, about, maxHops, random)
  const bound = benchBound(pools, about)
  const search = new MarketSearch(pools, { maxHops: 3, startTokens: [WETH] })
  search.setValues(bound.prices)
  search.search()
  if (pools.length < 1_000) benchPlan(search, about, bound)
  bellmanFord(file, about, search)
}

/**
 * Building the index, a full search, and searches after changes of random and of the best-connected pools.
 */
function benchSearch(pools: readonly Pool[], about: string, maxHops: number, random: Random): void {
  let search: MarketSearch | undefined
  const [built] = times(1, () => {
    search = new MarketSearch(pools, { maxHops, startTokens: [WETH] })
  })
  const found = search as MarketSearch
  found.setValues({ get: (token) => (token === WETH ? 1 : 0) })
  row(`${about}: index of ${found.index.count} cycles up to ${maxHops} hops, built once`, ms(built as number))
  times(5, () => found.search())
  const full = times(21, () => {
    found.search()
    found.best(20)
  })
  const limit = maxHops === 3 ? 10 : 250
  row(
    `${about}: all of them screened and sized, the best 20 confirmed`,
    spread(full),
    `below ${limit} ms`,
    quantile(full, 0.5) < limit,
  )
  const benchChanges = (what: string, limitMs: number, choose: () => readonly Pool[]) => {
    const touched: number[] = []
    const took = Array.from({ length: 200 }, () => {
      const chosen = choose().map((pool) => moved(pool, random))
      const started = performance.now()
      for (const pool of chosen) found.update(pool)
      touched.push(found.search(chosen.map((pool) => pool.address)).searchedCycles)
      found.best(12)
      return performance.now() - started
    })
    row(
      `${about}: ${what}, up to ${maxHops} hops (${quantile(touched, 0.5)} cycles touched)`,
      spread(took),
      maxHops === 3 ? `below ${limitMs} ms` : '',
      maxHops === 3 ? quantile(took, 0.5) < limitMs : undefined,
    )
  }
  benchChanges('50 changed pools', 1, () =>
    Array.from({ length: 50 }, () => pools[Math.floor(random() * pools.length)] as Pool),
  )
  const hottest = mostConnected(pools, 50)
  benchChanges('the 50 hottest pools', 10, () => hottest)
}

function benchBound(pools: readonly Pool[], about: string): UpperBound {
  const graph = new MarketGraph(pools)
  const bound = upperBound(graph, WETH, { maxIterations: 1_000 })
  const cold = times(9, () => upperBound(graph, WETH, { maxIterations: 1_000 }))
  row(
    `${about}: joint optimum, cold start (${bound.iterations} iterations, ${bound.converged ? 'converged' : 'a bound only'})`,
    spread(cold),
  )
  return bound
}

/** The shares of the joint optimum that the best cycle and a plan of cycles take. */
function benchPlan(search: MarketSearch, about: string, bound: UpperBound): void {
  const worthOf = ({ hops, grossProfit }: SizedCycle) =>
    Number(grossProfit) * search.valueOf((hops[0] as SizedCycle['hops'][number]).tokenIn)
  const single = search.best(1).map(worthOf)[0] ?? 0
  const plan = planCycles(search, { maxCycles: 64, worth: () => 0 }, undefined, bound)
  const planned = plan.reduce((sum, sized) => sum + worthOf(sized), 0)
  row(
    `${about}: of the joint optimum of ${(bound.value / 1e18).toFixed(6)} ETH, the best cycle takes, a plan of cycles takes`,
    `${((100 * single) / bound.value).toFixed(1)} %, ${((100 * planned) / bound.value).toFixed(2)} %`,
  )
}

/** The `count` pools whose tokens are in the most pools. */
function mostConnected(pools: readonly Pool[], count: number): Pool[] {
  const degree = new Map<Address, number>()
  for (const pool of pools) for (const token of pool.tokens) degree.set(token, (degree.get(token) ?? 0) + 1)
  return [...pools].sort((a, b) => heat(b, degree) - heat(a, degree)).slice(0, count)
}

function heat(pool: Pool, degree: ReadonlyMap<Address, number>): number {
  return pool.tokens.reduce((product, token) => product * (degree.get(token) ?? 0), 1)
}

/** The common method of bots: Bellman-Ford and a ternary search, one cycle at a time. */
function bellmanFord(file: string, about: string, search: MarketSearch): void {
  const script = join(folder, 'baselines/bellman-ford.mjs')
  if (!existsSync(script)) {
    row('Bellman-Ford', 'skipped: the baseline does not exist')
    return
  }
  const theirs = JSON.parse(execFileSync(process.execPath, [script, file, '20'], { encoding: 'utf8' })) as {
    medianMs: number
    hops: number
  }
  const ours = times(21, () => {
    search.search()
    search.best(1)
  })
  const { searchedCycles, paying } = search.search()
  row(
    `${about}: Bellman-Ford finds one cycle (${theirs.hops} hops) in; we search ${searchedCycles} and size ${paying} in`,
    `${ms(theirs.medianMs)}; ${ms(quantile(ours, 0.5))}`,
  )
}

/** Random constant-product pools around common prices, as in the benchmark of the published solver. */
function jointOptimum(): void {
  const random = seededRandom(1)
  const address = (index: number): Address => `0x${index.toString(16).padStart(40, '0')}`
  const prices = Array.from({ length: 200 }, () => Math.exp(normal(random) * 2))
  const pools = Array.from({ length: 10_000 }, (_, index): Pool => {
    const i = Math.floor(random() * 199)
    const j = i + 1 + Math.floor(random() * (199 - i))
    const depth = Math.exp(normal(random) * 1.5) * 1e24
    const reserves: [bigint, bigint] = [
      BigInt(Math.floor((depth / (prices[i] as number)) * Math.exp(normal(random) * 0.01))),
      BigInt(Math.floor(depth / (prices[j] as number))),
    ]
    return {
      kind: 'constant-product',
      address: address(1_000_000 + index),
      dex: 'random',
      tokens: [address(i + 1), address(j + 1)],
      reserves,
      feeBps: 30,
    }
  })
  const graph = new MarketGraph(pools)
  times(10, () => upperBound(graph, address(1)))
  const took = times(31, () => upperBound(graph, address(1)))
  row(
    'joint optimum over 10,000 random pools and 200 tokens, cold start',
    spread(took),
    'below 10 ms',
    quantile(took, 0.5) < 10,
  )
}

interface QuoteTrial {
  readonly pool: ConcentratedPool
  readonly zeroForOne: boolean
  readonly amountIn: bigint
}

/** Random inputs up to 30 % of what each pool holds. */
function quoteTrials(pools: readonly ConcentratedPool[], count: number, random: Random): QuoteTrial[] {
  return Array.from({ length: count }, () => {
    const pool = pools[Math.floor(random() * pools.length)] as ConcentratedPool
    const zeroForOne = random() < 0.5
    const held = zeroForOne
      ? (pool.liquidity << 96n) / pool.sqrtPriceX96
      : (pool.liquidity * pool.sqrtPriceX96) >> 96n
    const amountIn = BigInt(Math.floor(Math.exp(random() * Math.log(Number(held) * 0.3)))) + 1_000n
    return { pool, zeroForOne, amountIn }
  })
}

interface SdkMarket {
  readonly pool: SdkPoolType
  readonly tokens: readonly [SdkToken, SdkToken]
}

/** A pool as the exchange's library models it. */
function sdkPool(pool: ConcentratedPool): SdkMarket {
  const ticks = (pool.ticks ?? []).map(([index, net, gross]) => ({
    index,
    liquidityNet: String(net),
    liquidityGross: String(gross),
  }))
  const tokens = [new Token(137, pool.tokens[0], 18), new Token(137, pool.tokens[1], 18)] as const
  return {
    pool: new SdkPool(
      tokens[0],
      tokens[1],
      pool.feePips,
      String(pool.sqrtPriceX96),
      String(pool.liquidity),
      pool.tick,
      new TickListDataProvider(ticks, pool.tickSpacing),
    ),
    tokens,
  }
}

/** The same quotes by the exchange's library: equality to the unit, and the time of each. */
async function concentratedQuotes(): Promise<void> {
  const pools = embeddedMarket(seededRandom(1)).snapshot.pools.filter(
    (pool): pool is ConcentratedPool => pool.kind === 'concentrated' && pool.engine === undefined,
  )
  const trials = quoteTrials(pools, 2_000, seededRandom(2))
  const sdk = new Map(pools.map((pool) => [pool, sdkPool(pool)]))
  const ours: (bigint | undefined)[] = []
  const theirs: (bigint | undefined)[] = []
  const runOurs = () => {
    ours.length = 0
    for (const { pool, zeroForOne, amountIn } of trials)
      ours.push(
        quoteExactIn(pool, pool.tokens[zeroForOne ? 0 : 1], pool.tokens[zeroForOne ? 1 : 0], amountIn),
      )
  }
  const runTheirs = async () => {
    theirs.length = 0
    for (const { pool, zeroForOne, amountIn } of trials) {
      const market = sdk.get(pool) as SdkMarket
      const input = CurrencyAmount.fromRawAmount(market.tokens[zeroForOne ? 0 : 1], String(amountIn))
      const quoted = await market.pool.getOutputAmount(input).catch(() => undefined)
      theirs.push(quoted && BigInt(quoted[0].quotient.toString()))
    }
  }
  runOurs()
  await runTheirs()
  const [mine, library]: [number[], number[]] = [[], []]
  for (let round = 0; round < 7; round++) {
    let started = performance.now()
    runOurs()
    mine.push((performance.now() - started) / trials.length)
    started = performance.now()
    await runTheirs()
    library.push((performance.now() - started) / trials.length)
  }
  const differences = trials.filter(
    (_, index) => ours[index] !== undefined && ours[index] !== theirs[index],
  ).length
  const partial = trials.filter((_, index) => ours[index] === undefined && (theirs[index] ?? 0n) > 0n).length
  const [a, b] = [quantile(mine, 0.5) * 1_000, quantile(library, 0.5) * 1_000]
  row(
    `a concentrated quote (2,000, ticks crossed; ${differences} differ from @uniswap/v3-sdk, ${partial} we refuse and it fills in part without an error): ours; the library`,
    `${a.toFixed(1)} µs; ${b.toFixed(0)} µs, ${(b / a).toFixed(0)} times`,
    'faster, equal',
    a < b && differences === 0,
  )
}

/** Block seen to transaction sent, on the whole fleet with its local chain. */
async function latency(): Promise<void> {
  const fleet = new Fleet(10_000, ['--block-seconds', '1', '--orders', '6'])
  try {
    await fleet.start()
    await new Promise((resolve) => setTimeout(resolve, 60_000))
    const { state } = await fleet.get<{
      state: { blockToSentMs: { count: number; median: number; p99: number } }
    }>(9004, '/health')
    const { count, median, p99 } = state.blockToSentMs
    row(
      `block seen to transaction sent, median / p99 of ${count}`,
      `${median.toFixed(0)} / ${p99.toFixed(0)} ms`,
      'below 15 / 40 ms',
      median < 15 && p99 < 40,
    )
  } finally {
    await fleet.dispose()
  }
}

benchFile('mainnet-18806161.json')
benchFile('mainnet-scale.json.gz')
jointOptimum()
await concentratedQuotes()
if (arguments_.includes('--latency')) await latency()
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores, Node ${process.versions.node}; median (5 % to 95 %)\n`,
)
console.log(
  [
    '| what | figure | target | reached |',
    '|---|---|---|---|',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n'),
)
