/** Events of pools: the pool of a log, and the pool's state after it. */
import { decodeAbiParameters, toEventSelector } from 'viem'
import {
  type Address,
  type ConcentratedPool,
  changeLiquidity,
  type Pool,
  type StablePool,
  type WeightedPool,
} from '../../amm/index.ts'
import type { Hex, Log } from '../../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../../ports/manifest.ts'

const TOPIC = {
  sync: toEventSelector('Sync(uint112,uint112)'),
  pairSwap: toEventSelector('Swap(address,uint256,uint256,uint256,uint256,address)'),
  swap: toEventSelector('Swap(address,address,int256,int256,uint160,uint128,int24)'),
  mint: toEventSelector('Mint(address,address,int24,int24,uint128,uint256,uint256)'),
  burn: toEventSelector('Burn(address,int24,int24,uint128,uint256,uint256)'),
  initialize: toEventSelector('Initialize(uint160,int24)'),
  /** Algebra. */
  fee: toEventSelector('Fee(uint16)'),
  /** Algebra: a swap whose fee a plugin set. */
  pluginFee: toEventSelector('SwapFee(address,uint24,uint24)'),
  vaultSwap: toEventSelector('Swap(bytes32,address,address,uint256,uint256)'),
  vaultBalances: toEventSelector('PoolBalanceChanged(bytes32,address,address[],int256[],uint256[])'),
  swapFee: toEventSelector('SwapFeePercentageChanged(uint256)'),
  managedSwap: toEventSelector('Swap(bytes32,address,int128,int128,uint160,uint128,int24,uint24)'),
  managedProtocolFee: toEventSelector('ProtocolFeeUpdated(bytes32,uint24)'),
  managedLiquidity: toEventSelector('ModifyLiquidity(bytes32,address,int24,int24,int256,bytes32)'),
} as const

/** Topics of all events that change a pool. */
export const POOL_EVENTS: readonly Hex[] = Object.values(TOPIC)

/**
 * Whether another contract emits the pool's events: Balancer's vault and the V4 manager name pools by id in
 * the first topic.
 */
const byId = (pool: PoolDescriptor) => pool.id !== undefined

/** Maps logs to pools, and pools to the contracts that emit their events. */
export class PoolRegistry {
  readonly #byId = new Map<string, Address>()
  readonly #manifest: MarketManifest

  constructor(manifest: MarketManifest) {
    this.#manifest = manifest
    for (const pool of manifest.pools) this.add(pool)
  }

  /** Adds a pool that was created later. */
  add(pool: PoolDescriptor): void {
    if (pool.id) this.#byId.set(pool.id, pool.address)
  }

