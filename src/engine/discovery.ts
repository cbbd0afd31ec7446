/** Finds the market of a real chain: which pools its factories made for the tokens of its profile. */
import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type { Address } from '../amm/index.ts'
import type { Token } from '../graph/index.ts'
import type { Chain, Hex } from '../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../ports/manifest.ts'
import { KintsugiError } from '../std/errors.ts'
import { polygon } from './chains/polygon.ts'
import { multicall } from './lenders.ts'

/** A chain as data: another one is another of these. */
export interface ChainProfile {
  readonly chainId: number
  readonly network: string
  readonly nativeSymbol: string
  readonly wrappedNative: Address
  readonly numeraire: Address
  readonly tokens: readonly Token[]
  readonly multicall: Address
  readonly pairFactories: readonly { readonly dex: string; readonly factory: Address; readonly feeBps: number }[]
  readonly poolFactories: readonly { readonly dex: string; readonly factory: Address; readonly fees: readonly { readonly feePips: number; readonly tickSpacing: number }[] }[]
  readonly aave?: { readonly pool: Address }
  readonly balancer?: { readonly vault: Address }
}

const PROFILES: readonly ChainProfile[] = [polygon]

const factoryAbi = parseAbi(['function getPair(address, address) view returns (address)', 'function getPool(address, address, uint24) view returns (address)'])
const aaveAbi = parseAbi(['function ADDRESSES_PROVIDER() view returns (address)', 'function getPriceOracle() view returns (address)'])

/** The market of the chain at the other end. Throws `unknown-chain`, `no-pools`, or what the chain throws. */
export async function discoverMarket(chain: Chain, batchSize: number): Promise<MarketManifest> {
  const chainId = await chain.chainId()
  const profile = PROFILES.find((candidate) => candidate.chainId === chainId)
  if (!profile) {
    throw new KintsugiError('unknown-chain', `chain ${chainId} has no profile here`, {
      hint: `known: ${PROFILES.map(({ chainId: id, network }) => `${id} (${network})`).join(', ')}`,
    })
  }
  const [first, head] = await Promise.all([chain.block(0), chain.block('latest')])
  const candidates = candidatesOf(profile)
  const pools: PoolDescriptor[] = []
  for (let start = 0; start < candidates.length; start += batchSize) {
    const batch = candidates.slice(start, start + batchSize)
    const answers = await multicall(chain, profile.multicall, batch, head.number)
    batch.forEach(({ describe }, index) => {
      const address = addressOf(answers[index])
      if (address) pools.push(describe(address))
    })
  }
  if (pools.length === 0)
    throw new KintsugiError('no-pools', `the factories of ${profile.network} know no pool of the profile's tokens`, { retry: 'later', hint: 'is the node in sync?' })
  const { tokens, network, nativeSymbol, wrappedNative, numeraire, balancer } = profile
  const aave = profile.aave && (await aaveMarket(chain, profile.aave.pool, profile.multicall, head.number))
  return {
    chainId,
    genesis: first.hash,
    genesisBlock: 0,
    network,
    nativeSymbol,
    wrappedNative,
    numeraire,
    tokens,
    pools,
    multicall: profile.multicall,
    startTokens: [wrappedNative, numeraire, ...tokens.map((token) => token.address).filter((address) => address !== wrappedNative && address !== numeraire)],
    ...(aave ? { aave } : {}),
    ...(balancer ? { balancer } : {}),
  }
}

interface Candidate {
  readonly to: Address
  readonly data: Hex
  describe(address: Address): PoolDescriptor
}

function candidatesOf({ tokens, pairFactories, poolFactories }: ChainProfile): Candidate[] {
  const sorted = tokens.map((token) => token.address).sort()
  const pairs = sorted.flatMap((a, index) => sorted.slice(index + 1).map((b): [Address, Address] => [a, b]))
  return pairs.flatMap((pair): Candidate[] => [
    ...pairFactories.map(({ dex, factory, feeBps }) => ({
      to: factory,
      data: encodeFunctionData({ abi: factoryAbi, functionName: 'getPair', args: pair }),
      describe: (address: Address): PoolDescriptor => ({ kind: 'constant-product', address, dex, tokens: pair, feeBps }),
    })),
    ...poolFactories.flatMap(({ dex, factory, fees }) =>
      fees.map(({ feePips, tickSpacing }) => ({
        to: factory,
        data: encodeFunctionData({ abi: factoryAbi, functionName: 'getPool', args: [...pair, feePips] }),
        describe: (address: Address): PoolDescriptor => ({ kind: 'concentrated', address, dex, tokens: pair, feePips, tickSpacing }),
      })),
    ),
  ])
}

/** An address from a 32-byte answer; undefined for none and for zero. */
function addressOf(answer: Hex | undefined): Address | undefined {
  return answer === undefined || BigInt(answer) === 0n ? undefined : (`0x${answer.slice(-40)}` as Address)
}

async function aaveMarket(chain: Chain, pool: Address, at: Address, block: number): Promise<MarketManifest['aave']> {
  const [provider] = await multicall(chain, at, [{ to: pool, data: encodeFunctionData({ abi: aaveAbi, functionName: 'ADDRESSES_PROVIDER' }) }], block)
  const registry = provider && addressOf(provider)
  if (!registry) return undefined
  const data = await chain.call({ to: registry, data: encodeFunctionData({ abi: aaveAbi, functionName: 'getPriceOracle' }) }, block)
  return { pool, oracle: decodeFunctionResult({ abi: aaveAbi, functionName: 'getPriceOracle', data }).toLowerCase() as Address }
}
