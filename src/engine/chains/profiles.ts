/** The chains that are known, and the embedded one. */
import { arbitrum } from './arbitrum.ts'
import { base } from './base.ts'
import { ethereum } from './ethereum.ts'
import { optimism } from './optimism.ts'
import { polygon } from './polygon.ts'
import type { ChainProfile, TradingTerms } from './profile.ts'

const GWEI = 10n ** 9n
const ETHER = 10n ** 18n

export const PROFILES: readonly ChainProfile[] = [polygon, ethereum, arbitrum, base, optimism]

/** The rules of trading on the embedded chain: its profile is built together with its market. */
const LOCAL: TradingTerms = {
  submission: { kind: 'public' },
  gas: { kind: 'auction', minPriorityFee: 10_000_000n },
  finality: { tag: 'finalized', depthWithoutTag: 64 },
  maxGasCost: 50n * ETHER,
  maxFeePerGas: 200_000n * GWEI,
}

/** How to trade on a chain. */
export function termsOf(chainId: number): TradingTerms {
  return PROFILES.find((profile) => profile.chainId === chainId) ?? LOCAL
}
