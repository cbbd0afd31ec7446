/** The policies in force where no agent has issued another: conservative, and the same at every start. */
import type { Policies } from '../../arbitrage/index.ts'
import { termsOf } from '../chains/profiles.ts'

/** A chain's: up to two fifths of the profit may be bid for a place in the block, where a bid buys one. */
export function standingPolicies(chainId: number): Required<Policies> {
  const head = { version: 1, issuedBy: 'configuration', expiresAt: null }
  const { gas, maxGasCost, maxFeePerGas } = termsOf(chainId)
  const [bidShareBps, minPriorityFee] = gas.kind === 'arbitrum' ? [0, 0n] : [4_000, gas.minPriorityFee]
  return {
    gas: { ...head, bidShareBps, minPriorityFee, maxFeePerGas },
    risk: {
      ...head,
      halted: false,
      minNetProfit: 1n,
      maxGasCost,
      maxInFlight: 6,
      minShareBps: 1_000,
      maxAgeBlocks: 1,
    },
    lender: { ...head, allowed: ['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2', 'own-capital'] },
  }
}
