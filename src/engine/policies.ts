/** The policies in force where no agent has issued another: conservative, and the same at every start. */
import type { Policies } from '../arbitrage/index.ts'

const GWEI = 10n ** 9n
const ETHER = 10n ** 18n

/** The embedded chain's: gas is worth little there; up to two fifths of the profit may be bid for a place in the block. */
export function localPolicies(): Required<Policies> {
  const head = { version: 1, issuedBy: 'configuration', expiresAt: null }
  return {
    gas: { ...head, bidShareBps: 4_000, minPriorityFee: GWEI / 100n, maxFeePerGas: 200_000n * GWEI },
    risk: { ...head, halted: false, minNetProfit: 1n, maxGasCost: 50n * ETHER, maxInFlight: 6, leastShareBps: 1_000, maxAgeBlocks: 1 },
    lender: { ...head, allowed: ['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2', 'own-capital'] },
  }
}
