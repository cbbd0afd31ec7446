/** Writes each block's changed prices to the ledger. */
import type { Ledger } from '../../ports/ledger.ts'
import type { MarketView } from '../../ports/market.ts'
import type { Background, Log } from '../../ports/service.ts'
import { messageOf } from '../../std/errors.ts'
import { humanPrice } from './tokens.ts'

/** Maximum number of tokens: the first of the manifest, which are the most connected ones. */
const MAX_TOKENS = 50

/** Records all prices now and the changed ones after each block, until it is stopped. Logs failures. */
export function recordPricesEachBlock(
  market: MarketView,
  ledger: Pick<Ledger, 'recordPrices'>,
  now: () => number,
  log: Log,
): Background {
  const last = new Map<string, number>()
  const tokens = market.manifest.tokens.slice(0, MAX_TOKENS)
  const record = () => {
    const prices = market.prices()
    const points = tokens.flatMap((token) => {
      const found = prices.get(token.address)
      if (!found || last.get(token.symbol) === found.rate) return []
      last.set(token.symbol, found.rate)
      return [
        {
          symbol: token.symbol,
          price: humanPrice(market.manifest, token, found.rate),
          block: market.head.number,
          at: now(),
        },
      ]
    })
    if (points.length > 0)
      ledger
        .recordPrices(points)
        .catch((error) => log.warn({ error: messageOf(error) }, 'prices of a block were not recorded'))
  }
  record()
  const stop = market.subscribe(record)
  return { stop }
}
