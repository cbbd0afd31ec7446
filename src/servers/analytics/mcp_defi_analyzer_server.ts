/** DeFi from on-chain state: what protocols hold, what providing liquidity earned, what it lost against holding, where prices differ. */
import * as z from 'zod'
import { feeFraction, type Pool, spotPrice } from '../../amm/index.ts'
import { valueHeld } from '../../engine/market/depth.ts'
import { PoolReturns } from '../../engine/market/lp-returns.ts'
import { findToken, humanValue, tokenAt } from '../../engine/market/tokens.ts'
import { defineServer } from '../../mcp/define.ts'
import { address, limit, token } from '../../mcp/fields.ts'
import { KintsugiError } from '../../std/errors.ts'

const returns = new PoolReturns()

const yieldRow = z.object({
  pool: address(),
  dex: z.string(),
  tokens: z.array(z.string()),
  value: z.number(),
  volume: z.number().describe('traded through it in the window, in quote units'),
  fees: z.number(),
  annualPercent: z
    .number()
    .nullable()
    .describe(
      'fees on the value at the price, as if the window went on for a year; null where the window is too short',
    ),
})

export default defineServer({
  id: 'mcp_defi_analyzer_server',
  needs: ['market', 'loans'],
  state: ({ market }, { now }) => returns.follow(market, now),
  tools: ({ read }) => ({
    protocol_overview: read({
      description:
        'Each protocol of this chain: pools, value at the price, volume and fees in the window since this service started, and what the lenders can lend.',
      keywords: 'TVL, what protocols are there, state of aave, uniswap, balancer',
      input: {},
      output: {
        block: z.int(),
        windowSeconds: z.number(),
        exchanges: z.array(
          z.object({
            dex: z.string(),
            pools: z.int(),
            value: z.number(),
            volume: z.number(),
            fees: z.number(),
          }),
        ),
        lenders: z.array(z.object({ kind: z.string(), tokens: z.int(), value: z.number() })),
      },
      examples: [{}],
      run: (_input, { market, loans, now }) => {
        const byDex = Map.groupBy(market.pools.values(), (pool) => pool.dex)
        const exchanges = [...byDex].map(([dex, pools]) => {
          const sum = (of: (pool: Pool) => number) => pools.reduce((total, pool) => total + of(pool), 0)
          return {
            dex,
            pools: pools.length,
            value: sum((pool) => valueHeld(market, pool.address)),
            volume: sum((pool) => returns.volume(pool.address)),
            fees: sum((pool) => returns.fees(pool.address)),
          }
        })
        const offers = market.manifest.tokens.flatMap((token) =>
          loans.offers(token.address).filter(({ kind }) => kind === 'aave-v3' || kind === 'balancer-v2'),
        )
        const lenders = [...Map.groupBy(offers, ({ kind }) => kind)].map(([kind, list]) => ({
          kind,
          tokens: list.length,
          value: list.reduce(
            (sum, { token, available }) =>
              sum + humanValue(market.manifest, Number(available) * (market.prices().get(token)?.rate ?? 0)),
            0,
          ),
        }))
        return {
          block: market.head.number,
          windowSeconds: returns.seconds(now()),
          exchanges: exchanges.sort((a, b) => b.value - a.value),
          lenders,
        }
      },
    }),
    yield_table: read({
      description:
        'What providing liquidity earns in fees, pool by pool, best first: volume and fees really traded since this service started, and the yearly rate they would make.',
      keywords: 'interest, APY, APR, what lenders and suppliers earn, borrow rates',
      input: { token: token().optional(), limit: limit(200, 20) },
      output: { windowSeconds: z.number(), pools: z.array(yieldRow) },
      examples: [{ limit: 5 }],
      run: ({ token, limit: most }, { market, now }) => {
        const wanted = token === undefined ? undefined : findToken(market.manifest, token).address
        const seconds = returns.seconds(now())
        const pools = [...market.pools.values()]
          .filter((pool) => wanted === undefined || pool.tokens.includes(wanted))
          .map((pool) => {
            const [value, fees] = [valueHeld(market, pool.address), returns.fees(pool.address)]
            return {
              pool: pool.address,
              dex: pool.dex,
              tokens: pool.tokens.map((item) => tokenAt(market.manifest, item).symbol),
              value,
              volume: returns.volume(pool.address),
              fees,
              annualPercent:
                seconds < 60 || value === 0 ? null : (100 * (fees / value) * 31_536_000) / seconds,
            }
          })
        return {
          windowSeconds: seconds,
          pools: pools
            .sort((a, b) => (b.annualPercent ?? b.fees) - (a.annualPercent ?? a.fees))
            .slice(0, most),
        }
      },
    }),
    pool_returns: read({
      description:
        'What a share of one pool did since this service started, against holding its tokens: fees earned, loss by the price having moved, and the sum.',
      keywords: 'what LPs make, fees earned by providing liquidity, return of a pool',
      input: { pool: address() },
      output: {
        pool: address(),
        dex: z.string(),
        windowSeconds: z.number(),
        volume: z.number(),
        fees: z.number(),
        feesPercent: z.number().nullable(),
        priceChange: z.number().describe('of the first token in the second, as a fraction'),
        lossAgainstHoldingPercent: z
          .number()
          .describe('for a full-range position, by that change of the price alone'),
        netPercent: z.number().nullable(),
      },
      examples: [{ pool: '0x0000000000000000000000000000000000000001' }],
      run: ({ pool: at }, { market, now }) => {
        const pool = market.pools.get(at)
        const first = returns.firstPrice(at)
        if (!pool || first === undefined)
          throw new KintsugiError('not-found', `${at} is no pool of this market`, {
            hint: 'yield_table lists pools',
          })
        const ratio = priceOf(pool) / first
        const loss = lossOf(pool, ratio)
        const [value, fees] = [valueHeld(market, at), returns.fees(at)]
        const feesPercent = value > 0 ? (100 * fees) / value : null
        return {
          pool: at,
          dex: pool.dex,
          windowSeconds: returns.seconds(now()),
          volume: returns.volume(at),
          fees,
          feesPercent,
          priceChange: ratio - 1,
          lossAgainstHoldingPercent: 100 * loss,
          netPercent: feesPercent === null ? null : feesPercent - 100 * loss,
        }
      },
    }),
    impermanent_loss: read({
      description:
        'What providing liquidity loses against holding when the price of one token changes by a factor: full range, weighted, or concentrated between two prices. Pure arithmetic, no market needed.',
      keywords: 'loss of a liquidity provider when the price moves',
      input: {
        priceRatio: z.number().positive().max(1e6).describe('price afterwards over price before'),
        weight: z
          .number()
          .gt(0)
          .lt(1)
          .default(0.5)
          .describe('share of the token whose price changes; 0.5 is a constant-product pool'),
        lower: z
          .number()
          .positive()
          .optional()
          .describe('concentrated: lower end of the range, as a fraction of the price before (0.8)'),
        upper: z.number().positive().optional().describe('concentrated: upper end, as a fraction (1.25)'),
      },
      output: {
        lossPercent: z.number(),
        valueProviding: z.number().describe('of 1 before'),
        valueHolding: z.number(),
      },
      examples: [{ priceRatio: 1.5 }],
      run: ({ priceRatio, weight, lower, upper }) => {
        if ((lower === undefined) !== (upper === undefined))
          throw new KintsugiError('bad-argument', 'lower and upper: expected both or none')
        if (lower !== undefined && upper !== undefined && !(lower < 1 && upper > 1))
          throw new KintsugiError(
            'bad-argument',
            `lower, upper: expected lower below 1 and upper above (got ${lower}, ${upper})`,
          )
        const { providing, holding } =
          lower === undefined || upper === undefined
            ? weightedPosition(priceRatio, weight)
            : rangePosition(priceRatio, lower, upper)
        return {
          lossPercent: 100 * (1 - providing / holding),
          valueProviding: providing,
          valueHolding: holding,
        }
      },
    }),
    spread_report: read({
      description:
        'Where the same pair has different prices: for each pair of tokens the cheapest and the dearest pool, the gap between them, and whether it is wider than both fees.',
      keywords: 'spreads and gaps between exchanges per pair',
      input: { limit: limit(200, 20) },
      output: {
        block: z.int(),
        pairs: z.array(
          z.object({
            base: z.string(),
            quote: z.string(),
            pools: z.int(),
            cheapest: z.object({ pool: address(), dex: z.string(), price: z.number() }),
            dearest: z.object({ pool: address(), dex: z.string(), price: z.number() }),
            gap: z.number(),
            fees: z.number(),
            pays: z.boolean(),
          }),
        ),
      },
      examples: [{ limit: 5 }],
      run: ({ limit: most }, { market }) => {
        const quotes = [...market.pools.values()].flatMap((pool) =>
          pool.tokens.flatMap((base, index) =>
            pool.tokens.slice(index + 1).map((quote) => ({
              key: `${base} ${quote}`,
              base,
              quote,
              pool,
              price: spotPrice(pool, base, quote),
            })),
          ),
        )
        const pairs = [...Map.groupBy(quotes, ({ key }) => key).values()].flatMap((list) => {
          const sorted = list.filter(({ price }) => price > 0).sort((a, b) => a.price - b.price)
          const [low, high] = [sorted[0], sorted.at(-1)]
          if (!low || !high || low === high) return []
          const [from, to] = [tokenAt(market.manifest, low.base), tokenAt(market.manifest, low.quote)]
          const human = (price: number) => price * 10 ** (from.decimals - to.decimals)
          const gap = high.price / low.price - 1
          const fees = 1 / ((1 - feeFraction(low.pool)) * (1 - feeFraction(high.pool))) - 1
          const end = ({ pool, price }: typeof low) => ({
            pool: pool.address,
            dex: pool.dex,
            price: human(price),
          })
          return [
            {
              base: from.symbol,
              quote: to.symbol,
              pools: sorted.length,
              cheapest: end(low),
              dearest: end(high),
              gap,
              fees,
              pays: gap > fees,
            },
          ]
        })
        return {
          block: market.head.number,
          pairs: pairs.sort((a, b) => b.gap - b.fees - (a.gap - a.fees)).slice(0, most),
        }
      },
    }),
  }),
})

