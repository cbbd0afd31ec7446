/** Balancer V2: its vault, and weighted and stable pools from the factories of 2021 and 2022, funded as the plan says. */
import { type Abi, encodeAbiParameters, getContractAddress, type Hex, parseAbi } from 'viem'
import type { Address, StablePool, WeightedPool } from '../amm/index.ts'
import type { PoolDescriptor } from '../ports/manifest.ts'
import { type Artifact, balancer } from './artifacts.ts'
import type { Fund } from './build.ts'
import type { Deployer } from './deployer.ts'
import type { MarketPlan } from './market.ts'
import { rpcBatch } from './rpc.ts'

export type VaultPool = WeightedPool | StablePool

interface Factory {
  readonly address: Address
  readonly artifact: Artifact
  /** The factory's own nonce: its next pool's address follows from it. */
  nonce: bigint
}

const approveAbi = parseAbi(['function approve(address,uint256)'])
const NO_RATES = '0x0000000000000000000000000000000000000000'
/** Half of what swaps and nothing of what assets earn may go to the protocol; the local chain takes neither. */
const FEE_CEILING = 5n * 10n ** 17n

export function deployVault(deployer: Deployer, plan: MarketPlan): Address {
  const authorizer = deployer.deploy('Authorizer', balancer('20210418-authorizer', 'Authorizer'), [
    deployer.account,
  ])
  return deployer.deploy('Vault', balancer('20210418-vault', 'Vault'), [
    authorizer,
    plan.wrappedNative,
    0n,
    0n,
  ])
}

/** Creates the pools, reads the ids that the vault gave them, and joins each with its balances. */
export async function buildVaultPools(
  url: string,
  deployer: Deployer,
  vault: Address,
  pools: readonly VaultPool[],
  fund: Fund,
): Promise<PoolDescriptor[]> {
  if (pools.length === 0) return []
  const factories = new Map<string, Factory>()
  const factoryOf = (task: string, name: string, args: readonly unknown[], firstNonce: bigint): Factory => {
    let factory = factories.get(task)
    if (!factory) {
      const artifact = balancer(task, name)
      factories.set(
        task,
        (factory = { address: deployer.deploy(task, artifact, args), artifact, nonce: firstNonce }),
      )
    }
    return factory
  }
  let provider: Address | undefined
  const feeProvider = () => {
    const task = '20220725-protocol-fee-percentages-provider'
    provider ??= deployer.deploy(task, balancer(task, 'ProtocolFeePercentagesProvider'), [
      vault,
      FEE_CEILING,
      FEE_CEILING,
    ])
    return provider
  }
  const create = (factory: Factory, args: readonly unknown[]): Address => {
    deployer.call(factory.address, factory.artifact.abi, 'create', args)
    return getContractAddress({ from: factory.address, nonce: factory.nonce++ }).toLowerCase() as Address
  }
  const made = pools.map((pool): Address => {
    const shared = ['Local pool', 'LP', pool.tokens] as const
    if (pool.kind === 'weighted') {
      if (!pool.powShortcuts)
        return create(factoryOf('20210418-weighted-pool', 'WeightedPoolFactory', [vault], 1n), [
          ...shared,
          pool.weights,
          pool.swapFee,
          deployer.account,
        ])
      // This factory first stores the pool's code in two contracts of its own.
      const factory = factoryOf(
        '20220908-weighted-pool-v2',
        'WeightedPoolFactory',
        [vault, feeProvider()],
        3n,
      )
      return create(factory, [
        ...shared,
        pool.weights,
        pool.tokens.map(() => NO_RATES),
        pool.swapFee,
        deployer.account,
      ])
    }
    const late = (pool.invariantRounding ?? 'down') === 'down'
    const factory = late
      ? factoryOf('20220609-stable-pool-v2', 'StablePoolFactory', [vault], 3n)
      : factoryOf('deprecated/20210624-stable-pool', 'StablePoolFactory', [vault], 1n)
    return create(factory, [...shared, pool.amp / 1_000n, pool.swapFee, deployer.account])
  })
  await deployer.flush()
  const GET_POOL_ID = '0x38fff2d0'
  const ids = (await rpcBatch(
    url,
    made.map((to) => ({ method: 'eth_call', params: [{ to, data: GET_POOL_ID }, 'latest'] })),
  )) as Hex[]
  const vaultAbi: Abi = balancer('20210418-vault', 'Vault').abi
  return pools.map((pool, index): PoolDescriptor => {
    for (const [at, token] of pool.tokens.entries()) {
      fund(token, deployer.account, pool.balances[at] as bigint)
      deployer.call(token, approveAbi, 'approve', [vault, pool.balances[at] as bigint])
    }
    // Join kind 0 is INIT.
    const userData = encodeAbiParameters([{ type: 'uint256' }, { type: 'uint256[]' }], [0n, pool.balances])
    const request = { assets: pool.tokens, maxAmountsIn: pool.balances, userData, fromInternalBalance: false }
    deployer.call(vault, vaultAbi, 'joinPool', [ids[index], deployer.account, deployer.account, request])
    const generation =
      pool.kind === 'weighted'
        ? pool.powShortcuts
          ? { powShortcuts: true }
          : {}
        : pool.invariantRounding
          ? { invariantRounding: pool.invariantRounding }
          : {}
    return {
      kind: pool.kind,
      address: made[index] as Address,
      id: ids[index] as Hex,
      dex: pool.dex,
      tokens: pool.tokens,
      reference: pool.address,
      ...generation,
    }
  })
}
