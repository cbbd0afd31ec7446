/** Calldata of an intent, in the packed layout of contracts/src/KintsugiExecutor.sol. */
import { encodeFunctionData, type Hex, parseAbi } from 'viem'
import type { ExecuteIntent } from './intents.ts'

/** The ABI of the executor's only entry point. */
export const EXECUTE_ABI = parseAbi(['function execute(bytes plan)'])

const LENDER_CODE = {
  'aave-v3': 1,
  'balancer-v2': 2,
  'uniswap-v3': 3,
  'uniswap-v2': 4,
  'own-capital': 5,
} as const

const bytes = (value: bigint | number, length: number) => value.toString(16).padStart(length * 2, '0')

const VENUE_CODE = { pair: 0, concentrated: 1, vault: 2, managed: 3 } as const

type Plan = Pick<ExecuteIntent, 'lender' | 'token' | 'amount' | 'minProfit' | 'deadline' | 'cycles'>

/**
 * The packed plan: 81 bytes of header, 17 per cycle and 43 per leg. Integers are big-endian; values must fit
 * their fields (see `intent`).
 */
export function encodePlan(plan: Plan): Hex {
  const head =
    bytes(LENDER_CODE[plan.lender.kind] | (plan.lender.isToken0 ? 0x80 : 0), 1) +
    plan.lender.address.slice(2) +
    plan.token.slice(2) +
    bytes(plan.amount, 16) +
    bytes(plan.minProfit, 16) +
    bytes(plan.deadline, 8)
  const cycles = plan.cycles.map(({ amountIn, legs }) => {
    const packed = legs.map(
      (leg) =>
        bytes(VENUE_CODE[leg.venue], 1) + bytes(leg.feeBps, 2) + leg.pool.slice(2) + leg.tokenIn.slice(2),
    )
    return bytes(legs.length, 1) + bytes(amountIn, 16) + packed.join('')
  })
  return `0x${head}${cycles.join('')}`
}

/** The calldata of `execute(plan)`: selector and ABI-encoded packed plan. */
export function encodeExecute(plan: Plan): Hex {
  return encodeFunctionData({ abi: EXECUTE_ABI, functionName: 'execute', args: [encodePlan(plan)] })
}
