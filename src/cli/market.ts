/** `kintsugi market scan|quote|route|bound`: analyses market files of the format `market-snapshot/1`. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { type Address, type Refusal, swapExactIn } from '../amm/index.ts'
import { priceTokens } from '../arbitrage/index.ts'
import {
  bestRoute,
  type Hop,
  MarketGraph,
  MarketSearch,
  type MarketSnapshot,
  parseSnapshot,
  planCycles,
  type SizedCycle,
  type Token,
  trimmed,
  upperBound,
} from '../graph/index.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'
import { color, table, units } from './format.ts'

const REASONS: Readonly<Record<Refusal, string>> = {
  'zero-amount': 'the amount must be above zero',
  'no-liquidity': 'insufficient liquidity: the pool would fill the swap in part or not at all',
  'amount-too-large': 'the amount exceeds what the pool accepts in one swap',
  'zero-output': 'the amount is too small: the output would be zero',
  'beyond-known-ticks': 'the swap would leave the price range that the file describes',
  'unknown-token': 'the pool does not trade these two tokens',
}

/** Reads a market file, plain or gzipped. Throws `file-unreadable` or `snapshot-invalid`. */
export function readMarket(file: string): MarketSnapshot {
  let json: unknown
  try {
    const raw = readFileSync(file)
    json = JSON.parse((file.endsWith('.gz') ? gunzipSync(raw) : raw).toString())
  } catch (error) {
    throw new KintsugiError('file-unreadable', `${file}: ${reasonOf(error)}`, {
      hint: 'expected a market-snapshot/1 file: JSON, plain or gzipped (.gz)',
    })
  }
  return parseSnapshot(json)
}

const reasonOf = (error: unknown) =>
  (error as { code?: unknown }).code === 'ENOENT' ? 'no such file' : messageOf(error)

/** A token by symbol or address. Throws `unknown-token`, also if several tokens have the symbol. */
function tokenOf(market: MarketSnapshot, name: string): Token {
  const wanted = name.toLowerCase()
  const found = market.tokens.filter(
    (token) => token.address === wanted || token.symbol.toLowerCase() === wanted,
  )
  const exact = found.filter((token) => token.address === wanted || token.symbol === name)
  const [token, ...others] = exact.length > 0 ? exact : found
  if (!token)
    throw new KintsugiError(
      'unknown-token',
      `unknown token ${name}: the file has no token with this symbol or address`,
      {
        hint: 'use a symbol or an address of the file',
      },
    )
  if (others.length > 0) {
    throw new KintsugiError(
      'unknown-token',
      `ambiguous token ${name}: ${others.length + 1} tokens of the file have this symbol`,
      {
        hint: `use an address: ${[token, ...others].map((one) => one.address).join(', ')}`,
      },
    )
  }
  return token
}

function amountOf(text: string): bigint {
  if (!/^\d+$/.test(text) || BigInt(text) === 0n)
    throw new KintsugiError('bad-amount', `--amount ${text}: expected a whole number above zero`, {
      hint: "amounts are in the token's smallest unit, such as wei",
    })
  return BigInt(text)
}

/** The token that is in the largest number of pools. */
function bestConnected(market: MarketSnapshot): Token {
  const degree = new Map<Address, number>()
  for (const pool of market.pools)
    for (const token of pool.tokens) degree.set(token, (degree.get(token) ?? 0) + 1)
  return [...market.tokens].sort(
    (a, b) => (degree.get(b.address) ?? 0) - (degree.get(a.address) ?? 0),
  )[0] as Token
}

/** Price of each token: smallest units of the numeraire per smallest unit. */
function ratesIn(market: MarketSnapshot, numeraire: Address): ReadonlyMap<Address, number> {
  const prices = priceTokens(new Map(market.pools.map((pool) => [pool.address, pool])), numeraire)
  return new Map([...prices].map(([token, price]) => [token, price.rate]))
}

class Namer {
  readonly #tokens: ReadonlyMap<Address, Token>
  readonly #dexes: ReadonlyMap<Address, string>

  constructor(market: MarketSnapshot) {
    this.#tokens = new Map(market.tokens.map((token) => [token.address, token]))
    this.#dexes = new Map(market.pools.map((pool) => [pool.address, pool.dex]))
  }

  symbol(token: Address): string {
    return this.#tokens.get(token)?.symbol ?? token
  }

  amount(amount: bigint, token: Address): string {
    return `${units(amount, this.#tokens.get(token)?.decimals ?? 0)} ${this.symbol(token)}`
  }

