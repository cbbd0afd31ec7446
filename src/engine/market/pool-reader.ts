/** Reads the state of pools: many per call, with code that overrides an address for that call. */
import { type Abi, decodeAbiParameters, decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type {
  Address,
  ConcentratedPool,
  ConstantProductPool,
  Pool,
  StablePool,
  WeightedPool,
} from '../../amm/index.ts'
import type { Chain, Hex } from '../../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../../ports/manifest.ts'
import { AdaptiveLimit } from '../../std/adaptive-limit.ts'
import { messageOf } from '../../std/errors.ts'
import { withProtocolFee } from './pool-events.ts'

const READER: Address = '0x00000000000000000000000000000000000f1e1d'
const readerAbi = parseAbi([
  'struct Query { uint8 kind; address at; bytes32 id; int24 tickSpacing; }',
  'function read(Query[] queries) view returns (bytes[] state)',
])
/** Kinds of pools as MarketReader.sol numbers them. */
const READER_KIND = { pair: 0, concentrated: 1, algebra: 2, weighted: 3, stable: 4, managed: 5 } as const
const NO_ID: Hex = `0x${'0'.repeat(64)}`
const READ_GAS = 2_000_000_000n
/** Maximum bitmap words per call: bounds the node's work. */
const WORDS_PER_CALL = 4_000
/** After a faster answer the next read is larger, in ms. */
const EASY_MS = 250
const TOO_MUCH =
  /out of gas|gas (limit|allowance)|too (large|big|many)|limit exceeded|size|timed? ?out|did not answer/i

/** The adaptive number of pools per read, starting at the setting. */
export function readBatch(size: number): AdaptiveLimit {
  return new AdaptiveLimit({ initial: size, min: 1, max: size * 4 })
}

export interface PoolReaderOptions {
  chain: Chain
  /** Runtime code of contracts/src/MarketReader.sol. */
  readerCode: Hex
  /** Pools per read: reduced when the node refuses or is slow, raised when it is fast. */
  batch: AdaptiveLimit
}

/** Reads `pools` at `block`; pools without a state are left out. Throws what the chain throws. */
export async function readPools(
  options: PoolReaderOptions,
  manifest: Pick<MarketManifest, 'tokens' | 'uniswapV4'>,
  pools: readonly PoolDescriptor[],
  block: number,
): Promise<Map<Address, Pool>> {
  const decimals = new Map(manifest.tokens.map((token) => [token.address, token.decimals]))
  const found = new Map<Address, Pool>()
  const read = async (batch: readonly PoolDescriptor[]): Promise<void> => {
    const states = await readStates(options, manifest, batch, block)
    if (!states) {
      const half = batch.length >> 1
      await Promise.all([read(batch.slice(0, half)), read(batch.slice(half))])
      return
    }
    batch.forEach((descriptor, index) => {
      const pool = decodePool(descriptor, states[index] as Hex, decimals)
      if (pool) found.set(descriptor.address, pool)
    })
  }
  await Promise.all(batches(pools, options.batch.value).map(read))
  return found
}

/** One read; undefined if it was too large for the node. */
async function readStates(
  { chain, readerCode, batch: limit }: PoolReaderOptions,
  manifest: Pick<MarketManifest, 'uniswapV4'>,
  batch: readonly PoolDescriptor[],
  block: number,
): Promise<readonly Hex[] | undefined> {
  const data = encodeFunctionData({
    abi: readerAbi as Abi,
    functionName: 'read',
    args: [batch.map((pool) => queryOf(pool, manifest))],
  })
  const started = performance.now()
  try {
    const result = await chain.call({ to: READER, data, gas: READ_GAS }, block, { [READER]: readerCode })
    if (batch.length >= limit.value && performance.now() - started < EASY_MS) limit.grow(batch.length)
    return decodeFunctionResult({ abi: readerAbi, functionName: 'read', data: result })
  } catch (error) {
    // A smaller read would be refused for the same reason.
    if (batch.length === 1 || !TOO_MUCH.test(messageOf(error))) throw error
    limit.shrink()
    return undefined
  }
}

function batches(pools: readonly PoolDescriptor[], batchSize: number): PoolDescriptor[][] {
  const result: PoolDescriptor[][] = []
  let words = 0
  for (const pool of pools) {
    const cost =
      pool.tickSpacing && pool.engine !== 'algebra' ? Math.ceil(1_774_544 / pool.tickSpacing / 256) : 1
    const last = result.at(-1)
    if (last && last.length < batchSize && words + cost <= WORDS_PER_CALL) {
      last.push(pool)
      words += cost
    } else {
      result.push([pool])
      words = cost
    }
  }
  return result
}

const VAULT_STATE = [
  { type: 'uint256[]' },
  { type: 'uint256[]' },
  { type: 'uint256' },
  { type: 'uint256' },
  { type: 'uint256[]' },
] as const
const PAIR_STATE = [{ type: 'uint112' }, { type: 'uint112' }] as const
const POOL_STATE = [
  { type: 'uint160' },
  { type: 'int24' },
  { type: 'uint128' },
  { type: 'uint48' },
  { type: 'int24[]' },
  { type: 'int128[]' },
  { type: 'uint128[]' },
] as const

function queryOf(pool: PoolDescriptor, manifest: Pick<MarketManifest, 'uniswapV4'>) {
  const [at, id, tickSpacing] = [pool.address, pool.id ?? NO_ID, pool.tickSpacing ?? 0]
  if (pool.kind === 'constant-product') return { kind: READER_KIND.pair, at, id, tickSpacing }
  if (pool.kind !== 'concentrated') return { kind: READER_KIND[pool.kind], at, id, tickSpacing }
  if (pool.engine === 'uniswap-v4')
    return { kind: READER_KIND.managed, at: manifest.uniswapV4?.manager ?? at, id, tickSpacing }
  return {
    kind: pool.engine === 'algebra' ? READER_KIND.algebra : READER_KIND.concentrated,
    at,
    id,
    tickSpacing,
  }
}

function decodePool(
  descriptor: PoolDescriptor,
  state: Hex,
  decimals: ReadonlyMap<Address, number>,
): Pool | undefined {
  if (state === '0x') return undefined
  const { address, dex, tokens } = descriptor
  if (descriptor.kind === 'constant-product') {
    const [reserve0, reserve1] = decodeAbiParameters(PAIR_STATE, state)
    return {
      kind: 'constant-product',
      address,
      dex,
      tokens: tokens as ConstantProductPool['tokens'],
      reserves: [reserve0, reserve1],
      feeBps: descriptor.feeBps ?? 30,
    }
  }
  if (descriptor.kind !== 'concentrated') return decodeVaultPool(descriptor, state, decimals)
  const [sqrtPriceX96, tick, liquidity, fee, ticks, nets, grosses] = decodeAbiParameters(POOL_STATE, state)
  // Created, but not initialised.
  if (sqrtPriceX96 === 0n) return undefined
  const { engine, tickSpacing, feePips } = descriptor
  const pool: ConcentratedPool = {
    kind: 'concentrated',
    address,
    dex,
    tokens: tokens as ConcentratedPool['tokens'],
    ...(engine ? { engine } : {}),
    sqrtPriceX96,
    liquidity,
    tick,
    tickSpacing: tickSpacing ?? 1,
    // Algebra's fee changes, and is read; V4's key contains the fee of pools without hooks.
    feePips: engine === undefined || engine === 'uniswap-v3' ? (feePips as number) : fee % 2 ** 24,
    ...(engine === 'uniswap-v4' ? { keyFeePips: feePips as number } : {}),
    ...(descriptor.native ? { native: true } : {}),
    ticks: ticks.map((at, index) => [at, nets[index] as bigint, grosses[index] as bigint] as const),
  }
  return withProtocolFee(pool, Math.floor(fee / 2 ** 24))
}

function decodeVaultPool(
  descriptor: PoolDescriptor,
  state: Hex,
  decimals: ReadonlyMap<Address, number>,
): WeightedPool | StablePool {
  const { address, dex, tokens } = descriptor
  const [balances, weights, swapFee, amp, factors] = decodeAbiParameters(VAULT_STATE, state)
  const scalingFactors =
    factors.length === tokens.length
      ? factors
      : tokens.map((token) => 10n ** BigInt(36 - (decimals.get(token) ?? 18)))
  const shared = { address, dex, tokens, balances, swapFee, scalingFactors }
  if (descriptor.kind === 'stable')
    return {
      kind: 'stable',
      ...shared,
      amp,
      ...(descriptor.invariantRounding ? { invariantRounding: descriptor.invariantRounding } : {}),
    }
  return { kind: 'weighted', ...shared, weights, ...(descriptor.powShortcuts ? { powShortcuts: true } : {}) }
}
