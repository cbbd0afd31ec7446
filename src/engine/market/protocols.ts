/** Sums of the market by exchange and by lender. Values in whole numeraire units. */
import type { LenderKind } from '../../flash/index.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import type { PoolReturns } from './lp-returns.ts'

export interface ExchangeTotal {
  readonly dex: string
  readonly pools: number
  readonly value: number
  readonly volume: number
  readonly fees: number
}

export interface LenderTotal {
  readonly kind: LenderKind
  readonly tokens: number
  readonly value: number
}

/** Every exchange, largest value first. */
export function exchangeTotals(market: MarketView, returns: PoolReturns): ExchangeTotal[] {
  return [...Map.groupBy(market.pools.values(), (pool) => pool.dex)]
    .map(([dex, pools]) => {
      const yields = pools.map((pool) => returns.yieldOf(pool))
      const sum = (field: 'value' | 'volume' | 'fees') =>
        yields.reduce((total, each) => total + each[field], 0)
      return { dex, pools: pools.length, value: sum('value'), volume: sum('volume'), fees: sum('fees') }
    })
    .sort((a, b) => b.value - a.value)
}

/** The available loans of the lending protocols. Exchanges lend too; their value is in `exchangeTotals`. */
export function lenderTotals(market: MarketView, loans: LoanMarket): LenderTotal[] {
  const offers = market.manifest.tokens
    .flatMap(({ address }) => loans.offers(address))
    .filter(({ kind }) => kind === 'aave-v3' || kind === 'balancer-v2')
  return [...Map.groupBy(offers, ({ kind }) => kind)].map(([kind, list]) => ({
    kind,
    tokens: list.length,
    value: list.reduce((sum, { token, available }) => sum + (market.worth(token, available) ?? 0), 0),
  }))
}
