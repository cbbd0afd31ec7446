/**
 * What people want from a trade: settings in the ledger, so that every instance has them and they survive a
 * restart.
 */
import type { Ledger } from '../../ports/ledger.ts'

/** The minimum profit and chance of a trade, and the maximum bid. */
export interface ProfitTargets {
  /** Minimum expected profit, in whole native coins. */
  readonly minNetNative: number
  /** Minimum chance of being first, 0 to 1. */
  readonly minChance: number
  /** Maximum share of the profit that may be bid as priority fee, 0 to 1. */
  readonly maxBidShare: number
}

/** Changes; a field that is missing or undefined stays. */
export type TargetChanges = { readonly [K in keyof ProfitTargets]?: ProfitTargets[K] | undefined }

const KEY = 'profit-targets'
const DEFAULT_TARGETS: ProfitTargets = { minNetNative: 0, minChance: 0, maxBidShare: 0.4 }

/** The targets in force. Throws what the ledger throws. */
export async function profitTargets(ledger: Pick<Ledger, 'setting'>): Promise<ProfitTargets> {
  return { ...DEFAULT_TARGETS, ...(await ledger.setting<Partial<ProfitTargets>>(KEY)) }
}

/** Changes the targets for all instances; returns those in force. Throws what the ledger throws. */
export async function saveProfitTargets(
  ledger: Pick<Ledger, 'setting' | 'saveSetting'>,
  changes: TargetChanges,
): Promise<ProfitTargets> {
  const known = await profitTargets(ledger)
  const targets: ProfitTargets = {
    minNetNative: changes.minNetNative ?? known.minNetNative,
    minChance: changes.minChance ?? known.minChance,
    maxBidShare: changes.maxBidShare ?? known.maxBidShare,
  }
  await ledger.saveSetting(KEY, targets)
  return targets
}
