/** Aave V3, deployed as its own scripts do: libraries, provider, access control, pool, oracle, reserves, liquidity. */
import { type Abi, getContractAddress, zeroAddress } from 'viem'
import type { Address } from '../amm/index.ts'
import { aave } from './artifacts.ts'
import type { Fund } from './build.ts'
import type { Deployer } from './deployer.ts'
import type { MarketPlan } from './market.ts'

/** Flash-loan premium that Aave's markets on Polygon charge, in hundredths of a percent. */
const PREMIUM_BPS = 5
const LISTED = ['WMATIC', 'WETH', 'USDC', 'USDT', 'DAI', 'WBTC', 'LINK', 'AAVE']
/** Dollars supplied to each reserve. */
const SUPPLY_DOLLARS = 2_000_000
const RAY = 10n ** 27n

export interface AaveDeployment {
  pool: Address
  oracle: Address
  priceSource: Address
}

export function buildAave(deployer: Deployer, plan: MarketPlan, fund: Fund): AaveDeployment {
  const logic = 'protocol/libraries/logic/'
  const library = (name: string, libraries: Record<string, string> = {}) =>
    deployer.deploy(name, aave(`${logic}${name}`, libraries))
  const BorrowLogic = library('BorrowLogic')
  const libraries = {
    BorrowLogic,
    FlashLoanLogic: library('FlashLoanLogic', { BorrowLogic }),
    BridgeLogic: library('BridgeLogic'),
    EModeLogic: library('EModeLogic'),
    LiquidationLogic: library('LiquidationLogic'),
    PoolLogic: library('PoolLogic'),
    SupplyLogic: library('SupplyLogic'),
    ConfiguratorLogic: library('ConfiguratorLogic'),
  }
  const artifacts = {
    provider: aave('protocol/configuration/PoolAddressesProvider'),
    acl: aave('protocol/configuration/ACLManager'),
    pool: aave('protocol/pool/Pool', libraries),
    configurator: aave('protocol/pool/PoolConfigurator', libraries),
    oracle: aave('misc/AaveOracle'),
    source: aave('mocks/oracle/PriceOracle'),
    rates: aave('protocol/pool/DefaultReserveInterestRateStrategy'),
  }
  const me = deployer.account
  const provider = deployer.deploy('PoolAddressesProvider', artifacts.provider, ['local', me])
  const onProvider = (name: string, ...args: unknown[]) =>
    deployer.call(provider, artifacts.provider.abi as Abi, name, args)
  onProvider('setACLAdmin', me)
  const acl = deployer.deploy('ACLManager', artifacts.acl, [provider])
  onProvider('setACLManager', acl)
  deployer.call(acl, artifacts.acl.abi as Abi, 'addPoolAdmin', [me])
  deployer.call(acl, artifacts.acl.abi as Abi, 'addAssetListingAdmin', [me])
  onProvider('setPoolImpl', deployer.deploy('Pool', artifacts.pool, [provider]))
  onProvider('setPoolConfiguratorImpl', deployer.deploy('PoolConfigurator', artifacts.configurator))
  // The provider creates the two proxies itself, as its first and second contract.
  const pool = created(provider, 1n)
  const configurator = created(provider, 2n)
  const priceSource = deployer.deploy('PriceOracle', artifacts.source)
  const oracle = deployer.deploy('AaveOracle', artifacts.oracle, [
    provider,
    [],
    [],
    priceSource,
    zeroAddress,
    10n ** 8n,
  ])
  onProvider('setPriceOracle', oracle)
  const aToken = deployer.deploy('AToken', aave('protocol/tokenization/AToken'), [pool])
  const stableDebt = deployer.deploy('StableDebtToken', aave('protocol/tokenization/StableDebtToken'), [pool])
  const variableDebt = deployer.deploy('VariableDebtToken', aave('protocol/tokenization/VariableDebtToken'), [
    pool,
  ])
  const percent = RAY / 100n
  const rates = deployer.deploy('DefaultReserveInterestRateStrategy', artifacts.rates, [
    provider,
    80n * percent,
    0n,
    4n * percent,
    75n * percent,
    2n * percent,
    75n * percent,
    2n * percent,
    5n * percent,
    20n * percent,
  ])
  const onConfigurator = (name: string, ...args: unknown[]) =>
    deployer.call(configurator, artifacts.configurator.abi as Abi, name, args)
  const listed = plan.snapshot.tokens.filter((token) => LISTED.includes(token.symbol))
  onConfigurator(
    'initReserves',
    listed.map(({ address, symbol, decimals }) => ({
      aTokenImpl: aToken,
      stableDebtTokenImpl: stableDebt,
      variableDebtTokenImpl: variableDebt,
      underlyingAssetDecimals: decimals,
      interestRateStrategyAddress: rates,
      underlyingAsset: address,
      treasury: me,
      incentivesController: zeroAddress,
      aTokenName: `Aave ${symbol}`,
      aTokenSymbol: `a${symbol}`,
      variableDebtTokenName: `Aave Variable Debt ${symbol}`,
      variableDebtTokenSymbol: `variableDebt${symbol}`,
      stableDebtTokenName: `Aave Stable Debt ${symbol}`,
      stableDebtTokenSymbol: `stableDebt${symbol}`,
      params: '0x',
    })),
  )
  onConfigurator('updateFlashloanPremiumTotal', PREMIUM_BPS)
  for (const token of listed) {
    const dollars = plan.dollars.get(token.address) ?? 1_000
    const amount =
      BigInt(Math.max(1, Math.round((SUPPLY_DOLLARS / dollars) * 100))) * 10n ** BigInt(token.decimals - 2)
    onConfigurator('setReserveFlashLoaning', token.address, true)
    deployer.call(priceSource, artifacts.source.abi as Abi, 'setAssetPrice', [
      token.address,
      BigInt(Math.round(dollars * 1e8)),
    ])
    fund(token.address, me, amount)
    deployer.call(token.address, ERC20_ABI, 'approve', [pool, amount])
    deployer.call(pool, artifacts.pool.abi as Abi, 'supply', [token.address, amount, me, 0])
  }
  return { pool, oracle, priceSource }
}

const ERC20_ABI: Abi = [
  {
    type: 'function',
    name: 'approve',
    inputs: [
      { type: 'address', name: 'spender' },
      { type: 'uint256', name: 'value' },
    ],
    outputs: [],
    stateMutability: 'nonpayable',
  },
]

function created(by: Address, nonce: bigint): Address {
  return getContractAddress({ from: by, nonce }).toLowerCase() as Address
}
