/** One robust price per token out of many pools: the depth-weighted median, from the numeraire outwards. */
import { type Address, type Pool, spotPrice, virtualReserves } from '../amm/index.ts'

export interface TokenPrice {
  /** Numeraire smallest units per smallest unit of the token. */
  readonly rate: number
  /** Pools that the median was taken over. */
  readonly pools: number
  /** Depth behind it, in numeraire smallest units (the other side of those pools). */
  readonly depth: number
  /** Depth-weighted mean absolute deviation from the median, as a fraction. */
  readonly dispersion: number
}

export interface PoolQuote {
  readonly pool: Address
  readonly dex: string
  /** The token on the other side. */
  readonly against: Address
  /** Numeraire smallest units per smallest unit of the token. */
  readonly rate: number
  /** In numeraire smallest units. */
  readonly depth: number
}

/** The estimates of `token` in the numeraire that pools with an already priced other side give. */
export function quotesOf(
  token: Address,
  pools: Iterable<Pool>,
  known: ReadonlyMap<Address, { rate: number }>,
): PoolQuote[] {
  const quotes: PoolQuote[] = []
  for (const pool of pools) {
    if (!pool.tokens.includes(token)) continue
    for (const side of pool.tokens) {
      const other = side === token ? undefined : known.get(side)
      if (!other) continue
      const price = spotPrice(pool, token, side)
      if (!(price > 0)) continue
      quotes.push({
        pool: pool.address,
        dex: pool.dex,
        against: side,
        rate: price * other.rate,
        depth: virtualReserves(pool, token, side)[1] * other.rate,
      })
    }
  }
  return quotes
}

/** The depth-weighted median of quotes; `undefined` for none. */
function medianPrice(quotes: readonly PoolQuote[]): TokenPrice | undefined {
  const sorted = [...quotes].filter((quote) => quote.depth > 0).sort((a, b) => a.rate - b.rate)
  const depth = sorted.reduce((sum, quote) => sum + quote.depth, 0)
  let passed = 0
  const middle = sorted.find((quote) => {
    passed += quote.depth
    return passed >= depth / 2
  })
  if (!middle) return undefined
  const dispersion = sorted.reduce(
    (sum, quote) => sum + (quote.depth / depth) * Math.abs(quote.rate / middle.rate - 1),
    0,
  )
  return { rate: middle.rate, pools: sorted.length, depth, dispersion }
}

/** Prices of every token that a chain of pools connects to `numeraire`, deepest connections first. */
export function priceTokens(pools: ReadonlyMap<Address, Pool>, numeraire: Address): Map<Address, TokenPrice> {
  const prices = new Map<Address, TokenPrice>([[numeraire, { rate: 1, pools: 0, depth: 0, dispersion: 0 }]])
  const byToken = new Map<Address, Pool[]>()
  for (const pool of pools.values()) {
    for (const token of pool.tokens) {
      const list = byToken.get(token)
      if (list) list.push(pool)
      else byToken.set(token, [pool])
    }
  }
  let frontier = new Set<Address>([numeraire])
  while (frontier.size > 0) {
    const candidates = new Set<Address>()
    for (const token of frontier)
      for (const pool of byToken.get(token) ?? [])
        for (const other of pool.tokens) if (!prices.has(other)) candidates.add(other)
    const found: [Address, TokenPrice][] = []
    for (const token of candidates) {
      const price = medianPrice(quotesOf(token, byToken.get(token) ?? [], prices))
      if (price) found.push([token, price])
    }
    for (const [token, price] of found) prices.set(token, price)
    frontier = new Set(found.map(([token]) => token))
  }
  return prices
}
