/**
 * Pools of Uniswap V2, V3 and V4 and of Algebra, through their real factories, with the reserves and
 * positions of the plan.
 */
import {
  type Abi,
  encodeAbiParameters,
  encodePacked,
  getContractAddress,
  type Hex,
  keccak256,
  parseAbi,
} from 'viem'
import {
  type Address,
  amount0Delta,
  amount1Delta,
  type ConcentratedPool,
  type ConstantProductPool,
  knownRange,
  sqrtRatioAtTick,
} from '../amm/index.ts'
import { managedPoolId } from '../engine/market/pool-factories.ts'
import type { Exchange, FeeTier, PoolDescriptor } from '../ports/manifest.ts'
import { algebra, algebraPlugins, own, uniswapV2, uniswapV3 } from './artifacts.ts'
import type { Deployer } from './deployer.ts'
import type { Fund } from './plan.ts'

const pairAbi = parseAbi(['function sync()', 'function createPair(address,address)'])
const v3Abi = parseAbi([
  'function createPool(address,address,uint24)',
  'function initialize(uint160)',
  'function enableFeeAmount(uint24,int24)',
])
const algebraAbi = parseAbi([
  'function createPool(address,address,bytes)',
  'function initialize(uint160)',
  'function setFee(uint16)',
  'function setTickSpacing(int24)',
  'function setDefaultPluginFactory(address)',
])
const v4Abi = parseAbi([
  'struct PoolKey { address currency0; address currency1; uint24 fee; int24 tickSpacing; address hooks; }',
  'function initialize(PoolKey key, uint160 sqrtPriceX96)',
  'function setProtocolFeeController(address controller)',
  'function setProtocolFee(PoolKey key, uint24 newProtocolFee)',
])
const NO_HOOKS: Address = '0x0000000000000000000000000000000000000000'
const NOBODY = NO_HOOKS
/** Fee tiers that a V3 factory has from the start, with their tick spacings. */
const DEFAULT_FEES = new Map([
  [500, 10],
  [3000, 60],
  [10_000, 200],
])

const DEFAULT_TIERS: readonly FeeTier[] = [...DEFAULT_FEES].map(([feePips, tickSpacing]) => ({
  feePips,
  tickSpacing,
}))

/** Builds pools for one market; each exchange's factory is deployed when its first pool is. */
export class UniswapBuilder {
  readonly #deployer: Deployer
  readonly #fund: Fund
  readonly #trader: Address
  readonly #manager: Address
  readonly #traderAbi = own('LocalTrader').abi as Abi
  readonly #factories = new Map<string, Address>()
  readonly #enabled = new Set<string>()
  /** The deployed factories. */
  readonly exchanges: Exchange[] = []

  constructor(deployer: Deployer, fund: Fund, trader: Address, manager: Address) {
    this.#deployer = deployer
    this.#fund = fund
    this.#trader = trader
    this.#manager = manager
  }

