/** Field types that many tools share. Amounts are integers as decimal strings, in the token's smallest unit. */
import * as z from 'zod'

export const amount = () =>
  z.string().regex(/^\d{1,78}$/, 'expected a non-negative integer as a decimal string, in the smallest unit')

export const signedAmount = () =>
  z.string().regex(/^-?\d{1,78}$/, 'expected an integer as a decimal string, in the smallest unit')

export const address = () =>
  z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address: 0x and 40 hexadecimal digits')
    .transform((text) => text.toLowerCase() as `0x${string}`)

export const limit = (most: number, usual: number) =>
  z.int().min(1).max(most).default(usual).describe(`at most this many (1 to ${most})`)

export const offset = () => z.int().min(0).max(1_000_000).default(0).describe('skip this many first')

export const symbolOrAddress = () =>
  z
    .string()
    .trim()
    .min(1)
    .max(64)
    .describe('a token by symbol (ETH, WETH, USDC; ETH and MATIC name their wrapped tokens) or by address')
