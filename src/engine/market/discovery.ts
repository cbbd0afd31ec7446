/** Finds the market of a real chain: the pools of its exchanges for the tokens of its profile. */
import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Chain, Hex } from '../../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../../ports/manifest.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import type { ChainProfile } from '../chains/profile.ts'
import { PROFILES } from '../chains/profiles.ts'
import { paperExecution } from '../paper/fills.ts'
import { multicall } from '../trading/loan-reader.ts'
import { candidatesOf } from './pool-factories.ts'
import type { PoolReaderOptions } from './pool-reader.ts'
import { type ExcludedToken, excludedTokens } from './token-screening.ts'
import { describeVaultPools, scanVault } from './vault-pools.ts'

const aaveAbi = parseAbi([
  'function ADDRESSES_PROVIDER() view returns (address)',
  'function getPriceOracle() view returns (address)',
])
/** Maximum log queries for Balancer's vault per start. */
const MAX_SCANS = 60

export interface DiscoveryOptions extends PoolReaderOptions {
  /** Expected chain; default: any chain with a profile. */
  profile?: ChainProfile
  /** Creation code of our contract, for simulations on paper. */
  executorCode: Hex
  /** Tokens that are not traded. */
  excluded?: readonly Address[]
  onProgress?(text: string): void
}

/**
 * Reads the market of the connected chain. Throws `unknown-chain`, `wrong-chain`, `no-pools`, or what the
 * chain throws.
 */
export async function discoverMarket(options: DiscoveryOptions): Promise<MarketManifest> {
  const { chain, batch: limit, onProgress = () => undefined } = options
  const profile = await profileAt(chain, options.profile)
  // Pruned nodes still have a first block.
  const [first, head] = await Promise.all([
    chain.block(0).catch(() => chain.block('earliest')),
    chain.block('latest'),
  ])
  const candidates = pairsOf(profile).flatMap((pair) =>
    profile.exchanges.flatMap((exchange) => candidatesOf(exchange, pair, profile.wrappedNative)),
  )
  const pools: PoolDescriptor[] = []
  for (let start = 0; start < candidates.length; start += limit.value) {
    onProgress(`${start} of ${candidates.length} factory queries answered, ${pools.length} pools`)
    const batch = candidates.slice(start, start + limit.value)
    const answers = await multicall(chain, profile.multicall, batch, head.number)
    batch.forEach(({ describe }, index) => {
      const answer = answers[index]
      if (answer !== undefined && BigInt(answer) !== 0n) pools.push(describe(answer))
    })
  }
  pools.push(...(await vaultPools(options, profile, head.number, onProgress)))
  if (pools.length === 0)
    throw new KintsugiError(
      'no-pools',
      `the exchanges of ${profile.name} know no pool of the profile's tokens`,
      { retry: 'later', hint: 'is the node in sync?' },
    )
  const { name, chainId, tokens, nativeSymbol, wrappedNative, numeraire, exchanges } = profile
  const aave = profile.aave && (await aaveMarket(chain, profile.aave.pool, profile.multicall, head.number))
  const balancer = exchanges.find((exchange) => exchange.kind === 'balancer-v2')
  const uniswapV4 = exchanges.find((exchange) => exchange.kind === 'uniswap-v4')
  const venues = {
    ...(balancer ? { balancer: { vault: balancer.vault } } : {}),
    ...(uniswapV4 ? { uniswapV4: { manager: uniswapV4.manager } } : {}),
  }
  const manifest: MarketManifest = {
    chainId,
    genesis: first.hash,
    genesisBlock: first.number,
    network: name,
    nativeSymbol,
    wrappedNative,
    numeraire,
    tokens,
    pools,
    exchanges,
    discoveredAt: head.number,
    multicall: profile.multicall,
    startTokens: [
      wrappedNative,
      numeraire,
      ...tokens
        .map((token) => token.address)
        .filter((address) => address !== wrappedNative && address !== numeraire),
    ],
    ...(aave ? { aave } : {}),
    ...venues,
    paper: await paperExecution(chain, options.executorCode, { ...venues, wrappedNative }, head.number),
  }
  return withoutTokens(manifest, await unusable(options, manifest, head.number), onProgress)
}

