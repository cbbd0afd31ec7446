/** One robust price per symbol: the depth-weighted median over pools, checked against the oracle where there is one. */
import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import * as z from 'zod'
import { quotesOf } from '../../arbitrage/index.ts'
import { recordPricesEachBlock } from '../../engine/market/price-history.ts'
import { findToken, humanPrice, humanValue, tokenAt } from '../../engine/market/tokens.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, limit, token } from '../../mcp/fields.ts'
import type { Chain } from '../../ports/chain.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

const oracleAbi = parseAbi([
  'function getAssetPrice(address) view returns (uint256)',
  'function BASE_CURRENCY_UNIT() view returns (uint256)',
])

const price = z.object({
  symbol: z.string(),
  address: address(),
  price: z.number().describe('quote units per whole token'),
  quote: z.string().describe('symbol of the quote token'),
  confidence: z.number().min(0).max(1).describe('1 where deep pools agree, towards 0 where they do not'),
  pools: z.int().describe('pools that the median was taken over'),
  depth: z.number().describe('depth behind it, in quote units'),
  dispersion: z
    .number()
    .describe('depth-weighted mean deviation of the pools from the median, as a fraction'),
  block: z.int(),
  observedAt: z.int().describe('when the state was confirmed against the chain, ms since 1970'),
  ageMs: z.int(),
})

function priceOf(market: MarketView, symbol: string, now: number): z.output<typeof price> {
  const { manifest } = market
  const token = findToken(manifest, symbol)
  const found = market.prices().get(token.address)
  if (!found)
    throw new KintsugiError(
      'no-price',
      `${token.symbol}: no chain of pools connects it to ${tokenAt(manifest, manifest.numeraire).symbol}`,
    )
  const depth = humanValue(manifest, found.depth)
  const isQuote = token.address === manifest.numeraire
  return {
    symbol: token.symbol,
    address: token.address,
    price: humanPrice(manifest, token, found.rate),
    quote: tokenAt(manifest, manifest.numeraire).symbol,
    // Agreement counts most; a single pool is trusted half.
    confidence: isQuote ? 1 : Math.max(0, 1 - found.dispersion * 20) * (1 - 0.5 ** found.pools),
    pools: found.pools,
    depth,
    dispersion: found.dispersion,
    block: market.head.number,
    observedAt: market.observedAt,
    ageMs: Math.max(0, now - market.observedAt),
  }
}

/** Aave's oracle price in dollars per whole token, or undefined where it has none. */
async function oraclePrice(
  chain: Chain,
  market: MarketView,
  token: `0x${string}`,
): Promise<number | undefined> {
  const oracle = market.manifest.aave?.oracle
  if (!oracle) return undefined
  const read = async (data: `0x${string}`, functionName: 'getAssetPrice' | 'BASE_CURRENCY_UNIT') =>
    decodeFunctionResult({
      abi: oracleAbi,
      functionName,
      data: await chain.call({ to: oracle, data }, 'latest'),
    })
  const [value, unit] = await Promise.all([
    read(
      encodeFunctionData({ abi: oracleAbi, functionName: 'getAssetPrice', args: [token] }),
      'getAssetPrice',
    ),
    read(encodeFunctionData({ abi: oracleAbi, functionName: 'BASE_CURRENCY_UNIT' }), 'BASE_CURRENCY_UNIT'),
  ])
  return value === 0n ? undefined : Number(value) / Number(unit)
}

