/** Pool factories of exchanges: queries for their pools, and their creation events. */
import {
  decodeAbiParameters,
  encodeAbiParameters,
  encodeFunctionData,
  keccak256,
  parseAbi,
  toEventSelector,
} from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Hex, Log } from '../../ports/chain.ts'
import type { Exchange, PoolDescriptor } from '../../ports/manifest.ts'

const factoryAbi = parseAbi([
  'function getPair(address, address) view returns (address)',
  'function getPool(address, address, uint24) view returns (address)',
  'function poolByPair(address, address) view returns (address)',
])
const managerAbi = parseAbi(['function extsload(bytes32 slot) view returns (bytes32)'])
/** Storage slot of the pools mapping in Uniswap V4's manager. */
const MANAGER_POOLS_SLOT = 6n
/** Uniswap V4's address of the native coin, and of no hooks. */
const NATIVE: Address = '0x0000000000000000000000000000000000000000'
const NO_HOOKS = NATIVE

const TOPIC = {
  pair: toEventSelector('PairCreated(address,address,address,uint256)'),
  pool: toEventSelector('PoolCreated(address,address,uint24,int24,address)'),
  algebra: toEventSelector('Pool(address,address,address)'),
  managed: toEventSelector('Initialize(bytes32,address,address,uint24,int24,address,uint160,int24)'),
} as const

/** Topics of creation events. Balancer's vault has none: a pool there counts from its first deposit. */
export const CREATION_EVENTS: readonly Hex[] = Object.values(TOPIC)

/** A query to a factory, and the pool that a positive answer means. */
export interface Candidate {
  readonly to: Address
  readonly data: Hex
  /** `answer`: 32 bytes, not zero. */
  describe(answer: Hex): PoolDescriptor
}

/**
 * Queries for all pools that `exchange` may have for two tokens in ascending order; none for Balancer, which
 * has no such query.
 */
export function candidatesOf(
  exchange: Exchange,
  pair: readonly [Address, Address],
  wrappedNative: Address,
): Candidate[] {
  const { dex } = exchange
  switch (exchange.kind) {
    case 'uniswap-v2':
      return [
        {
          to: exchange.factory,
          data: encodeFunctionData({ abi: factoryAbi, functionName: 'getPair', args: pair }),
          describe: (answer) => ({
            kind: 'constant-product',
            address: addressIn(answer),
            dex,
            tokens: pair,
            feeBps: exchange.feeBps,
          }),
        },
      ]
    case 'uniswap-v3':
      return exchange.fees.map(({ feePips, tickSpacing }) => ({
        to: exchange.factory,
        data: encodeFunctionData({ abi: factoryAbi, functionName: 'getPool', args: [...pair, feePips] }),
        describe: (answer) => ({
          kind: 'concentrated',
          address: addressIn(answer),
          dex,
          tokens: pair,
          feePips,
          tickSpacing,
        }),
      }))
    case 'algebra':
      return [
        {
          to: exchange.factory,
          data: encodeFunctionData({ abi: factoryAbi, functionName: 'poolByPair', args: pair }),
          describe: (answer) => algebraPool(dex, addressIn(answer), pair),
        },
      ]
    case 'uniswap-v4': {
      const other = pair.find((token) => token !== wrappedNative) as Address
      const currencies: [Address, Address][] = pair.includes(wrappedNative)
        ? [[...pair], [NATIVE, other]]
        : [[...pair]]
      return currencies.flatMap((pairOfCurrencies) =>
        exchange.fees.map(({ feePips, tickSpacing }) => {
          const id = managedPoolId(pairOfCurrencies, feePips, tickSpacing)
          const slot = keccak256(
            encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [id, MANAGER_POOLS_SLOT]),
          )
          return {
            to: exchange.manager,
            data: encodeFunctionData({ abi: managerAbi, functionName: 'extsload', args: [slot] }),
            describe: () => managedPool(dex, id, pairOfCurrencies, feePips, tickSpacing, wrappedNative),
          }
        }),
      )
    }
    case 'balancer-v2':
      return []
  }
}

