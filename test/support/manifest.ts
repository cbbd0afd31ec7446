/** The manifest of a market made in a test: what a test does not set is empty or zero. */
import type { Address } from '../../src/amm/index.ts'
import type { MarketManifest } from '../../src/ports/manifest.ts'

/** `native` is the wrapped native coin, the numeraire and the only start token, unless `given` differs. */
export const testManifest = (native: Address, given: Partial<MarketManifest> = {}): MarketManifest => ({
  chainId: 1,
  genesis: '0x0',
  genesisBlock: 0,
  network: 'test',
  nativeSymbol: 'A',
  wrappedNative: native,
  numeraire: native,
  tokens: [],
  pools: [],
  exchanges: [],
  discoveredAt: 0,
  startTokens: [native],
  multicall: '0x0',
  ...given,
})