/** Tokens that the settings or a simulation exclude. */
async function unusable(
  { chain, excluded = [], onProgress }: DiscoveryOptions,
  manifest: MarketManifest,
  block: number,
): Promise<ExcludedToken[]> {
  const chosen = excluded.map((token) => ({ token, reason: 'EXCLUDED_TOKENS names it' }))
  try {
    return [...chosen, ...(await excludedTokens(chain, manifest, block))]
  } catch (error) {
    if ((error as { code?: string }).code !== 'rpc-failed') throw error
    onProgress?.(
      `tokens are not probed for fees on transfer, since the node cannot simulate: ${messageOf(error)}`,
    )
    return chosen
  }
}

/** The market without some tokens and their pools; the wrapped native token stays. */
function withoutTokens(
  manifest: MarketManifest,
  excluded: readonly ExcludedToken[],
  onProgress: (text: string) => void,
): MarketManifest {
  const out = new Set(excluded.map(({ token }) => token).filter((token) => token !== manifest.wrappedNative))
  for (const { token, reason } of excluded) onProgress(`${token} is excluded: ${reason}`)
  return {
    ...manifest,
    tokens: manifest.tokens.filter(({ address }) => !out.has(address)),
    pools: manifest.pools.filter((pool) => !pool.tokens.some((token) => out.has(token))),
    startTokens: manifest.startTokens.filter((token) => !out.has(token)),
    numeraire: out.has(manifest.numeraire) ? manifest.wrappedNative : manifest.numeraire,
  }
}

async function profileAt(chain: Chain, expected: ChainProfile | undefined): Promise<ChainProfile> {
  const chainId = await chain.chainId()
  if (expected && expected.chainId !== chainId)
    throw new KintsugiError(
      'wrong-chain',
      `the node is on chain ${chainId}, ${expected.name} is chain ${expected.chainId}`,
      {
        hint: `set ${expected.name.toUpperCase()}_RPC_URL to a node of ${expected.name}`,
      },
    )
  const profile = expected ?? PROFILES.find((candidate) => candidate.chainId === chainId)
  if (profile) return profile
  throw new KintsugiError('unknown-chain', `chain ${chainId} has no profile`, {
    hint: `known: ${PROFILES.map((known) => `${known.chainId} (${known.name})`).join(', ')}`,
  })
}

function pairsOf({ tokens }: ChainProfile): [Address, Address][] {
  const sorted = tokens.map((token) => token.address).sort()
  return sorted.flatMap((a, index) => sorted.slice(index + 1).map((b): [Address, Address] => [a, b]))
}

/** Balancer's pools, as far back as the node has logs; without logs only these pools are missing. */
async function vaultPools(
  options: DiscoveryOptions,
  profile: ChainProfile,
  head: number,
  onProgress: (text: string) => void,
): Promise<PoolDescriptor[]> {
  const known = new Set(profile.tokens.map((token) => token.address))
  const described: PoolDescriptor[] = []
  for (const exchange of profile.exchanges) {
    if (exchange.kind !== 'balancer-v2') continue
    const { registrations, scannedFrom, stoppedBy } = await scanVault(
      options.chain,
      exchange,
      known,
      head,
      MAX_SCANS,
    )
    if (stoppedBy)
      onProgress(
        `${exchange.dex}: pools since block ${scannedFrom} are known, older ones are not: ${stoppedBy}`,
      )
    described.push(...(await describeVaultPools(options, profile, exchange, registrations, head)))
  }
  return described
}

async function aaveMarket(
  chain: Chain,
  pool: Address,
  at: Address,
  block: number,
): Promise<MarketManifest['aave']> {
  const [provider] = await multicall(
    chain,
    at,
    [{ to: pool, data: encodeFunctionData({ abi: aaveAbi, functionName: 'ADDRESSES_PROVIDER' }) }],
    block,
  )
  const registry = addressOf(provider)
  if (!registry) return undefined
  const data = await chain.call(
    { to: registry, data: encodeFunctionData({ abi: aaveAbi, functionName: 'getPriceOracle' }) },
    block,
  )
  if (data === '0x') return undefined
  return {
    pool,
    oracle: decodeFunctionResult({
      abi: aaveAbi,
      functionName: 'getPriceOracle',
      data,
    }).toLowerCase() as Address,
  }
}

/** An address from a 32-byte answer; undefined without an answer and for zero. */
function addressOf(answer: Hex | undefined): Address | undefined {
  return answer === undefined || BigInt(answer) === 0n ? undefined : `0x${answer.slice(-40)}`
}
