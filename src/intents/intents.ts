/**
 * The intents that the signer signs; it signs nothing else. Shared by engine and signer. Amounts in smallest
 * units, gas prices in wei.
 */
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
  /** Run in sequence on one loan. */
  cycles: z
    .array(
      z.object({
        amountIn: uint128,
        legs: z
          .array(
            z.object({
              /** The contract's way of trading: see contracts/src/Venues.sol. */
              venue: z.enum(['pair', 'concentrated', 'vault', 'managed']),
              /**
               * The pool; for a managed pool its fee and tick spacing, three bytes each, in the last 6 of 20
               * bytes.
               */
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

/** Fills a nonce with a transfer of 0 to the account itself: replaces a stuck transaction. */
const cancelIntent = z.object({ type: z.literal('cancel'), ...fees })

/** Schema of an intent. Unknown types are refused; amounts are bigint. */
export const intent = z.discriminatedUnion('type', [executeIntent, cancelIntent])
/** A flash-loan trade by the executor contract. */
export type ExecuteIntent = z.infer<typeof executeIntent>
/** Any intent; `type` discriminates. */
export type Intent = z.infer<typeof intent>
