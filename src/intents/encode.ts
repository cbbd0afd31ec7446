/** The calldata of an intent, in the packed form that contracts/src/KintsugiExecutor.sol reads. */
import { encodeFunctionData, type Hex, parseAbi } from 'viem'
import type { ExecuteIntent } from './intents.ts'

export const EXECUTE_ABI = parseAbi(['function execute(bytes plan)'])

const LENDER_CODE = { 'aave-v3': 1, 'balancer-v2': 2, 'uniswap-v3': 3, 'uniswap-v2': 4 } as const

const bytes = (value: bigint | number, length: number) => value.toString(16).padStart(length * 2, '0')

/** The packed plan: 81 bytes of head and 43 per leg. */
export function encodePlan(intent: Pick<ExecuteIntent, 'lender' | 'token' | 'amount' | 'minProfit' | 'deadline' | 'legs'>): Hex {
  const head =
    bytes(LENDER_CODE[intent.lender.kind] | (intent.lender.isToken0 ? 0x80 : 0), 1) +
    intent.lender.address.slice(2) +
    intent.token.slice(2) +
    bytes(intent.amount, 16) +
    bytes(intent.minProfit, 16) +
    bytes(intent.deadline, 8)
  const legs = intent.legs.map(
    (leg) => bytes((leg.kind === 'concentrated' ? 1 : 0) | (leg.zeroForOne ? 2 : 0), 1) + bytes(leg.feeBps, 2) + leg.pool.slice(2) + leg.tokenIn.slice(2),
  )
  return `0x${head}${legs.join('')}`
}

/** The whole call. */
export function encodeExecute(intent: Pick<ExecuteIntent, 'lender' | 'token' | 'amount' | 'minProfit' | 'deadline' | 'legs'>): Hex {
  return encodeFunctionData({ abi: EXECUTE_ABI, functionName: 'execute', args: [encodePlan(intent)] })
}
