/** Builds a market on a fresh local chain: tokens, exchanges, pools, lenders and our contract, through the real factories. */
import { type Abi, encodeAbiParameters, encodePacked, getContractAddress, type Hex, keccak256, multicall3Abi, parseAbi } from 'viem'
import { type Address, amount0Delta, amount1Delta, type ConcentratedPool, knownRange, sqrtRatioAtTick } from '../amm/index.ts'
import type { MarketManifest, PoolDescriptor } from '../ports/manifest.ts'
import { buildAave } from './aave.ts'
import { multicall3, own, uniswapV2, uniswapV3 } from './artifacts.ts'
import { buildBalancer } from './balancer.ts'
import { Deployer } from './deployer.ts'
import type { MarketPlan } from './market.ts'
import { rpc, rpcBatch, toHex } from './rpc.ts'
import { placeTokens } from './tokens.ts'

export interface Accounts {
  operator: Address
  treasury: Address
}

/** Who sets up the local chain; impersonated, no key exists. */
export const BUILDER: Address = '0x00000000000000000000000000000000000b0001'
const MULTICALL: Address = '0xca11bde05977b3631167028862be2a173976ca11'
const OPERATOR_FUNDS = 1_000n * 10n ** 18n

export interface BuiltMarket {
  manifest: MarketManifest
  /** The traders' contract: it holds tokens and swaps for whoever calls it. */
  trader: Address
  /** The oracle that the local chain keeps up to date, as a price network would. */
  priceSource: Address
}

/** Deploys everything and returns what the rest of the system needs to know. Throws `deployment-failed` naming the step. */
export async function buildMarket(url: string, plan: MarketPlan, accounts: Accounts): Promise<BuiltMarket> {
  const genesisBlock = await rpc<Hex>(url, 'eth_blockNumber')
  const genesis = (await rpc<{ hash: Hex }>(url, 'eth_getBlockByNumber', genesisBlock, false)).hash
  const gasLimit = (await rpc<{ gasLimit: Hex }>(url, 'eth_getBlockByNumber', genesisBlock, false)).gasLimit
  await rpcBatch(url, [
    { method: 'evm_setAutomine', params: [false] },
    { method: 'evm_setBlockGasLimit', params: [toHex(40_000_000_000n)] },
  ])
  const deployer = await Deployer.start(url, BUILDER)
  await placeMulticall(url, deployer)
  const fund = await placeTokens(url, deployer, plan)
  const trader = deployer.deploy('LocalTrader', own('LocalTrader'))
  const pools = buildPools(deployer, plan, trader, fund)
  const { pool: aavePool, oracle, priceSource } = buildAave(deployer, plan, fund)
  const vault = buildBalancer(deployer, plan, fund)
  const executor = deployer.deploy('KintsugiExecutor', own('KintsugiExecutor'), [accounts.treasury, accounts.operator, accounts.treasury])
  for (const token of plan.snapshot.tokens) fund(token.address, trader, 1n << 100n)
  await deployer.flush()
  await rpcBatch(url, [
    { method: 'evm_setBlockGasLimit', params: [gasLimit] },
    { method: 'anvil_setBalance', params: [accounts.operator, toHex(OPERATOR_FUNDS)] },
  ])
  const { tokens } = plan.snapshot
  const degree = new Map<Address, number>()
  for (const pool of pools) for (const token of pool.tokens) degree.set(token, (degree.get(token) ?? 0) + 1)
  const startTokens = [
    plan.wrappedNative,
    plan.numeraire,
    ...tokens
      .map((token) => token.address)
      .sort((a, b) => (degree.get(b) ?? 0) - (degree.get(a) ?? 0))
      .slice(0, 8),
  ]
  return {
    manifest: {
      chainId: Number(await rpc<Hex>(url, 'eth_chainId')),
      genesis,
      genesisBlock: Number(genesisBlock),
      network: plan.network,
      nativeSymbol: plan.nativeSymbol,
      wrappedNative: plan.wrappedNative,
      numeraire: plan.numeraire,
      tokens,
      pools,
      startTokens: [...new Set(startTokens)],
      multicall: MULTICALL,
      aave: { pool: aavePool, oracle },
      balancer: { vault },
      execution: { executor, ...accounts },
    },
    trader,
    priceSource,
  }
}

/** Multicall3 stands at the same address on every chain. */
async function placeMulticall(url: string, deployer: Deployer): Promise<void> {
  const at = deployer.deploy('Multicall3', { abi: multicall3Abi as Abi, bytecode: await multicall3() })
  await deployer.flush()
  await rpc(url, 'anvil_setCode', MULTICALL, await rpc<Hex>(url, 'eth_getCode', at, 'latest'))
}

