/** The marginal price of each pair in each pool, in whole tokens. */
import { type Address, feeFraction, type Pool, spotPrice } from '../../amm/index.ts'
import { type PoolQuote, quotesOf } from '../../arbitrage/index.ts'
import type { Token } from '../../graph/index.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { nearest } from '../../std/nearest.ts'
import { tokenPriceOf } from './price-quality.ts'
import { tokenAt } from './tokens.ts'

/** A pair of tokens in one pool. */
export interface PairPrice {
  readonly pool: Pool
  readonly base: Address
  readonly quote: Address
  /** Whole quote tokens per whole base token, before the fee. */
  readonly price: number
}

/** The price of one token in another in one pool, in whole tokens, before the fee. */
function pairPrice({ manifest }: MarketView, pool: Pool, base: Address, quote: Address): PairPrice {
  const decimals = tokenAt(manifest, base).decimals - tokenAt(manifest, quote).decimals
  return { pool, base, quote, price: spotPrice(pool, base, quote) * 10 ** decimals }
}

/** Every pair of a pool once; base and quote as tokens ascend. */
export function pairsOf(market: MarketView, pool: Pool): PairPrice[] {
  return pool.tokens.flatMap((base, index) =>
    pool.tokens.slice(index + 1).map((quote) => pairPrice(market, pool, base, quote)),
  )
}

/** The pools that trade all of these tokens; without `among`, of the whole market. */
export function poolsWith(market: MarketView, tokens: readonly Address[], among?: Iterable<Address>): Pool[] {
  const pools = among
    ? [...among].flatMap((address) => market.pools.get(address) ?? [])
    : [...market.pools.values()]
  return pools.filter((pool) => tokens.every((token) => pool.tokens.includes(token)))
}

/**
 * The price of one token in another in each pool that trades both, best for the seller first. Throws
 * `bad-argument` for two equal tokens, `no-price` if no pool trades both.
 */
export function offersFor(market: MarketView, base: Token, quote: Token): PairPrice[] {
  if (base.address === quote.address)
    throw new KintsugiError('bad-argument', `quote: expected another token than ${base.symbol}`)
  const offers = poolsWith(market, [base.address, quote.address]).map((pool) =>
    pairPrice(market, pool, base.address, quote.address),
  )
  if (offers.length > 0) return offers.sort((a, b) => afterFee(b) - afterFee(a))
  throw new KintsugiError('no-price', `no pool trades ${base.symbol} against ${quote.symbol}`, {
    hint: 'find_route of dex_aggregator_mcp_server finds paths over several pools',
  })
}

/** Whole quote tokens per whole base token sold, after the fee. */
export const afterFee = ({ pool, base, price }: PairPrice): number => price * (1 - feeFraction(pool, base))

/**
 * The price of a token in each pool with a priced other side, and the median. Throws `no-price` for a token
 * without a price.
 */
export function quotesAgainstMedian(
  market: MarketView,
  token: Token,
): { median: number; quotes: PoolQuote[] } {
  const { rate } = tokenPriceOf(market, token)
  return { median: rate, quotes: quotesOf(token.address, market.pools.values(), market.prices()) }
}

/** Throws `not-found` for an exchange without pools in this market, with the closest name as its hint. */
export function assertExchange(market: MarketView, dex: string): void {
  const known = new Set([...market.pools.values()].map((each) => each.dex))
  if (known.has(dex)) return
  const [suggestion] = nearest(dex, known)
  throw new KintsugiError('not-found', `dex: no exchange ${JSON.stringify(dex)} in this market`, {
    hint: suggestion ? `did you mean ${suggestion}?` : `expected one of ${[...known].join(', ')}`,
  })
}