export default defineServer({
  id: 'mcp_price_feed_server',
  needs: ['market', 'ledger', 'chain'],
  singleton: true,
  state: ({ market, ledger }, { log, now }) => recordPricesEachBlock(market, ledger, now, log),
  tools: ({ read }) => ({
    price_query: read({
      description:
        'The price of one token now: the depth-weighted median over all pools that trade it, with confidence and age. Use it whenever a single trustworthy price is wanted; for each pool by itself use real_time_price_mcp_server.',
      keywords: 'what is it worth, current price in dollars, how much is one token',
      input: { symbol: token() },
      output: price,
      examples: [{ symbol: 'ETH' }],
      run: ({ symbol }, { market, now }) => priceOf(market, symbol, now()),
    }),
    price_history: read({
      description:
        'Past prices of one token as this system saw them, oldest first, one point per block with a change, from the ledger.',
      keywords: 'how did the price develop, candles, ohlc, chart, last hour, largest move',
      input: {
        symbol: token(),
        minutes: z.int().min(1).max(43_200).default(60).describe('how far back, in minutes'),
        limit: limit(5_000, 500),
      },
      output: {
        symbol: z.string(),
        quote: z.string(),
        points: z.array(z.object({ at: z.int(), block: z.int(), price: z.number() })),
        change: z.number().nullable().describe('last against first, as a fraction'),
      },
      examples: [{ symbol: 'WETH', minutes: 5 }],
      run: async ({ symbol, minutes, limit: most }, { market, ledger, now }) => {
        const token = findToken(market.manifest, symbol)
        const points = await ledger.priceHistory({
          symbol: token.symbol,
          since: now() - minutes * 60_000,
          limit: most,
        })
        const [first, last] = [points[0], points.at(-1)]
        return {
          symbol: token.symbol,
          quote: tokenAt(market.manifest, market.manifest.numeraire).symbol,
          points: points.map(({ at, block, price: value }) => ({ at, block, price: value })),
          change: first && last && first.price > 0 ? last.price / first.price - 1 : null,
        }
      },
    }),
    list_symbols: read({
      description:
        'Every token that this market knows, with its address, decimals and present price where it has one.',
      keywords: 'which tokens are known or supported, symbols, addresses',
      input: {
        limit: limit(1_000, 100),
        search: z.string().max(64).default('').describe('only symbols that contain this'),
      },
      output: {
        total: z.int(),
        symbols: z.array(
          z.object({
            symbol: z.string(),
            address: address(),
            decimals: z.int(),
            price: z.number().nullable(),
            pools: z.int(),
          }),
        ),
      },
      examples: [{ limit: 10 }],
      run: ({ limit: most, search }, { market }) => {
        const matching = market.manifest.tokens.filter((token) =>
          token.symbol.toLowerCase().includes(search.toLowerCase()),
        )
        const prices = market.prices()
        return {
          total: matching.length,
          symbols: matching.slice(0, most).map((token) => {
            const found = prices.get(token.address)
            return {
              ...token,
              price: found ? humanPrice(market.manifest, token, found.rate) : null,
              pools: found?.pools ?? 0,
            }
          }),
        }
      },
    }),
    validate_price_feed: read({
      description:
        'Checks one price: how far each pool lies from the median, how far the median lies from the oracle, and how old it is; says whether it may be relied on and why not.',
      keywords: 'are prices stale, can the feed be trusted, check the oracle',
      input: {
        symbol: token(),
        maxDeviation: z
          .number()
          .positive()
          .max(1)
          .default(0.05)
          .describe('largest accepted distance from the oracle, as a fraction'),
        maxAgeMs: z.int().positive().default(10_000),
      },
      output: {
        symbol: z.string(),
        valid: z.boolean(),
        reasons: z.array(z.string()),
        price: z.number(),
        oraclePrice: z.number().nullable().describe('dollars per whole token; null where no oracle has it'),
        oracleDeviation: z.number().nullable(),
        ageMs: z.int(),
        sources: z.array(
          z.object({
            pool: address(),
            dex: z.string(),
            price: z.number(),
            depth: z.number(),
            deviation: z.number(),
          }),
        ),
      },
      examples: [{ symbol: 'WBTC' }],
      run: async ({ symbol, maxDeviation, maxAgeMs }, { market, chain, now }) => {
        const current = priceOf(market, symbol, now())
        const token = findToken(market.manifest, symbol)
        const [oracle, quoteOracle] = await Promise.all([
          oraclePrice(chain, market, token.address),
          oraclePrice(chain, market, market.manifest.numeraire),
        ])
        const inQuote = oracle !== undefined && quoteOracle ? oracle / quoteOracle : undefined
        const oracleDeviation = inQuote === undefined ? null : current.price / inQuote - 1
        const reasons: string[] = []
        if (current.ageMs > maxAgeMs)
          reasons.push(`the state is ${current.ageMs} ms old, more than ${maxAgeMs}`)
        if (oracleDeviation !== null && Math.abs(oracleDeviation) > maxDeviation)
          reasons.push(
            `the median is ${(oracleDeviation * 100).toFixed(2)} % from the oracle, more than ${maxDeviation * 100} %`,
          )
        if (market.failure) reasons.push(market.failure)
        if (current.confidence < 0.3) reasons.push(`confidence is only ${current.confidence.toFixed(2)}`)
        const sources = quotesOf(token.address, market.pools.values(), market.prices()).map((quote) => {
          const value = humanPrice(market.manifest, token, quote.rate)
          return {
            pool: quote.pool,
            dex: quote.dex,
            price: value,
            depth: humanValue(market.manifest, quote.depth),
            deviation: value / current.price - 1,
          }
        })
        return {
          symbol: current.symbol,
          valid: reasons.length === 0,
          reasons,
          price: current.price,
          oraclePrice: oracle ?? null,
          oracleDeviation,
          ageMs: current.ageMs,
          sources,
        }
      },
    }),
  }),
})
