/** The default policies, in force until an agent issues others: conservative, and the same at every start. */
import type { Policies } from '../../arbitrage/index.ts'
import { termsOf } from '../chains/profiles.ts'

/**
 * The default policies of a chain. Up to two fifths of the profit may be bid if a bid buys a place in the
 * block. `halted`: nothing is traded.
 */
export function standingPolicies(chainId: number, halted = false): Required<Policies> {
  const head = { version: 1, issuedBy: 'configuration', expiresAt: null }
  const { gas, maxGasCost, maxFeePerGas } = termsOf(chainId)
  const [bidShareBps, minPriorityFee] = gas.kind === 'arbitrum' ? [0, 0n] : [4_000, gas.minPriorityFee]
  return {
    gas: { ...head, bidShareBps, minPriorityFee, maxFeePerGas },
    risk: {
      ...head,
      halted,
      minNetProfit: 1n,
      maxGasCost,
      maxInFlight: 6,
      minShareBps: 1_000,
      maxAgeBlocks: 1,
    },
    lender: { ...head, allowed: ['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2', 'own-capital'] },
  }
}