/** Mints or wraps `amount` of `token` for `to`. */
export type Fund = (token: Address, to: Address, amount: bigint) => void

const pairAbi = parseAbi(['function sync()', 'function createPair(address,address)'])
const v3Abi = parseAbi(['function createPool(address,address,uint24)', 'function initialize(uint160)', 'function enableFeeAmount(uint24,int24)'])
const DEFAULT_FEES = new Set([500, 3000, 10_000])

function buildPools(deployer: Deployer, plan: MarketPlan, trader: Address, fund: Fund): PoolDescriptor[] {
  const factories = new Map<string, Address>()
  const enabled = new Set<string>()
  const pairCode = uniswapV2('UniswapV2Pair').bytecode
  const poolCode = uniswapV3('UniswapV3Pool').bytecode
  const traderAbi = own('LocalTrader').abi as Abi
  return plan.snapshot.pools.map((pool): PoolDescriptor => {
    const [token0, token1] = pool.tokens
    const factoryKey = `${pool.dex} ${pool.kind} ${pool.kind === 'constant-product' ? pool.feeBps : ''}`
    let factory = factories.get(factoryKey)
    if (!factory) {
      factory =
        pool.kind === 'constant-product'
          ? deployer.deploy(`factory of ${pool.dex}`, uniswapV2('UniswapV2Factory'), [deployer.account])
          : deployer.deploy(`factory of ${pool.dex}`, uniswapV3('UniswapV3Factory'))
      factories.set(factoryKey, factory)
    }
    const shared = { dex: pool.dex, tokens: pool.tokens, reference: pool.address }
    if (pool.kind === 'constant-product') {
      deployer.call(factory, pairAbi, 'createPair', [token0, token1])
      const address = create2(factory, keccak256(encodePacked(['address', 'address'], [token0, token1])), pairCode)
      fund(token0, address, pool.reserves[0])
      fund(token1, address, pool.reserves[1])
      deployer.call(address, pairAbi, 'sync', [])
      return { kind: pool.kind, address, ...shared, feeBps: pool.feeBps }
    }
    const feeKey = `${factory} ${pool.feePips}`
    if (!DEFAULT_FEES.has(pool.feePips) && !enabled.has(feeKey)) {
      deployer.call(factory, v3Abi, 'enableFeeAmount', [pool.feePips, pool.tickSpacing])
      enabled.add(feeKey)
    }
    deployer.call(factory, v3Abi, 'createPool', [token0, token1, pool.feePips])
    const salt = keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'address' }, { type: 'uint24' }], [token0, token1, pool.feePips]))
    const address = create2(factory, salt, poolCode)
    deployer.call(address, v3Abi, 'initialize', [pool.sqrtPriceX96])
    for (const [lower, upper, liquidity] of positionsOf(pool)) {
      const [a, b] = [sqrtRatioAtTick(lower), sqrtRatioAtTick(upper)]
      const at = pool.sqrtPriceX96 < a ? a : pool.sqrtPriceX96 > b ? b : pool.sqrtPriceX96
      fund(token0, trader, amount0Delta(at, b, liquidity, true))
      fund(token1, trader, amount1Delta(a, at, liquidity, true))
      deployer.call(trader, traderAbi, 'addLiquidity', [address, lower, upper, liquidity])
    }
    return { kind: pool.kind, address, ...shared, feePips: pool.feePips, tickSpacing: pool.tickSpacing }
  })
}

/** Positions that add up to the pool's liquidity: one for each stretch between its ticks, or the one range that is known. */
function positionsOf(pool: ConcentratedPool): [lower: number, upper: number, liquidity: bigint][] {
  if (!pool.ticks) return [[...knownRange(pool), pool.liquidity]]
  const positions: [number, number, bigint][] = []
  let liquidity = 0n
  for (let i = 0; i + 1 < pool.ticks.length; i++) {
    const [lower, net] = pool.ticks[i] as (typeof pool.ticks)[number]
    liquidity += net
    if (liquidity > 0n) positions.push([lower, (pool.ticks[i + 1] as (typeof pool.ticks)[number])[0], liquidity])
  }
  return positions
}

function create2(from: Address, salt: Hex, bytecode: Hex): Address {
  return getContractAddress({ opcode: 'CREATE2', from, salt, bytecode }).toLowerCase() as Address
}
