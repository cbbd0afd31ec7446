/** Tokens by symbol, and amounts and prices in whole units. */
import type { Address } from '../../amm/index.ts'
import type { Token } from '../../graph/index.ts'
import type { MarketManifest } from '../../ports/manifest.ts'
import { KintsugiError } from '../../std/errors.ts'

/**
 * A token by symbol or address; ETH, MATIC, BTC and POL name their wrapped tokens. Throws `unknown-symbol`
 * with the known symbols.
 */
export function findToken(manifest: MarketManifest, text: string): Token {
  const wanted = text.trim().toLowerCase()
  const found =
    manifest.tokens.find((token) => token.address === wanted) ??
    manifest.tokens.find((token) => token.symbol.toLowerCase() === wanted) ??
    manifest.tokens.find((token) => token.symbol.toLowerCase() === `w${wanted}`) ??
    (wanted === 'pol' ? manifest.tokens.find((token) => token.address === manifest.wrappedNative) : undefined)
  if (found) return found
  const symbols = manifest.tokens.map((token) => token.symbol)
  throw new KintsugiError('unknown-symbol', `unknown token ${JSON.stringify(text.slice(0, 64))}`, {
    hint: `known: ${symbols.slice(0, 20).join(', ')}${symbols.length > 20 ? ` and ${symbols.length - 20} more` : ''}`,
  })
}

/**
 * The token at an address; for one outside the manifest a shortened address as its symbol and 18 decimals.
 */
export function tokenAt(manifest: MarketManifest, address: Address): Token {
  return (
    manifest.tokens.find((token) => token.address === address) ?? {
      address,
      symbol: `${address.slice(0, 8)}…`,
      decimals: 18,
    }
  )
}

/** Numeraire per whole token, from a rate between smallest units. */
export function humanPrice(manifest: MarketManifest, token: Token, rate: number): number {
  return rate * 10 ** (token.decimals - tokenAt(manifest, manifest.numeraire).decimals)
}

/** A numeraire amount in whole units, from smallest units. */
export function humanValue(manifest: MarketManifest, value: number): number {
  return value / 10 ** tokenAt(manifest, manifest.numeraire).decimals
}