  path(hops: readonly Hop[]): string {
    return [
      this.symbol((hops[0] as Hop).tokenIn),
      ...hops.map((hop) => `${this.symbol(hop.tokenOut)} ${color.dim(`(${this.#dexes.get(hop.pool)})`)}`),
    ].join(' → ')
  }
}

const leftOut = ({ leftOut: counts }: MarketSnapshot) => {
  const reasons = Object.entries(counts)
  return reasons.length === 0
    ? ''
    : `\nskipped pools: ${reasons.map(([reason, count]) => `${count} × ${reason}`).join('; ')}`
}

function print(json: boolean | undefined, data: unknown, text: () => string): void {
  console.log(
    json ? JSON.stringify(data, (_, value) => (typeof value === 'bigint' ? String(value) : value)) : text(),
  )
}

export interface ScanOptions {
  start?: string[]
  maxHops: number
  limit: number
  json?: boolean
}

/** Profitable cycles, best first. */
export function scan(file: string, { start = [], maxHops, limit, json }: ScanOptions): void {
  const market = readMarket(file)
  const numeraire = bestConnected(market)
  const startTokens = start.map((name) => tokenOf(market, name).address)
  const started = performance.now()
  const search = new MarketSearch(market.pools, {
    maxHops,
    startTokens: startTokens.length > 0 ? startTokens : [numeraire.address],
    onlyStartTokens: startTokens.length > 0,
  })
  search.setValues(ratesIn(market, numeraire.address))
  const { searchedCycles, paying } = search.search()
  const found = search.best(limit).map((sized) => trimmed(sized, search.pools))
  const elapsedMs = performance.now() - started
  const cycles = found.map(({ hops, amounts, grossProfit }) => ({
    startToken: (hops[0] as Hop).tokenIn,
    hops,
    amountIn: amounts[0] as bigint,
    amountOut: amounts.at(-1) as bigint,
    profit: grossProfit,
  }))
  const namer = new Namer(market)
  print(
    json,
    { cycles, searchedCycles, paying, complete: search.index.complete, elapsedMs, leftOut: market.leftOut },
    () => {
      const rows = cycles.map((cycle, index) => [
        String(index + 1),
        color.green(namer.amount(cycle.profit, cycle.startToken)),
        `with ${namer.amount(cycle.amountIn, cycle.startToken)}`,
        namer.path(cycle.hops),
      ])
      const summary = `${searchedCycles} cycles of at most ${maxHops} pools searched in ${elapsedMs.toFixed(1)} ms; ${paying} are profitable before gas and premium`
      return `${rows.length === 0 ? 'no profitable cycle' : table(rows)}\n${summary}${search.index.complete ? '' : ' (the cycle index is full; there are more)'}${leftOut(market)}`
    },
  )
}

export interface QuoteOptions {
  pool: string
  in: string
  out?: string
  amount: string
  json?: boolean
}

/** The output of one pool for an exact input, or the reason it refuses. */
export function quote(file: string, options: QuoteOptions): void {
  const market = readMarket(file)
  const pool = market.pools.find((candidate) => candidate.address === options.pool.toLowerCase())
  if (!pool)
    throw new KintsugiError(
      'not-found',
      `--pool ${options.pool}: the file has no tradable pool with this address`,
      {
        hint: `the file has ${market.pools.length} tradable pools${leftOut(market)}`,
      },
    )
  const tokenIn = tokenOf(market, options.in).address
  const others = pool.tokens.filter((token) => token !== tokenIn)
  if (options.out === undefined && others.length > 1 && pool.tokens.includes(tokenIn)) {
    throw new KintsugiError('unknown-token', `the pool has ${pool.tokens.length} tokens; --out is required`, {
      hint: `add --out with one of ${others.join(', ')}`,
    })
  }
  const tokenOut = options.out === undefined ? (others[0] as Address) : tokenOf(market, options.out).address
  const result = swapExactIn(pool, tokenIn, tokenOut, amountOf(options.amount))
  const namer = new Namer(market)
  const data = result.ok
    ? { amountOut: result.swap.amountOut }
    : { amountOut: null, refusal: result.refusal, reason: REASONS[result.refusal] }
  print(
    options.json,
    { pool: pool.address, kind: pool.kind, tokenIn, tokenOut, amountIn: options.amount, ...data },
    () =>
      result.ok
        ? `${namer.amount(BigInt(options.amount), tokenIn)} → ${color.green(namer.amount(result.swap.amountOut, tokenOut))}`
        : `${color.yellow('refused')} ${REASONS[result.refusal]} (${result.refusal})`,
  )
}

export interface RouteOptions {
  from: string
  to: string
  amount: string
  maxHops: number
  maxPaths: number
  json?: boolean
}

/** The best route between two tokens, split over several paths if that gives more. */
export function route(file: string, options: RouteOptions): void {
  const market = readMarket(file)
  const [from, to] = [tokenOf(market, options.from), tokenOf(market, options.to)]
  const started = performance.now()
  const found = bestRoute(
    new MarketGraph(market.pools),
    from.address,
    to.address,
    amountOf(options.amount),
    options,
  )
  const elapsedMs = performance.now() - started
  if (!found)
    throw new KintsugiError(
      'no-route',
      `no path of at most ${options.maxHops} pools swaps ${options.amount} units of ${from.symbol} to ${to.symbol}`,
      {
        hint: 'try another amount (in smallest units), or a higher --max-hops',
      },
    )
  const namer = new Namer(market)
  print(options.json, { from: from.address, to: to.address, ...found, elapsedMs }, () => {
    const rows = found.paths.map(({ hops, amounts }) => [
      `${((Number(amounts[0]) / Number(found.amountIn)) * 100).toFixed(2)} %`,
      namer.amount(amounts[0] as bigint, from.address),
      color.green(namer.amount(amounts.at(-1) as bigint, to.address)),
      namer.path(hops),
    ])
    const gain =
      found.single === undefined
        ? 'no single path can fill it'
        : `the best single path gives ${namer.amount(found.single, to.address)}`
    return `${table(rows)}\n${namer.amount(found.amountIn, from.address)} → ${color.green(namer.amount(found.amountOut, to.address))}; ${gain}; ${found.searchedPaths} paths in ${elapsedMs.toFixed(1)} ms`
  })
}

export interface BoundOptions {
  numeraire: string
  maxHops: number
  json?: boolean
}

/** Upper bound of the profit over all pools, and the share that cycles capture. */
export function bound(file: string, options: BoundOptions): void {
  const market = readMarket(file)
  const numeraire = tokenOf(market, options.numeraire)
  const started = performance.now()
  const graph = new MarketGraph(market.pools)
  const optimum = upperBound(graph, numeraire.address, { maxIterations: 1_000 })
  const boundMs = performance.now() - started
  const search = new MarketSearch(market.pools, {
    maxHops: options.maxHops,
    startTokens: [numeraire.address],
  })
  search.setValues(optimum.prices)
  search.search()
  const worthOf = ({ hops, grossProfit }: SizedCycle) =>
    Number(grossProfit) * search.valueOf((hops[0] as Hop).tokenIn)
  const best = search.best(1)[0]
  const plan = planCycles(
    search,
    { maxCycles: 64, worth: () => 0 },
    undefined,
    market.pools.length <= 1_000 ? optimum : undefined,
  )
  const planValue = plan.reduce((sum, sized) => sum + worthOf(sized), 0)
  const share = (value: number) => (optimum.value > 0 ? value / optimum.value : null)
  const bestValue = best ? worthOf(best) : 0
  const data = {
    numeraire: numeraire.address,
    upperBound: String(Math.ceil(optimum.value)),
    converged: optimum.converged,
    iterations: optimum.iterations,
    boundMs,
    singleCycle: { value: bestValue, share: share(bestValue), cycle: best ?? null },
    plan: { value: planValue, share: share(planValue), cycles: plan },
    prices: Object.fromEntries(optimum.prices),
    elapsedMs: performance.now() - started,
  }
  const namer = new Namer(market)
  const inNumeraire = (value: number) => namer.amount(BigInt(Math.round(value)), numeraire.address)
  const percent = (value: number | null) => (value === null ? '' : `${(value * 100).toFixed(2)} %`)
  print(options.json, data, () =>
    [
      table([
        [
          'upper bound',
          color.green(inNumeraire(optimum.value)),
          optimum.converged ? '' : 'not converged: the lowest bound may be lower',
        ],
        ['best single cycle', inNumeraire(bestValue), percent(data.singleCycle.share)],
        [`plan of ${plan.length} cycles`, inNumeraire(planValue), percent(data.plan.share)],
      ]),
      ...plan.map((sized) => `  ${inNumeraire(worthOf(sized))}  ${namer.path(sized.hops)}`),
      `${optimum.iterations} iterations in ${boundMs.toFixed(1)} ms; before gas and premium${leftOut(market)}`,
    ].join('\n'),
  )
}
