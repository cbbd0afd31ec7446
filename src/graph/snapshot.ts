/** The format `market-snapshot/1`: a market as data. All amounts are integers as decimal strings, in smallest units. */
import { z } from 'zod'
import type { Address, ConcentratedPool, ConstantProductPool, Pool } from '../amm/index.ts'
import { KintsugiError } from '../std/errors.ts'

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address: 0x and 40 hexadecimal digits')
  .transform((text) => text.toLowerCase() as Address)
const integer = z
  .string()
  .regex(/^-?\d+$/, 'expected an integer as a decimal string')
  .transform(BigInt)
const unsigned = z.string().regex(/^\d+$/, 'expected a non-negative integer as a decimal string').transform(BigInt)

const identity = { address, dex: z.string().min(1), block: z.number().int().optional() }
const pair = z.tuple([address, address])

const poolSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('constant-product'), ...identity, tokens: pair, reserves: z.tuple([unsigned, unsigned]), feeBps: z.number().int().min(0).max(9_999) }),
  z.object({
    kind: z.literal('concentrated'),
    ...identity,
    tokens: pair,
    sqrtPriceX96: unsigned,
    liquidity: unsigned,
    tick: z.number().int(),
    tickSpacing: z.number().int().positive(),
    feePips: z.number().int().min(0).max(999_999),
    ticks: z.array(z.tuple([z.number().int(), integer])).optional(),
  }),
  z.object({ kind: z.literal('weighted'), ...identity, tokens: z.array(address).min(2), balances: z.array(unsigned), weights: z.array(unsigned), swapFee: unsigned }),
  z.object({
    kind: z.literal('stable'),
    ...identity,
    tokens: z.array(address).min(2),
    balances: z.array(unsigned),
    scalingFactors: z.array(unsigned),
    amp: unsigned,
    swapFee: unsigned,
  }),
])

const snapshotSchema = z.object({
  schema: z.literal('market-snapshot/1'),
  chainId: z.number().int().positive(),
  block: z.number().int().nonnegative(),
  tokens: z.array(z.object({ address, symbol: z.string(), decimals: z.number().int().min(0).max(255) })),
  pools: z.array(poolSchema),
})

export interface Token {
  readonly address: Address
  readonly symbol: string
  readonly decimals: number
}

export interface MarketSnapshot {
  readonly chainId: number
  readonly block: number
  readonly tokens: readonly Token[]
  /** The pools of kinds that this version trades. */
  readonly pools: readonly Pool[]
  /** Pools left out, counted by reason; never guessed. */
  readonly leftOut: Readonly<Record<string, number>>
}

/** Reads a snapshot. Throws `snapshot-invalid` naming the path of the first wrong fields. */
export function parseSnapshot(json: unknown): MarketSnapshot {
  const parsed = snapshotSchema.safeParse(json)
  if (!parsed.success) {
    const issues = parsed.error.issues.slice(0, 5).map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`)
    throw new KintsugiError('snapshot-invalid', `not a market-snapshot/1: ${issues.join('; ')}`, { hint: 'see the format in docs/market-snapshot.md' })
  }
  const known = new Set(parsed.data.tokens.map((token) => token.address))
  const pools: Pool[] = []
  const leftOut: Record<string, number> = {}
  const leave = (reason: string) => {
    leftOut[reason] = (leftOut[reason] ?? 0) + 1
  }
  for (const raw of parsed.data.pools) {
    if (raw.kind === 'weighted' || raw.kind === 'stable') leave(`kind ${raw.kind} is not traded yet`)
    else if (!raw.tokens.every((token) => known.has(token))) leave('a token of the pool is not listed')
    else if (raw.tokens[0] >= raw.tokens[1]) leave('tokens are not in ascending order')
    else if (raw.kind === 'constant-product') {
      if (raw.reserves[0] === 0n || raw.reserves[1] === 0n) leave('empty pool')
      else pools.push({ kind: raw.kind, address: raw.address, dex: raw.dex, tokens: raw.tokens, reserves: raw.reserves, feeBps: raw.feeBps } satisfies ConstantProductPool)
    } else if (raw.liquidity === 0n) leave('empty pool')
    else {
      const { kind, address, dex, tokens, sqrtPriceX96, liquidity, tick, tickSpacing, feePips } = raw
      const ticks = raw.ticks?.map(([at, net]) => [at, net, net < 0n ? -net : net] as const)
      pools.push({ kind, address, dex, tokens, sqrtPriceX96, liquidity, tick, tickSpacing, feePips, ...(ticks ? { ticks } : {}) } satisfies ConcentratedPool)
    }
  }
  return { chainId: parsed.data.chainId, block: parsed.data.block, tokens: parsed.data.tokens, pools, leftOut }
}
