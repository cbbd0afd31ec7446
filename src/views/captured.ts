/** The upper bound of the market's profit, and the share of it that our trades took, as they are shown. */
import * as z from 'zod'
import { humanPrice, tokenAt } from '../engine/market/tokens.ts'
import type { CapturedBlock } from '../engine/trading/capture-rate.ts'
import type { MarketBound } from '../engine/trading/market-bound.ts'
import { block, type Page, paged, paginate, rounded } from '../mcp/fields.ts'
import type { MarketView } from '../ports/market.ts'
import type { CapturedShare } from '../ports/messages.ts'
import { roundedPrice } from './pool-prices.ts'
import { view } from './view.ts'

const bound = () =>
  z
    .number()
    .describe(
      'no trade over the pools as a block left them earns more; whole native coins, before premiums and gas',
    )
const captured = () =>
  z
    .number()
    .describe(
      'earned of it by our trades in the next block; whole native coins after premiums, before gas; counted once they are final',
    )
const share = () => z.number().nullable().describe('captured over bound, 0 to 1; null where nothing was held')
const ahead = () =>
  z
    .number()
    .describe(
      'earned by our trades in the next block behind pending transactions, in whole native coins: no part of the bound, which had not seen those yet',
    )

const shareOf = (value: number | null) => (value === null ? null : rounded(value))

/** One block: its bound, and what we took of it in the next one. */
export const capturedBlock = view(
  z.object({
    block: block(),
    bound: bound(),
    planned: z.number().describe('what a plan of cycles takes of it, in whole native coins'),
    plannedNet: z.number().describe('planned less the gas of that plan, in whole native coins'),
    captured: captured(),
    share: share(),
    ahead: ahead(),
  }),
  (held: CapturedBlock) => ({
    block: held.block,
    bound: rounded(held.bound),
    planned: rounded(held.planned),
    plannedNet: rounded(held.plannedNet),
    captured: rounded(held.captured),
    share: shareOf(held.share),
    ahead: rounded(held.ahead),
  }),
)

/** The sums over the last blocks. */
export const capturedTotals = view(
  z.object({ blocks: z.int(), bound: bound(), captured: captured(), share: share(), ahead: ahead() }),
  (totals: CapturedShare) => ({
    blocks: totals.blocks,
    bound: rounded(totals.bound),
    captured: rounded(totals.captured),
    share: shareOf(totals.share),
    ahead: rounded(totals.ahead),
  }),
)

const ofBound = (value: number, { upperBound }: MarketBound) =>
  upperBound > 0 ? rounded(value / upperBound) : null

/** The maximum profit of the present market, with the prices that prove it. */
export const marketBound = view(
  z.object({
    block: block(),
    quote: z.string().describe('symbol of the quote token'),
    upperBound: z.number().describe('whole quote tokens, before gas; no trade over these pools earns more'),
    bestSingleCycle: z.number().describe('whole quote tokens, before gas'),
    plan: z.number().describe('what a plan of several cycles takes, exact; whole quote tokens, before gas'),
    planCycles: z.int(),
    singleCycleShare: z
      .number()
      .nullable()
      .describe('of the bound, 0 to 1; null where nothing can be earned'),
    planShare: z.number().nullable().describe('of the bound, 0 to 1; null where nothing can be earned'),
    converged: z.boolean().describe('false: the bound holds but is not tight'),
    iterations: z.int(),
    ...paged(
      'prices',
      z.object({ symbol: z.string(), price: z.number().describe('whole quote tokens per whole token') }),
    ),
  }),
  (found: MarketBound, paging: Page, market: MarketView) => ({
    block: market.head.number,
    quote: market.symbol(market.manifest.numeraire),
    upperBound: rounded(found.upperBound),
    bestSingleCycle: rounded(found.bestSingleCycle),
    plan: rounded(found.plan),
    planCycles: found.planCycles,
    singleCycleShare: ofBound(found.bestSingleCycle, found),
    planShare: ofBound(found.plan, found),
    converged: found.converged,
    iterations: found.iterations,
    ...paginate(
      'prices',
      [...found.prices].map(([token, rate]) => ({
        symbol: market.symbol(token),
        price: roundedPrice(humanPrice(market.manifest, tokenAt(market.manifest, token), rate)),
      })),
      paging,
    ),
  }),
)
