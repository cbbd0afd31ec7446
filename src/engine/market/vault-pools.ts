/**
 * Pools of Balancer V2's vault: found by their registration events, and accepted only if our quotes equal the
 * vault's. The comparison also identifies generations of contracts, which look alike and round differently.
 */
import {
  decodeAbiParameters,
  decodeFunctionResult,
  encodeFunctionData,
  parseAbi,
  toEventSelector,
} from 'viem'
import { type Address, quoteExactIn, type StablePool, type WeightedPool } from '../../amm/index.ts'
import type { Chain, Hex, Log } from '../../ports/chain.ts'
import type { Exchange, MarketManifest, PoolDescriptor } from '../../ports/manifest.ts'
import { messageOf } from '../../std/errors.ts'
import { multicall } from '../trading/loan-reader.ts'
import { type PoolReaderOptions, readPools } from './pool-reader.ts'

export type VaultExchange = Extract<Exchange, { kind: 'balancer-v2' }>

/** A pool as the vault registered it. */
export interface Registration {
  readonly id: Hex
  readonly tokens: readonly Address[]
}

const REGISTERED = toEventSelector('TokensRegistered(bytes32,address[],address[])')
export const VAULT_DEPOSIT = toEventSelector(
  'PoolBalanceChanged(bytes32,address,address[],int256[],uint256[])',
)
const poolAbi = parseAbi([
  'function getNormalizedWeights() view returns (uint256[])',
  'function getAmplificationParameter() view returns (uint256, bool, uint256)',
])
const vaultAbi = parseAbi([
  'struct BatchSwapStep { bytes32 poolId; uint256 assetInIndex; uint256 assetOutIndex; uint256 amount; bytes userData; }',
  'struct FundManagement { address sender; bool fromInternalBalance; address recipient; bool toInternalBalance; }',
  'function queryBatchSwap(uint8 kind, BatchSwapStep[] swaps, address[] assets, FundManagement funds) returns (int256[])',
])
const NOBODY: Address = '0x0000000000000000000000000000000000000001'
/** Sizes of the compared swaps, as parts of a pool's balance. */
const PROBES = [1_000_000n, 37n, 11n]
/** Blocks per log query: raised after each answer, halved when the node refuses. */
const SCAN = { first: 10_000, max: 1_000_000, min: 100 }

/**
 * Pools of the vault whose tokens are all known, newest first, from `head` back as far as `maxCalls` queries
 * reach.
 */
export async function scanVault(
  chain: Chain,
  { vault, sinceBlock }: VaultExchange,
  known: { has(token: Address): boolean },
  head: number,
  maxCalls: number,
): Promise<{ registrations: Registration[]; scannedFrom: number; stoppedBy?: string }> {
  const registrations: Registration[] = []
  let [toBlock, span] = [head, SCAN.first]
  for (let calls = 0; toBlock >= sinceBlock; calls++) {
    if (calls >= maxCalls)
      return { registrations, scannedFrom: toBlock + 1, stoppedBy: `the limit of ${maxCalls} calls` }
    const fromBlock = Math.max(sinceBlock, toBlock - span + 1)
    try {
      const logs = await chain.logs({ fromBlock, toBlock, address: vault, topics: [REGISTERED] })
      for (const log of logs.reverse()) {
        const [tokens] = decodeAbiParameters([{ type: 'address[]' }, { type: 'address[]' }], log.data)
        const registered = tokens.map((token) => token.toLowerCase() as Address)
        if (registered.every((token) => known.has(token)))
          registrations.push({ id: log.topics[1] as Hex, tokens: registered })
      }
      toBlock = fromBlock - 1
      span = Math.min(SCAN.max, span * 4)
    } catch (error) {
      if (span <= SCAN.min) return { registrations, scannedFrom: toBlock + 1, stoppedBy: messageOf(error) }
      span = Math.max(SCAN.min, Math.floor(span / 8))
    }
  }
  return { registrations, scannedFrom: sinceBlock }
}

/** The pool of a deposit event of the vault. */
export const registrationOf = (log: Pick<Log, 'topics' | 'data'>): Registration => {
  const [tokens] = decodeAbiParameters(
    [{ type: 'address[]' }, { type: 'int256[]' }, { type: 'uint256[]' }],
    log.data,
  )
  return { id: log.topics[1] as Hex, tokens: tokens.map((token) => token.toLowerCase() as Address) }
}

/**
 * The weighted and stable pools among `registrations` whose quotes at `block` equal the vault's. Throws what
 * the chain throws.
 */