const priceOf = (pool: Pool) =>
  spotPrice(pool, pool.tokens[0] as Pool['tokens'][number], pool.tokens[1] as Pool['tokens'][number])

/** Loss of a full-range position against holding, as a fraction. */
function lossOf(pool: Pool, ratio: number): number {
  const weight =
    pool.kind === 'weighted'
      ? Number(pool.weights[0]) / (Number(pool.weights[0]) + Number(pool.weights[1]))
      : 0.5
  const { providing, holding } = weightedPosition(ratio, weight)
  return 1 - providing / holding
}

/** Values afterwards of 1 before, in the token whose price stays. */
const weightedPosition = (ratio: number, weight: number) => ({
  providing: ratio ** weight,
  holding: weight * ratio + 1 - weight,
})

/** The same for liquidity between two prices around a price of 1. Source: Uniswap V3 whitepaper, section 6. */
function rangePosition(ratio: number, lower: number, upper: number) {
  const amounts = (price: number) => {
    const root = Math.sqrt(Math.min(Math.max(price, lower), upper))
    return [1 / root - 1 / Math.sqrt(upper), root - Math.sqrt(lower)] as const
  }
  const [x0, y0] = amounts(1)
  const [x1, y1] = amounts(ratio)
  const start = x0 + y0
  return { providing: (x1 * ratio + y1) / start, holding: (x0 * ratio + y0) / start }
}
