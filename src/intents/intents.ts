/** The typed intents that the signer will sign, and nothing else; shared by the engine and the signer. */
import * as z from 'zod'
import type { Address } from '../amm/index.ts'

const address = z
  .string()
  .regex(/^0x[0-9a-f]{40}$/)
  .transform((text) => text as Address)
const amount = z.bigint().nonnegative()
const uint128 = amount.max((1n << 128n) - 1n)

const fees = {
  chainId: z.number().int().positive(),
  /** The sender: must be the signer's own account. */
  account: address,
  nonce: z.number().int().nonnegative(),
  gasLimit: amount,
  maxFeePerGas: amount,
  maxPriorityFeePerGas: amount,
  /** The executor's lease: a lower number than one seen before is refused. */
  lease: z.number().int().nonnegative(),
}

const executeIntent = z.object({
  type: z.literal('execute'),
  ...fees,
  executor: address,
  lender: z.object({
    kind: z.enum(['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2', 'own-capital']),
    address,
    isToken0: z.boolean(),
  }),
  token: address,
  amount: uint128,
  minProfit: uint128,
  /** Seconds since 1970. */
  deadline: z.number().int().positive(),
  /** Run one after another on the loan. */
  cycles: z
    .array(
      z.object({
        amountIn: uint128,
        legs: z
          .array(
            z.object({
              /** How the contract trades there: see contracts/src/Venues.sol. */
              venue: z.enum(['pair', 'concentrated', 'vault', 'managed']),
              /** The pool; for a managed one fee and tick spacing, three bytes each, at the end of 20. */
              pool: address,
              tokenIn: address,
              feeBps: z.number().int().min(0).max(9_999),
            }),
          )
          .min(2)
          .max(6),
      }),
    )
    .min(1)
    .max(16),
})

/** Fills a nonce with a transfer of nothing to ourselves: how a stuck transaction is withdrawn. */
const cancelIntent = z.object({ type: z.literal('cancel'), ...fees })

export const intent = z.discriminatedUnion('type', [executeIntent, cancelIntent])
export type ExecuteIntent = z.infer<typeof executeIntent>
export type Intent = z.infer<typeof intent>