  pair(pool: ConstantProductPool): PoolDescriptor {
    const [token0, token1] = pool.tokens
    const factory = this.#factory(`${pool.dex} ${pool.feeBps}`, () => {
      const made = this.#deployer.deploy(`factory of ${pool.dex}`, uniswapV2('UniswapV2Factory'), [
        this.#deployer.account,
      ])
      this.exchanges.push({ kind: 'uniswap-v2', dex: pool.dex, factory: made, feeBps: pool.feeBps })
      return made
    })
    this.#deployer.call(factory, pairAbi, 'createPair', [token0, token1])
    const address = create2(
      factory,
      keccak256(encodePacked(['address', 'address'], [token0, token1])),
      uniswapV2('UniswapV2Pair').bytecode,
    )
    this.#fund(token0, address, pool.reserves[0])
    this.#fund(token1, address, pool.reserves[1])
    this.#deployer.call(address, pairAbi, 'sync', [])
    return {
      kind: pool.kind,
      address,
      dex: pool.dex,
      tokens: pool.tokens,
      reference: pool.address,
      feeBps: pool.feeBps,
    }
  }

  concentrated(pool: ConcentratedPool): PoolDescriptor {
    const described = {
      kind: pool.kind,
      dex: pool.dex,
      tokens: pool.tokens,
      reference: pool.address,
      feePips: pool.feePips,
      tickSpacing: pool.tickSpacing,
    }
    switch (pool.engine) {
      case 'algebra':
        return { ...described, address: this.#algebra(pool), engine: 'algebra' }
      case 'uniswap-v4': {
        const id = this.#managed(pool)
        return {
          ...described,
          address: id.slice(0, 42) as Address,
          id,
          engine: 'uniswap-v4',
          ...(pool.native ? { native: true } : {}),
        }
      }
      default:
        return { ...described, address: this.#v3(pool) }
    }
  }

  #v3(pool: ConcentratedPool): Address {
    const [token0, token1] = pool.tokens
    // A factory has one spacing per fee: a different spacing needs a second factory.
    const defaultSpacing = DEFAULT_FEES.get(pool.feePips)
    const factoryKey = `${pool.dex} v3 ${defaultSpacing === undefined || defaultSpacing === pool.tickSpacing ? '' : pool.tickSpacing}`
    const factory = this.#factory(factoryKey, () => {
      const made = this.#deployer.deploy(`factory of ${pool.dex}`, uniswapV3('UniswapV3Factory'))
      this.exchanges.push({ kind: 'uniswap-v3', dex: pool.dex, factory: made, fees: DEFAULT_TIERS })
      return made
    })
    const feeKey = `${factory} ${pool.feePips}`
    if (defaultSpacing === undefined && !this.#enabled.has(feeKey)) {
      this.#deployer.call(factory, v3Abi, 'enableFeeAmount', [pool.feePips, pool.tickSpacing])
      this.#enabled.add(feeKey)
    }
    this.#deployer.call(factory, v3Abi, 'createPool', [token0, token1, pool.feePips])
    const salt = keccak256(
      encodeAbiParameters(
        [{ type: 'address' }, { type: 'address' }, { type: 'uint24' }],
        [token0, token1, pool.feePips],
      ),
    )
    const address = create2(factory, salt, uniswapV3('UniswapV3Pool').bytecode)
    this.#deployer.call(address, v3Abi, 'initialize', [pool.sqrtPriceX96])
    for (const [lower, upper, liquidity] of this.#positions(pool))
      this.#deployer.call(this.#trader, this.#traderAbi, 'addLiquidity', [address, lower, upper, liquidity])
    return address
  }

  #algebra(pool: ConcentratedPool): Address {
    const [token0, token1] = pool.tokens
    const key = `${pool.dex} algebra`
    const factory = this.#factory(key, () => {
      // The pool deployer and the factory reference each other: the factory is deployed right after it.
      const poolDeployer = this.#deployer.deploy(
        `pool deployer of ${pool.dex}`,
        algebra('AlgebraPoolDeployer'),
        [this.#deployer.nextAddress(1)],
      )
      this.#factories.set(`${key} deployer`, poolDeployer)
      const made = this.#deployer.deploy(`factory of ${pool.dex}`, algebra('AlgebraFactory'), [poolDeployer])
      this.exchanges.push({ kind: 'algebra', dex: pool.dex, factory: made })
      return made
    })
    const plugins = pool.dynamicFee
      ? this.#factory(`${key} plugins`, () =>
          this.#deployer.deploy(`plugin factory of ${pool.dex}`, algebraPlugins(), [factory]),
        )
      : undefined
    if (plugins) this.#deployer.call(factory, algebraAbi, 'setDefaultPluginFactory', [plugins])
    this.#deployer.call(factory, algebraAbi, 'createPool', [token0, token1, '0x'])
    if (plugins) this.#deployer.call(factory, algebraAbi, 'setDefaultPluginFactory', [NOBODY])
    const salt = keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'address' }], [token0, token1]))
    const address = create2(
      this.#factories.get(`${key} deployer`) as Address,
      salt,
      algebra('AlgebraPool').bytecode,
    )
    this.#deployer.call(address, algebraAbi, 'initialize', [pool.sqrtPriceX96])
    if (pool.tickSpacing !== 60)
      this.#deployer.call(address, algebraAbi, 'setTickSpacing', [pool.tickSpacing])
    if (pool.feePips !== 500 && !pool.dynamicFee)
      this.#deployer.call(address, algebraAbi, 'setFee', [pool.feePips])
    for (const [lower, upper, liquidity] of this.#positions(pool))
      this.#deployer.call(this.#trader, this.#traderAbi, 'addAlgebraLiquidity', [
        address,
        lower,
        upper,
        liquidity,
      ])
    return address
  }

  #managed(pool: ConcentratedPool): Hex {
    const currencies: [Address, Address] = [pool.native ? NO_HOOKS : pool.tokens[0], pool.tokens[1]]
    const key = {
      currency0: currencies[0],
      currency1: currencies[1],
      fee: pool.feePips,
      tickSpacing: pool.tickSpacing,
      hooks: NO_HOOKS,
    }
    this.#deployer.call(this.#manager, v4Abi, 'initialize', [key, pool.sqrtPriceX96])
    if (pool.protocolFee) {
      this.#deployer.call(this.#manager, v4Abi, 'setProtocolFeeController', [this.#deployer.account])
      this.#deployer.call(this.#manager, v4Abi, 'setProtocolFee', [
        key,
        pool.protocolFee[0] | (pool.protocolFee[1] << 12),
      ])
    }
    for (const [lower, upper, liquidity] of this.#positions(pool))
      this.#deployer.call(this.#trader, this.#traderAbi, 'addManagedLiquidity', [
        key,
        lower,
        upper,
        liquidity,
      ])
    if (!this.exchanges.some((exchange) => exchange.kind === 'uniswap-v4'))
      this.exchanges.push({ kind: 'uniswap-v4', dex: pool.dex, manager: this.#manager, fees: DEFAULT_TIERS })
    return managedPoolId(currencies, pool.feePips, pool.tickSpacing)
  }

  /**
   * Positions that add up to the pool's liquidity: one per range between ticks, or its one known range. Funds
   * the trader with their cost.
   */
  #positions(pool: ConcentratedPool): [lower: number, upper: number, liquidity: bigint][] {
    const positions: [number, number, bigint][] = []
    if (!pool.ticks) positions.push([...knownRange(pool), pool.liquidity])
    else {
      let liquidity = 0n
      for (let i = 0; i + 1 < pool.ticks.length; i++) {
        const [lower, net] = pool.ticks[i] as (typeof pool.ticks)[number]
        liquidity += net
        if (liquidity > 0n)
          positions.push([lower, (pool.ticks[i + 1] as (typeof pool.ticks)[number])[0], liquidity])
      }
    }
    for (const [lower, upper, liquidity] of positions) {
      const [a, b] = [sqrtRatioAtTick(lower), sqrtRatioAtTick(upper)]
      const at = pool.sqrtPriceX96 < a ? a : pool.sqrtPriceX96 > b ? b : pool.sqrtPriceX96
      // Some units more of each: Algebra keeps the first units of a pool.
      this.#fund(pool.tokens[0], this.#trader, amount0Delta(at, b, liquidity, true) + 1_000n)
      this.#fund(pool.tokens[1], this.#trader, amount1Delta(a, at, liquidity, true) + 1_000n)
    }
    return positions
  }

  #factory(key: string, deploy: () => Address): Address {
    let factory = this.#factories.get(key)
    if (!factory) this.#factories.set(key, (factory = deploy()))
    return factory
  }
}

function create2(from: Address, salt: Hex, bytecode: Hex): Address {
  return getContractAddress({ opcode: 'CREATE2', from, salt, bytecode }).toLowerCase() as Address
}
