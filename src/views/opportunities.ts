/** Opportunities and their legs as they are shown. */
import * as z from 'zod'
import { type Leg, legsOf, type Opportunity } from '../arbitrage/index.ts'
import { nativeNumbers } from '../engine/trading/opportunities.ts'
import type { RankedCycle } from '../engine/trading/ranked-cycles.ts'
import { sizeCycle } from '../graph/index.ts'
import { block, pool, rounded, tokenAmount } from '../mcp/fields.ts'
import type { MarketView } from '../ports/market.ts'
import { view } from './view.ts'

/** One pool on the way, with the direction of the trade. */
const leg = view(
  z.object({
    pool: pool(),
    dex: z.string(),
    kind: z.string(),
    tokenIn: z.string().describe('symbol'),
    tokenOut: z.string().describe('symbol'),
  }),
  ({ pool: address, dex, kind, tokenIn, tokenOut }: Leg, market: MarketView) => ({
    pool: address,
    dex,
    kind,
    tokenIn: market.symbol(tokenIn),
    tokenOut: market.symbol(tokenOut),
  }),
)

/** An opportunity: what is borrowed, where it goes, what comes out. */
export const opportunity = view(
  z.object({
    id: z.string().describe('explain_opportunity takes it once the executor has decided'),
    block: block(),
    token: z.string().describe('symbol of the token borrowed and earned'),
    cycles: z
      .array(z.object({ route: z.array(leg.schema), amountIn: tokenAmount() }))
      .describe('run one after another in one transaction'),
    borrowed: tokenAmount(),
    lender: z.string(),
    premium: tokenAmount(),
    profit: tokenAmount().describe('after the premium, before gas'),
    value: z.number().nullable().describe('the profit in whole quote tokens; null without a price'),
  }),
  (found: Opportunity, market: MarketView) => {
    const value = market.worth(found.token, found.profit)
    return {
      id: found.id,
      block: found.block,
      token: market.symbol(found.token),
      cycles: found.cycles.map(({ legs, amounts }) => ({
        route: legs.map((each) => leg.of(each, market)),
        amountIn: market.amount(found.token, amounts[0] ?? 0n),
      })),
      borrowed: market.amount(found.token, found.borrowed),
      lender: found.loan.kind,
      premium: market.amount(found.token, found.premium),
      profit: market.amount(found.token, found.profit),
      value: value === undefined ? null : rounded(value),
    }
  },
)

/** Why there is no opportunity, in words. */
export const nothingPays = (market: MarketView): string =>
  `nothing pays at block ${market.head.number}; opportunities live for a block or two`

/** An opportunity with its gas and what it leaves. */
export const pricedOpportunity = view(
  z.object({
    opportunity: opportunity.schema,
    gasUnits: z.int().describe("gas of the transaction, by the guard's estimate"),
    netNative: z.number().describe('profit less gas at the present base fee, in whole native coins'),
  }),
  (found: Opportunity, market: MarketView) => {
    const { gross, gas, gasUnits } = nativeNumbers(found, market)
    return { opportunity: opportunity.of(found, market), gasUnits, netNative: rounded((gross - gas) / 1e18) }
  },
)

/** A cycle through a token, whether it pays or not. */
export const rankedCycle = view(
  z.object({
    route: z.array(leg.schema),
    gainPercent: z
      .number()
      .describe('gain of a tiny amount in one round after fees, in percent; above 0 the cycle pays'),
    amountIn: tokenAmount().nullable().describe('its best size; null where it does not pay'),
    grossProfit: tokenAmount()
      .nullable()
      .describe('at that size, without loan or gas; null where it does not pay'),
  }),
  ({ cycle, gain }: RankedCycle, market: MarketView) => {
    const sized = sizeCycle(cycle, market.pools)
    const token = cycle[0]?.tokenIn
    const amount = (raw: bigint | undefined) =>
      raw === undefined || token === undefined ? null : market.amount(token, raw)
    return {
      route: legsOf(cycle, market.pools).map((each) => leg.of(each, market)),
      gainPercent: rounded(100 * gain),
      amountIn: amount(sized?.amounts[0]),
      grossProfit: amount(sized?.grossProfit),
    }
  },
)
