/**
 * The format `market-snapshot/1` (docs/market-snapshot.md). Amounts are integers in smallest units, as
 * decimal strings.
 */
import * as z from 'zod'
import type {
  Address,
  ConcentratedPool,
  ConstantProductPool,
  Pool,
  StablePool,
  WeightedPool,
} from '../amm/index.ts'
import { KintsugiError } from '../std/errors.ts'

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address: 0x and 40 hexadecimal digits')
  .transform((text) => text.toLowerCase() as Address)
const integer = z
  .string()
  .regex(/^-?\d+$/, 'expected an integer as a decimal string')
  .transform(BigInt)
const unsigned = z
  .string()
  .regex(/^\d+$/, 'expected a non-negative integer as a decimal string')
  .transform(BigInt)

const identity = { address, dex: z.string().min(1), block: z.number().int().optional() }
const pair = z.tuple([address, address])

const poolSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('constant-product'),
    ...identity,
    tokens: pair,
    reserves: z.tuple([unsigned, unsigned]),
    feeBps: z.number().int().min(0).max(9_999),
  }),
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
    engine: z.enum(['uniswap-v3', 'uniswap-v4', 'algebra']).optional(),
  }),
  z.object({
    kind: z.literal('weighted'),
    ...identity,
    tokens: z.array(address).min(2),
    balances: z.array(unsigned),
    weights: z.array(unsigned),
    swapFee: unsigned,
  }),
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

const FORMAT = 'market-snapshot/1'

const snapshotSchema = z.object({
  schema: z.literal(FORMAT),
  chainId: z.number().int().positive(),
  block: z.number().int().nonnegative(),
  tokens: z.array(z.object({ address, symbol: z.string(), decimals: z.number().int().min(0).max(255) })),
  pools: z.array(poolSchema),
})

/** An ERC-20 token; one whole token has 10^decimals smallest units. */
export interface Token {
  readonly address: Address
  readonly symbol: string
  readonly decimals: number
}

/** A market at one block. */
export interface MarketSnapshot {
  readonly chainId: number
  readonly block: number
  readonly tokens: readonly Token[]
  /** The usable pools. */
  readonly pools: readonly Pool[]
  /** Number of pools left out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>
}

/** Parses a snapshot. Throws `snapshot-invalid` with the paths of up to five invalid fields. */
export function parseSnapshot(json: unknown): MarketSnapshot {
  const format = (json as { schema?: unknown } | null)?.schema
  if (format !== FORMAT)
    throw invalid(`schema: expected "${FORMAT}" (got ${JSON.stringify(format)?.slice(0, 60) ?? 'nothing'})`)
  const parsed = snapshotSchema.safeParse(json)
  if (!parsed.success)
    throw invalid(
      parsed.error.issues
        .slice(0, 5)
        .map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`)
        .join('; '),
    )
  const pools: Pool[] = []
  const leftOut: Record<string, number> = {}
  const decimals = new Map(parsed.data.tokens.map((token) => [token.address, token.decimals]))
  for (const raw of parsed.data.pools) {
    const pool = poolOf(raw, decimals)
    if (typeof pool === 'string') leftOut[pool] = (leftOut[pool] ?? 0) + 1
    else pools.push(pool)
  }
  return {
    chainId: parsed.data.chainId,
    block: parsed.data.block,
    tokens: parsed.data.tokens,
    pools,
    leftOut,
  }
}

const invalid = (problems: string): KintsugiError =>
  new KintsugiError('snapshot-invalid', `not a ${FORMAT}: ${problems}`, {
    hint: 'see the format in docs/market-snapshot.md',
  })

/** The pool, or the reason why it is left out. */
function poolOf(raw: z.infer<typeof poolSchema>, decimals: ReadonlyMap<Address, number>): Pool | string {
  if (!raw.tokens.every((token) => decimals.has(token))) return 'a token of the pool is not listed'
  if (raw.tokens.some((token, index) => index > 0 && (raw.tokens[index - 1] as Address) >= token))
    return 'tokens are not in ascending order'
  const { address, dex } = raw
  switch (raw.kind) {
    case 'constant-product':
      if (raw.reserves[0] === 0n || raw.reserves[1] === 0n) return 'empty pool'
      return {
        kind: raw.kind,
        address,
        dex,
        tokens: raw.tokens,
        reserves: raw.reserves,
        feeBps: raw.feeBps,
      } satisfies ConstantProductPool
    case 'concentrated': {
      if (raw.liquidity === 0n || raw.sqrtPriceX96 === 0n) return 'empty pool'
      const { kind, tokens, sqrtPriceX96, liquidity, tick, tickSpacing, feePips, engine } = raw
      const ticks = raw.ticks?.map(([at, net]) => [at, net, net < 0n ? -net : net] as const)
      return {
        kind,
        address,
        dex,
        tokens,
        sqrtPriceX96,
        liquidity,
        tick,
        tickSpacing,
        feePips,
        ...(ticks ? { ticks } : {}),
        ...(engine ? { engine } : {}),
      } satisfies ConcentratedPool
    }
    case 'weighted': {
      if (raw.balances.length !== raw.tokens.length || raw.weights.length !== raw.tokens.length)
        return 'balances or weights do not match the tokens'
      if (raw.balances.some((balance) => balance === 0n) || raw.weights.some((weight) => weight === 0n))
        return 'empty pool'
      const scales = raw.tokens.map((token) => decimals.get(token) as number)
      if (scales.some((places) => places > 18))
        return 'a token of more than 18 decimals, which the vault does not support'
      const scalingFactors = scales.map((places) => 10n ** BigInt(36 - places))
      return {
        kind: raw.kind,
        address,
        dex,
        tokens: raw.tokens,
        balances: raw.balances,
        weights: raw.weights,
        swapFee: raw.swapFee,
        scalingFactors,
      } satisfies WeightedPool
    }
    case 'stable': {
      if (raw.balances.length !== raw.tokens.length || raw.scalingFactors.length !== raw.tokens.length)
        return 'balances or scaling factors do not match the tokens'
      if (raw.balances.some((balance) => balance === 0n)) return 'empty pool'
      const { kind, tokens, balances, scalingFactors, amp, swapFee } = raw
      return { kind, address, dex, tokens, balances, scalingFactors, amp, swapFee } satisfies StablePool
    }
  }
}
