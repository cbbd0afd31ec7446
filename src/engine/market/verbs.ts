/** The verbs of the market port, written once over its plain state. */
import type { Address, Pool } from '../../amm/index.ts'
import type { TokenPrice } from '../../arbitrage/index.ts'
import type { Token } from '../../graph/index.ts'
import type { Head } from '../../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../../ports/manifest.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import { formatAmount } from '../../std/amounts.ts'
import { KintsugiError } from '../../std/errors.ts'
import { findToken, humanPrice, humanValue, tokenAt } from './tokens.ts'

/** Base class of every market: an implementation provides the state and inherits the verbs. */
export abstract class MarketVerbs implements MarketView {
  abstract readonly manifest: MarketManifest
  abstract readonly pools: ReadonlyMap<Address, Pool>
  abstract readonly head: Head
  abstract readonly observedAt: number
  abstract readonly failure: string | undefined
  abstract prices(): ReadonlyMap<Address, TokenPrice>
  abstract descriptor(pool: Address): PoolDescriptor | undefined
  abstract subscribe(listener: (change: MarketChange) => void): () => void

  token(text: string): Token {
    return findToken(this.manifest, text)
  }

  symbol(token: Address): string {
    return tokenAt(this.manifest, token).symbol
  }

  pool(address: Address): Pool {
    const pool = this.pools.get(address)
    if (pool) return pool
    throw new KintsugiError('not-found', `unknown pool ${address.slice(0, 64)}`, {
      hint: 'mcp_liquidity_server__liquidity_map lists the pools of this market',
    })
  }

  rate(token: Address): number | undefined {
    return this.prices().get(token)?.rate
  }

  price(token: Address): number | undefined {
    const rate = this.rate(token)
    return rate === undefined ? undefined : humanPrice(this.manifest, tokenAt(this.manifest, token), rate)
  }

  amount(token: Address, raw: bigint): { raw: bigint; amount: string } {
    const { symbol, decimals } = tokenAt(this.manifest, token)
    return { raw, amount: `${formatAmount(raw, decimals)} ${symbol}` }
  }

  worth(token: Address, amount: bigint): number | undefined {
    const rate = this.rate(token)
    return rate === undefined ? undefined : humanValue(this.manifest, Number(amount) * rate)
  }
}
