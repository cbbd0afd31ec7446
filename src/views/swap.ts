/** Swaps as they are shown: routes, quotes, and the calls that make one. */
import * as z from 'zod'
import type { PreparedSwap } from '../engine/trading/swap-calls.ts'
import { averagePrice, minimumOutput, priceImpact, type SwapRequest } from '../engine/trading/swap-routes.ts'
import type { Route, RoutedPath } from '../graph/index.ts'
import { address, amount, block, bps, pool, rounded, token, tokenAmount } from '../mcp/fields.ts'
import type { MarketView } from '../ports/market.ts'
import { view } from './view.ts'

/** The input of a swap over a single path. */
export const singlePathInput = {
  from: token(),
  to: token(),
  amount: amount('from'),
  maxHops: z.int().min(1).max(4).default(3).describe('the longest path, in pools (1 to 4)'),
}

/** The input of a swap over several paths. */
export const swapInput = {
  ...singlePathInput,
  maxPaths: z.int().min(1).max(10).default(5).describe('split over at most this many paths (1 to 10)'),
}

/** The slippage tolerance of a swap. */
export const slippage = () => bps(5_000).default(50)

/** A swap as a tool's input names it. Throws `unknown-symbol`. */
export const swapRequest = (
  { from, to, ...request }: z.output<z.ZodObject<typeof swapInput>>,
  market: MarketView,
): SwapRequest => ({ ...request, from: market.token(from), to: market.token(to) })

const impactPercent = () =>
  z
    .number()
    .nullable()
    .describe('how far the average price is below the market price, fees included; null without a price')

const percent = (fraction: number | null) => (fraction === null ? null : rounded(100 * fraction))

/** One path of a route, pool by pool. */
const swapPath = view(
  z.object({
    sharePercent: z.number().describe('of the amount in'),
    amountIn: tokenAmount(),
    amountOut: tokenAmount(),
    hops: z.array(
      z.object({
        pool: pool(),
        dex: z.string(),
        tokenIn: z.string().describe('symbol'),
        tokenOut: z.string().describe('symbol'),
        amountOut: tokenAmount(),
      }),
    ),
  }),
  ({ hops, amounts }: RoutedPath, whole: bigint, { from, to }: SwapRequest, market: MarketView) => ({
    sharePercent: rounded((100 * Number(amounts[0])) / Number(whole)),
    amountIn: market.amount(from.address, amounts[0] ?? 0n),
    amountOut: market.amount(to.address, amounts.at(-1) ?? 0n),
    hops: hops.map((hop, index) => ({
      pool: hop.pool,
      dex: market.pool(hop.pool).dex,
      tokenIn: market.symbol(hop.tokenIn),
      tokenOut: market.symbol(hop.tokenOut),
      amountOut: market.amount(hop.tokenOut, amounts[index + 1] ?? 0n),
    })),
  }),
)

/** A route for a swap, path by path. */
export const swapRoute = view(
  z.object({
    block: block(),
    amountIn: tokenAmount(),
    amountOut: tokenAmount(),
    bestSinglePath: tokenAmount().nullable().describe('output of the best path alone; null if none takes it'),
    impactPercent: impactPercent(),
    searchedPaths: z.int().describe('number of paths'),
    paths: z.array(swapPath.schema).describe('in the order in which they must be traded'),
  }),
  (route: Route, request: SwapRequest, market: MarketView) => ({
    block: market.head.number,
    amountIn: market.amount(request.from.address, route.amountIn),
    amountOut: market.amount(request.to.address, route.amountOut),
    bestSinglePath: route.single === undefined ? null : market.amount(request.to.address, route.single),
    impactPercent: percent(priceImpact(market, request, route)),
    searchedPaths: route.searchedPaths,
    paths: route.paths.map((path) => swapPath.of(path, route.amountIn, request, market)),
  }),
)

/** What a swap gives. */
export const swapQuote = view(
  z.object({
    block: block(),
    amountIn: tokenAmount(),
    amountOut: tokenAmount(),
    minimumOut: tokenAmount().describe('the smallest output that the slippage tolerance accepts'),
    price: z.number().describe('whole tokens out per whole token in'),
    impactPercent: impactPercent(),
    paths: z.int().describe('number of paths that the swap is split over'),
  }),
  (route: Route, request: SwapRequest, slippageBps: number, market: MarketView) => ({
    block: market.head.number,
    amountIn: market.amount(request.from.address, route.amountIn),
    amountOut: market.amount(request.to.address, route.amountOut),
    minimumOut: market.amount(request.to.address, minimumOutput(route.amountOut, slippageBps)),
    price: rounded(averagePrice(request, route), 10),
    impactPercent: percent(priceImpact(market, request, route)),
    paths: route.paths.length,
  }),
)

/** The calls of a swap, for an account to send. */
export const preparedSwap = view(
  z.object({
    block: block(),
    amountOut: tokenAmount(),
    minimumOut: tokenAmount().describe('the smallest output that the slippage tolerance accepts'),
    calls: z.array(
      z.object({
        to: address(),
        data: z.string().describe('calldata, hexadecimal'),
        what: z.string().describe('in words'),
      }),
    ),
    note: z.string(),
  }),
  ({ amountOut, minimumOut, calls }: PreparedSwap, { to }: SwapRequest, market: MarketView) => ({
    block: market.head.number,
    amountOut: market.amount(to.address, amountOut),
    minimumOut: market.amount(to.address, minimumOut),
    calls,
    note: 'Send the calls in one transaction, by a multicall or a smart account: between separate transactions others could trade, and a paid pair gives its output to the first caller.',
  }),
)