  /** The pool of a log: by its id if a vault or manager emitted it, otherwise the emitter. */
  poolOf(log: Pick<Log, 'address' | 'topics'>): Address {
    const id = log.topics[1]
    const { balancer, uniswapV4 } = this.#manifest
    return (log.address === balancer?.vault || log.address === uniswapV4?.manager) && id
      ? (this.#byId.get(id) ?? log.address)
      : log.address
  }

  /** The contracts that emit the events of `pools`. */
  emittersOf(
    pools: readonly Address[],
    descriptor: (pool: Address) => PoolDescriptor | undefined,
  ): Address[] {
    const { balancer, uniswapV4 } = this.#manifest
    const emitters = new Set<Address>()
    for (const pool of pools) {
      const described = descriptor(pool)
      if (!described || !byId(described)) emitters.add(pool)
      else if (described.kind === 'concentrated') emitters.add(uniswapV4?.manager ?? pool)
      else {
        emitters.add(pool)
        emitters.add(balancer?.vault ?? pool)
      }
    }
    return [...emitters]
  }
}

const SWAP_DATA = [{ type: 'uint256' }, { type: 'uint256' }] as const
const BALANCES_DATA = [{ type: 'address[]' }, { type: 'int256[]' }, { type: 'uint256[]' }] as const

/** The pool after one of its events; `undefined` for an event that does not change its state. */
export function afterEvent(pool: Pool, log: Log): Pool | undefined {
  const topic = log.topics[0]
  if (pool.kind === 'constant-product')
    return topic === TOPIC.sync ? { ...pool, reserves: [word(log, 0), word(log, 1)] } : undefined
  return pool.kind === 'concentrated' ? afterConcentratedEvent(pool, log) : afterVaultEvent(pool, log)
}

/** Input token and amount of a swap event; `undefined` for other events. */
export function swapIn(pool: Pool, log: Log): { tokenIn: Address; amountIn: bigint } | undefined {
  const [token0, token1] = pool.tokens as [Address, Address]
  const of = (amount0: bigint, amount1: bigint) =>
    amount0 > 0n
      ? { tokenIn: token0, amountIn: amount0 }
      : amount1 > 0n
        ? { tokenIn: token1, amountIn: amount1 }
        : undefined
  switch (log.topics[0]) {
    case TOPIC.pairSwap:
      return of(word(log, 0), word(log, 1))
    case TOPIC.swap:
      return of(BigInt.asIntN(256, word(log, 0)), BigInt.asIntN(256, word(log, 1)))
    case TOPIC.managedSwap:
      // The manager reports the swapper's deltas: its payment is negative.
      return of(-BigInt.asIntN(128, word(log, 0)), -BigInt.asIntN(128, word(log, 1)))
    case TOPIC.vaultSwap:
      return { tokenIn: `0x${log.topics[2]?.slice(26)}` as Address, amountIn: word(log, 0) }
    default:
      return undefined
  }
}

/** The contract that called the pool's swap; `undefined` for other events. */
export function swapSender(log: Pick<Log, 'topics'>): Address | undefined {
  const [topic, first, second] = log.topics
  if (topic === TOPIC.pairSwap || topic === TOPIC.swap) return first && `0x${first.slice(-40)}`
  return topic === TOPIC.managedSwap ? second && `0x${second.slice(-40)}` : undefined
}

/** A Uniswap V4 pool with its protocol fee, packed as twelve bits per direction. */
export function withProtocolFee(
  { protocolFee: _, ...pool }: ConcentratedPool,
  packed: number,
): ConcentratedPool {
  return packed === 0 ? pool : { ...pool, protocolFee: [packed & 0xfff, packed >> 12] }
}

/**
 * The fee that a plugin set for one swap of an Algebra pool, in hundredths of a basis point; `undefined`
 * without one, and for other events.
 */
export const pluginFee = (log: Pick<Log, 'topics' | 'data'>): number | undefined =>
  log.topics[0] === TOPIC.pluginFee && word(log, 0) > 0n ? Number(word(log, 0) + word(log, 1)) : undefined

const word = (log: Pick<Log, 'data'>, index: number) =>
  BigInt(`0x${log.data.slice(2 + index * 64, 66 + index * 64)}`)
const signed = (value: bigint, bits: number) => Number(BigInt.asIntN(bits, value))

function afterConcentratedEvent(pool: ConcentratedPool, log: Log): Pool | undefined {
  switch (log.topics[0]) {
    case TOPIC.swap:
    case TOPIC.managedSwap:
      return { ...pool, sqrtPriceX96: word(log, 2), liquidity: word(log, 3), tick: signed(word(log, 4), 24) }
    case TOPIC.fee:
      return { ...pool, feePips: Number(word(log, 0)) }
    case TOPIC.pluginFee:
      return { ...pool, feePips: pluginFee(log) ?? pool.feePips }
    case TOPIC.managedProtocolFee:
      return withProtocolFee(pool, Number(word(log, 0)))
    case TOPIC.managedLiquidity: {
      const delta = BigInt.asIntN(256, word(log, 2))
      return delta === 0n
        ? undefined
        : changeLiquidity(pool, signed(word(log, 0), 24), signed(word(log, 1), 24), delta)
    }
    case TOPIC.mint:
    case TOPIC.burn: {
      const [lower, upper] = [
        signed(BigInt(log.topics[2] as Hex), 24),
        signed(BigInt(log.topics[3] as Hex), 24),
      ]
      const amount = log.topics[0] === TOPIC.mint ? word(log, 1) : -word(log, 0)
      return amount === 0n ? undefined : changeLiquidity(pool, lower, upper, amount)
    }
    default:
      return undefined
  }
}

function afterVaultEvent(pool: WeightedPool | StablePool, log: Log): Pool | undefined {
  switch (log.topics[0]) {
    case TOPIC.vaultSwap: {
      const [tokenIn, tokenOut] = [log.topics[2], log.topics[3]].map(
        (topic) => `0x${topic?.slice(26)}` as Address,
      ) as [Address, Address]
      const [amountIn, amountOut] = decodeAbiParameters(SWAP_DATA, log.data)
      return withDeltas(pool, [tokenIn, tokenOut], [amountIn, -amountOut])
    }
    case TOPIC.vaultBalances: {
      const [tokens, deltas, fees] = decodeAbiParameters(BALANCES_DATA, log.data)
      return withDeltas(
        pool,
        tokens.map((token) => token.toLowerCase() as Address),
        deltas.map((delta, index) => delta - (fees[index] as bigint)),
      )
    }
    case TOPIC.swapFee:
      return { ...pool, swapFee: word(log, 0) }
    default:
      return undefined
  }
}

function withDeltas(
  pool: WeightedPool | StablePool,
  tokens: readonly Address[],
  deltas: readonly bigint[],
): Pool {
  const balances = [...pool.balances]
  tokens.forEach((token, index) => {
    const at = pool.tokens.indexOf(token)
    if (at >= 0) balances[at] = (balances[at] as bigint) + (deltas[index] as bigint)
  })
  return { ...pool, balances }
}
