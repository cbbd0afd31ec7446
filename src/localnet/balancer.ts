/**
 * Balancer V2: its vault, and weighted and stable pools from the factories of 2021 and 2022, funded as the
 * plan says.
 */
import { encodeAbiParameters, getContractAddress, type Hex, parseAbi } from 'viem'
import type { Address, StablePool, WeightedPool } from '../amm/index.ts'
import type { PoolDescriptor } from '../ports/manifest.ts'
import { type Artifact, balancer } from './artifacts.ts'
import type { Deployer } from './deployer.ts'
import type { Fund, MarketPlan } from './plan.ts'
import { rpcBatch } from './rpc.ts'

export type VaultPool = WeightedPool | StablePool

interface Factory {
  readonly address: Address
  readonly artifact: Artifact
  /** The factory's own nonce: its next pool's address follows from it. */
  nonce: bigint
}

const VAULT_TASK = '20210418-vault'
const approveAbi = parseAbi(['function approve(address,uint256)'])
const NO_RATES = '0x0000000000000000000000000000000000000000'
/** Ceiling of the protocol's share of swap fees and yield, in 1e18; the local chain takes none of either. */
const MAX_PROTOCOL_FEE = 5n * 10n ** 17n
/** Name and symbol of every pool's own token. */
const POOL_NAME = ['Local pool', 'LP'] as const

/** Queues the deployment of the vault and its authorizer; returns the vault's address. */
export function deployVault(deployer: Deployer, plan: MarketPlan): Address {
  const authorizer = deployer.deploy('Authorizer', balancer('20210418-authorizer', 'Authorizer'), [
    deployer.account,
  ])
  return deployer.deploy('Vault', balancer(VAULT_TASK, 'Vault'), [authorizer, plan.wrappedNative, 0n, 0n])
}

/** Selector of `getPoolId()`. */
const GET_POOL_ID: Hex = '0x38fff2d0'

/** Creates the pools, reads the ids that the vault gave them, and joins each with its balances. */
export async function buildVaultPools(
  url: string,
  deployer: Deployer,
  vault: Address,
  pools: readonly VaultPool[],
  fund: Fund,
): Promise<PoolDescriptor[]> {
  if (pools.length === 0) return []
  const factories = new PoolFactories(deployer, vault)
  const addresses = pools.map((pool) => factories.create(pool))
  await deployer.flush()
  const ids = (await rpcBatch(
    url,
    addresses.map((to) => ({ method: 'eth_call', params: [{ to, data: GET_POOL_ID }, 'latest'] })),
  )) as Hex[]
  const vaultAbi = balancer(VAULT_TASK, 'Vault').abi
  return pools.map((pool, index): PoolDescriptor => {
    const id = ids[index] as Hex
    fundPool(deployer, pool, vault, fund)
    deployer.call(vault, vaultAbi, 'joinPool', joinArguments(deployer.account, id, pool))
    return {
      kind: pool.kind,
      address: addresses[index] as Address,
      id,
      dex: pool.dex,
      tokens: pool.tokens,
      reference: pool.address,
      ...generationOf(pool),
    }
  })
}

/** Balancer's pool factories, each deployed with its first pool. */
class PoolFactories {
  readonly #deployer: Deployer
  readonly #vault: Address
  readonly #factories = new Map<string, Factory>()
  #feeProvider: Address | undefined

  constructor(deployer: Deployer, vault: Address) {
    this.#deployer = deployer
    this.#vault = vault
  }

  /** Queues the creation of a pool and returns its address. */
  create(pool: VaultPool): Address {
    return pool.kind === 'weighted' ? this.#weighted(pool) : this.#stable(pool)
  }

  #weighted({ tokens, weights, swapFee, powShortcuts }: WeightedPool): Address {
    const owner = this.#deployer.account
    if (!powShortcuts) {
      const factory = this.#factory('20210418-weighted-pool', 'WeightedPoolFactory', [this.#vault], 1n)
      return this.#createPool(factory, [...POOL_NAME, tokens, weights, swapFee, owner])
    }
    const args = [this.#vault, this.#provider()]
    const factory = this.#factory('20220908-weighted-pool-v2', 'WeightedPoolFactory', args, 3n)
    const rateProviders = tokens.map(() => NO_RATES)
    return this.#createPool(factory, [...POOL_NAME, tokens, weights, rateProviders, swapFee, owner])
  }

  #stable({ tokens, amp, swapFee, invariantRounding = 'down' }: StablePool): Address {
    const [task, firstNonce] =
      invariantRounding === 'down'
        ? (['20220609-stable-pool-v2', 3n] as const)
        : (['deprecated/20210624-stable-pool', 1n] as const)
    const factory = this.#factory(task, 'StablePoolFactory', [this.#vault], firstNonce)
    return this.#createPool(factory, [...POOL_NAME, tokens, amp / 1_000n, swapFee, this.#deployer.account])
  }

  /** `firstNonce`: 3 for a factory that first stores its pools' code in two contracts of its own, else 1. */
  #factory(task: string, name: string, args: readonly unknown[], firstNonce: bigint): Factory {
    const known = this.#factories.get(task)
    if (known) return known
    const artifact = balancer(task, name)
    const factory = { address: this.#deployer.deploy(task, artifact, args), artifact, nonce: firstNonce }
    this.#factories.set(task, factory)
    return factory
  }

  #createPool(factory: Factory, args: readonly unknown[]): Address {
    this.#deployer.call(factory.address, factory.artifact.abi, 'create', args)
    return getContractAddress({ from: factory.address, nonce: factory.nonce++ }).toLowerCase() as Address
  }

  #provider(): Address {
    const task = '20220725-protocol-fee-percentages-provider'
    this.#feeProvider ??= this.#deployer.deploy(task, balancer(task, 'ProtocolFeePercentagesProvider'), [
      this.#vault,
      MAX_PROTOCOL_FEE,
      MAX_PROTOCOL_FEE,
    ])
    return this.#feeProvider
  }
}

/** Funds the builder with a pool's balances and lets the vault take them. */
function fundPool(deployer: Deployer, { tokens, balances }: VaultPool, vault: Address, fund: Fund): void {
  for (const [index, token] of tokens.entries()) {
    const balance = balances[index] as bigint
    fund(token, deployer.account, balance)
    deployer.call(token, approveAbi, 'approve', [vault, balance])
  }
}

/** Arguments of the vault's `joinPool` that pay all balances into an empty pool. */
function joinArguments(account: Address, id: Hex, { tokens, balances }: VaultPool): unknown[] {
  // Join kind 0 is INIT.
  const userData = encodeAbiParameters([{ type: 'uint256' }, { type: 'uint256[]' }], [0n, balances])
  return [
    id,
    account,
    account,
    { assets: tokens, maxAmountsIn: balances, userData, fromInternalBalance: false },
  ]
}

/** How the pool's contract differs from later or earlier ones of its kind. */
function generationOf(pool: VaultPool): Pick<PoolDescriptor, 'powShortcuts' | 'invariantRounding'> {
  if (pool.kind === 'weighted') return pool.powShortcuts ? { powShortcuts: true } : {}
  return pool.invariantRounding ? { invariantRounding: pool.invariantRounding } : {}
}