/**
 * The pool of a creation event; `undefined` for other logs and emitters, unknown tokens, and pools with
 * hooks.
 */
export function createdPool(
  exchanges: readonly Exchange[],
  known: { has(token: Address): boolean },
  wrappedNative: Address,
  log: Pick<Log, 'address' | 'topics' | 'data'>,
): PoolDescriptor | undefined {
  const [topic, first, second, third] = log.topics
  if (first === undefined || second === undefined) return undefined
  const maker = exchanges.find(
    (exchange) =>
      (exchange.kind === 'uniswap-v4'
        ? exchange.manager
        : exchange.kind === 'balancer-v2'
          ? undefined
          : exchange.factory) === log.address,
  )
  if (!maker) return undefined
  const pair: [Address, Address] =
    topic === TOPIC.managed
      ? [addressIn(second), addressIn(third as Hex)]
      : [addressIn(first), addressIn(second)]
  if (!pair.every((token) => known.has(token) || (token === NATIVE && topic === TOPIC.managed)))
    return undefined
  const { dex } = maker
  if (maker.kind === 'uniswap-v2' && topic === TOPIC.pair)
    return {
      kind: 'constant-product',
      address: addressIn(log.data.slice(0, 66)),
      dex,
      tokens: pair,
      feeBps: maker.feeBps,
    }
  if (maker.kind === 'algebra' && topic === TOPIC.algebra) return algebraPool(dex, addressIn(log.data), pair)
  if (maker.kind === 'uniswap-v3' && topic === TOPIC.pool) {
    const [tickSpacing, address] = decodeAbiParameters([{ type: 'int24' }, { type: 'address' }], log.data)
    return {
      kind: 'concentrated',
      address: address.toLowerCase() as Address,
      dex,
      tokens: pair,
      feePips: Number(third),
      tickSpacing,
    }
  }
  if (maker.kind === 'uniswap-v4' && topic === TOPIC.managed) {
    const [fee, tickSpacing, hooks] = decodeAbiParameters(
      [{ type: 'uint24' }, { type: 'int24' }, { type: 'address' }],
      log.data,
    )
    return hooks === NO_HOOKS && fee < 1_000_000
      ? managedPool(dex, first, pair, fee, tickSpacing, wrappedNative)
      : undefined
  }
  return undefined
}

/** Uniswap V4's id of a pool without hooks. */
export function managedPoolId(
  [currency0, currency1]: readonly [Address, Address],
  feePips: number,
  tickSpacing: number,
): Hex {
  const key = [
    { type: 'address' },
    { type: 'address' },
    { type: 'uint24' },
    { type: 'int24' },
    { type: 'address' },
  ] as const
  return keccak256(encodeAbiParameters(key, [currency0, currency1, feePips, tickSpacing, NO_HOOKS]))
}

/**
 * Algebra's fee and tick spacing can change: the fee is read with the state, the spacing is the factory's
 * default.
 */
const algebraPool = (dex: string, address: Address, tokens: readonly Address[]): PoolDescriptor => ({
  kind: 'concentrated',
  engine: 'algebra',
  address,
  dex,
  tokens,
  tickSpacing: 60,
})

const managedPool = (
  dex: string,
  id: Hex,
  [currency0, currency1]: readonly [Address, Address],
  feePips: number,
  tickSpacing: number,
  wrappedNative: Address,
): PoolDescriptor => ({
  kind: 'concentrated',
  engine: 'uniswap-v4',
  address: id.slice(0, 42) as Address,
  id,
  dex,
  tokens: [currency0 === NATIVE ? wrappedNative : currency0, currency1],
  feePips,
  tickSpacing,
  ...(currency0 === NATIVE ? { native: true } : {}),
})

const addressIn = (word: string): Address => `0x${word.slice(-40)}`
