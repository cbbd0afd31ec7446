/** Balancer V2: its vault with one weighted pool in it, so that the vault has something to lend. */
import { type Abi, encodeAbiParameters, getContractAddress, parseAbi } from 'viem'
import type { Address } from '../amm/index.ts'
import { balancer } from './artifacts.ts'
import type { Fund } from './build.ts'
import type { Deployer } from './deployer.ts'
import type { MarketPlan } from './market.ts'

const POOLED = ['WMATIC', 'WETH', 'USDC', 'WBTC', 'DAI']
const DOLLARS_EACH = 1_500_000
const ONE = 10n ** 18n
const SWAP_FEE = ONE / 500n
const approveAbi = parseAbi(['function approve(address,uint256)'])

/** Deploys vault, factory and pool, and joins the pool; returns the vault. */
export function buildBalancer(deployer: Deployer, plan: MarketPlan, fund: Fund): Address {
  const me = deployer.account
  const vaultArtifact = balancer('20210418-vault', 'Vault')
  const factoryArtifact = balancer('deprecated/20210418-weighted-pool', 'WeightedPoolFactory')
  const authorizer = deployer.deploy('Authorizer', balancer('20210418-authorizer', 'Authorizer'), [me])
  const vault = deployer.deploy('Vault', vaultArtifact, [authorizer, plan.wrappedNative, 0n, 0n])
  const factory = deployer.deploy('WeightedPoolFactory', factoryArtifact, [vault])
  const tokens = plan.snapshot.tokens.filter((token) => POOLED.includes(token.symbol)).sort((a, b) => (a.address < b.address ? -1 : 1))
  if (tokens.length < 2) return vault
  const share = ONE / BigInt(tokens.length)
  const weights = tokens.map((_, index) => (index === 0 ? ONE - share * BigInt(tokens.length - 1) : share))
  deployer.call(factory, factoryArtifact.abi as Abi, 'create', ['Local weighted pool', 'LWP', tokens.map((token) => token.address), weights, SWAP_FEE, me])
  const pool = getContractAddress({ from: factory, nonce: 1n }).toLowerCase()
  // The vault numbers pools itself: address, specialization (two tokens 2, otherwise minimal swap info 1), nonce 0.
  const poolId = `${pool}${tokens.length === 2 ? '0002' : '0001'}${'0'.repeat(20)}`
  const amounts = tokens.map((token) => {
    const dollars = plan.dollars.get(token.address) ?? 1_000
    return BigInt(Math.round((DOLLARS_EACH / dollars) * 100)) * 10n ** BigInt(token.decimals - 2)
  })
  tokens.forEach((token, index) => {
    fund(token.address, me, amounts[index] as bigint)
    deployer.call(token.address, approveAbi, 'approve', [vault, amounts[index] as bigint])
  })
  // Join kind 0 is INIT.
  const userData = encodeAbiParameters([{ type: 'uint256' }, { type: 'uint256[]' }], [0n, amounts])
  deployer.call(vault, vaultArtifact.abi as Abi, 'joinPool', [
    poolId,
    me,
    me,
    { assets: tokens.map((token) => token.address), maxAmountsIn: amounts, userData, fromInternalBalance: false },
  ])
  return vault
}
