/**
 * Builds a market on a fresh local chain: tokens, exchanges, pools, lenders and our contract, through the
 * real factories.
 */
import { type Abi, type Hex, multicall3Abi } from 'viem'
import type { Address } from '../amm/index.ts'
import type { MarketManifest, PoolDescriptor } from '../ports/manifest.ts'
import { buildAave } from './aave.ts'
import { multicall3, own, uniswapV4 } from './artifacts.ts'
import { buildVaultPools, deployVault, type VaultPool } from './balancer.ts'
import { Deployer } from './deployer.ts'
import { BUILDER, type Fund, type MarketPlan } from './plan.ts'
import { rpc, rpcBatch, toHex } from './rpc.ts'
import { placeTokens } from './tokens.ts'
import { UniswapBuilder } from './uniswap.ts'

export interface Accounts {
  operator: Address
  treasury: Address
}

const MULTICALL: Address = '0xca11bde05977b3631167028862be2a173976ca11'
const MAX_CONNECTED_START_TOKENS = 8
const OPERATOR_FUNDS = 1_000n * 10n ** 18n

export interface BuiltMarket {
  manifest: MarketManifest
  /** The traders' contract: it holds tokens and swaps for any caller. */
  trader: Address
  /** The oracle that the local chain keeps up to date, as a price network would. */
  priceSource: Address
}

/** Deploys everything and returns the manifest. Throws `deployment-failed` naming the step. */
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
  const vault = deployVault(deployer, plan)
  const manager = deployer.deploy('PoolManager', uniswapV4('PoolManager'), [deployer.account])
  const trader = deployer.deploy('LocalTrader', own('LocalTrader'), [vault, manager, plan.wrappedNative])
  const uniswap = new UniswapBuilder(deployer, fund, trader, manager)
  const pools = await buildPools(url, deployer, plan, uniswap, vault, fund)
  const { pool: aavePool, oracle, priceSource } = buildAave(deployer, plan, fund)
  const executor = deployer.deploy('KintsugiExecutor', own('KintsugiExecutor'), [
    accounts.treasury,
    accounts.operator,
    accounts.treasury,
    vault,
    manager,
    plan.wrappedNative,
  ])
  for (const token of plan.snapshot.tokens) fund(token.address, trader, 1n << 100n)
  await deployer.flush()
  await rpcBatch(url, [
    { method: 'evm_setBlockGasLimit', params: [gasLimit] },
    { method: 'anvil_setBalance', params: [accounts.operator, toHex(OPERATOR_FUNDS)] },
  ])
  return {
    manifest: {
      chainId: Number(await rpc<Hex>(url, 'eth_chainId')),
      genesis,
      genesisBlock: Number(genesisBlock),
      network: plan.network,
      nativeSymbol: plan.nativeSymbol,
      wrappedNative: plan.wrappedNative,
      numeraire: plan.numeraire,
      tokens: plan.snapshot.tokens,
      pools,
      exchanges: [
        ...uniswap.exchanges,
        { kind: 'balancer-v2', dex: 'balancer_v2', vault, sinceBlock: Number(genesisBlock) },
      ],
      discoveredAt: Number(await rpc<Hex>(url, 'eth_blockNumber')),
      startTokens: startTokensOf(plan, pools),
      multicall: MULTICALL,
      aave: { pool: aavePool, oracle },
      balancer: { vault },
      uniswapV4: { manager },
      execution: { executor, ...accounts },
    },
    trader,
    priceSource,
  }
}

/** Tokens in which profit is wanted: the wrapped native token, the numeraire, then those in most pools. */
function startTokensOf(plan: MarketPlan, pools: readonly PoolDescriptor[]): Address[] {
  const degree = new Map<Address, number>()
  for (const pool of pools) for (const token of pool.tokens) degree.set(token, (degree.get(token) ?? 0) + 1)
  const connected = plan.snapshot.tokens
    .map((token) => token.address)
    .sort((a, b) => (degree.get(b) ?? 0) - (degree.get(a) ?? 0))
  return [...new Set([plan.wrappedNative, plan.numeraire, ...connected.slice(0, MAX_CONNECTED_START_TOKENS)])]
}

/** Multicall3 has the same address on every chain. */
async function placeMulticall(url: string, deployer: Deployer): Promise<void> {
  const at = deployer.deploy('Multicall3', { abi: multicall3Abi as Abi, bytecode: await multicall3() })
  await deployer.flush()
  await rpc(url, 'anvil_setCode', MULTICALL, await rpc<Hex>(url, 'eth_getCode', at, 'latest'))
}

/** The plan's pools, in its order. */
async function buildPools(
  url: string,
  deployer: Deployer,
  plan: MarketPlan,
  uniswap: UniswapBuilder,
  vault: Address,
  fund: Fund,
): Promise<PoolDescriptor[]> {
  const built = new Map<Address, PoolDescriptor>()
  const inVault: VaultPool[] = []
  for (const pool of plan.snapshot.pools) {
    if (pool.kind === 'constant-product') built.set(pool.address, uniswap.pair(pool))
    else if (pool.kind === 'concentrated') built.set(pool.address, uniswap.concentrated(pool))
    else inVault.push(pool)
  }
  for (const descriptor of await buildVaultPools(url, deployer, vault, inVault, fund))
    built.set(descriptor.reference as Address, descriptor)
  return plan.snapshot.pools.map((pool) => built.get(pool.address) as PoolDescriptor)
}