export async function describeVaultPools(
  reader: PoolReaderOptions,
  manifest: Pick<MarketManifest, 'tokens' | 'multicall'>,
  { vault, dex }: VaultExchange,
  registrations: readonly Registration[],
  block: number,
): Promise<PoolDescriptor[]> {
  const { chain } = reader
  const addressOf = ({ id }: Registration) => id.slice(0, 42) as Address
  const kinds = await multicall(
    chain,
    manifest.multicall,
    registrations.flatMap((entry) =>
      (['getNormalizedWeights', 'getAmplificationParameter'] as const).map((functionName) => ({
        to: addressOf(entry),
        data: encodeFunctionData({ abi: poolAbi, functionName }),
      })),
    ),
    block,
  )
  const described = registrations.flatMap((entry, index): PoolDescriptor[] => {
    const kind = kinds[2 * index] ? 'weighted' : kinds[2 * index + 1] ? 'stable' : undefined
    return kind ? [{ kind, address: addressOf(entry), id: entry.id, dex, tokens: entry.tokens }] : []
  })
  const pools = await readPools(reader, manifest, described, block)
  const decimals = new Map(manifest.tokens.map((token) => [token.address, token.decimals]))
  const probes = described.flatMap((descriptor) => {
    const pool = pools.get(descriptor.address) as WeightedPool | StablePool | undefined
    return pool && usable(pool, decimals) ? probesOf(descriptor, pool) : []
  })
  const answers = await multicall(
    chain,
    manifest.multicall,
    probes.map((probe) => ({ to: vault, data: questionOf(probe) })),
    block,
  )
  const agreed = new Map<Address, PoolDescriptor[]>()
  probes.forEach(({ descriptor, pool, tokenIn, tokenOut, amount }, index) => {
    const answer = answers[index]
    const out =
      answer &&
      -(decodeFunctionResult({ abi: vaultAbi, functionName: 'queryBatchSwap', data: answer })[1] as bigint)
    const variants = agreed.get(descriptor.address) ?? variantsOf(descriptor)
    agreed.set(
      descriptor.address,
      variants.filter(
        (variant) =>
          out !== undefined &&
          quoteExactIn({ ...pool, ...generationOf(variant) }, tokenIn, tokenOut, amount) === out,
      ),
    )
  })
  return [...agreed.values()].flatMap((variants) => variants.slice(0, 1))
}

/**
 * Whether a pool has enough of each token for the comparison, and no token whose rate changes without an
 * event.
 */
const usable = (
  { balances, tokens, scalingFactors }: WeightedPool | StablePool,
  decimals: ReadonlyMap<Address, number>,
): boolean =>
  balances.every((balance) => balance > (PROBES[0] as bigint)) &&
  tokens.every((token, index) => scalingFactors[index] === 10n ** BigInt(36 - (decimals.get(token) ?? 18)))

/** The generations of a pool: powers with or without shortcuts; invariant rounded down or up. */
const variantsOf = (descriptor: PoolDescriptor): PoolDescriptor[] =>
  descriptor.kind === 'weighted'
    ? [descriptor, { ...descriptor, powShortcuts: true }]
    : [descriptor, { ...descriptor, invariantRounding: 'up' }]

const generationOf = ({ powShortcuts, invariantRounding }: PoolDescriptor) => ({
  ...(powShortcuts ? { powShortcuts } : {}),
  ...(invariantRounding ? { invariantRounding } : {}),
})

interface Probe {
  readonly descriptor: PoolDescriptor
  readonly pool: WeightedPool | StablePool
  readonly tokenIn: Address
  readonly tokenOut: Address
  readonly amount: bigint
}

/** Compares every direction at every size: some differences show in one direction only. */
const probesOf = (descriptor: PoolDescriptor, pool: WeightedPool | StablePool): Probe[] =>
  descriptor.tokens.flatMap((tokenIn, index) =>
    descriptor.tokens
      .filter((tokenOut) => tokenOut !== tokenIn)
      .flatMap((tokenOut) =>
        PROBES.map((part) => ({
          descriptor,
          pool,
          tokenIn,
          tokenOut,
          amount: (pool.balances[index] as bigint) / part,
        })),
      ),
  )

function questionOf({ descriptor: { id }, tokenIn, tokenOut, amount }: Probe): Hex {
  const funds = { sender: NOBODY, fromInternalBalance: false, recipient: NOBODY, toInternalBalance: false }
  const step = { poolId: id as Hex, assetInIndex: 0n, assetOutIndex: 1n, amount, userData: '0x' as Hex }
  return encodeFunctionData({
    abi: vaultAbi,
    functionName: 'queryBatchSwap',
    args: [0, [step], [tokenIn, tokenOut], funds],
  })
}
