/**
 * Aave V3, deployed as its own scripts do: libraries, provider, access control, pool, oracle, reserves,
 * liquidity.
 */
import { type Abi, getContractAddress, parseAbi, zeroAddress } from 'viem'
import type { Address } from '../amm/index.ts'
import type { Token } from '../graph/index.ts'
import { aave } from './artifacts.ts'
import type { Deployer } from './deployer.ts'
import type { Fund, MarketPlan } from './plan.ts'

/** Flash-loan premium that Aave's markets on Polygon charge, in hundredths of a percent. */
const PREMIUM_BPS = 5
const LISTED = ['WMATIC', 'WETH', 'USDC', 'USDT', 'DAI', 'WBTC', 'LINK', 'AAVE']
/** Dollars supplied to each reserve. */
const SUPPLY_DOLLARS = 2_000_000
/** Assumed for a token without a price. */
const UNKNOWN_PRICE_DOLLARS = 1_000
const RAY = 10n ** 27n

export interface AaveDeployment {
  pool: Address
  oracle: Address
  priceSource: Address
}

/** Queues the deployment of Aave with a reserve per known token, each supplied by the builder. */
export function buildAave(deployer: Deployer, plan: MarketPlan, fund: Fund): AaveDeployment {
  const market = deployMarket(deployer)
  const listed = plan.snapshot.tokens.filter((token) => LISTED.includes(token.symbol))
  listReserves(deployer, market, listed)
  supplyReserves(deployer, market, listed, plan, fund)
  const { pool, oracle, priceSource } = market
  return { pool, oracle, priceSource }
}

type Call = (name: string, ...args: unknown[]) => void

interface AaveMarket extends AaveDeployment {
  readonly provider: Address
  readonly configure: Call
  readonly poolAbi: Abi
  readonly priceSourceAbi: Abi
}

function deployMarket(deployer: Deployer): AaveMarket {
  const libraries = deployLibraries(deployer)
  const providerArtifact = aave('protocol/configuration/PoolAddressesProvider')
  const configuratorArtifact = aave('protocol/pool/PoolConfigurator', libraries)
  const poolArtifact = aave('protocol/pool/Pool', libraries)
  const sourceArtifact = aave('mocks/oracle/PriceOracle')
  const me = deployer.account
  const provider = deployer.deploy('PoolAddressesProvider', providerArtifact, ['local', me])
  const register: Call = (name, ...args) => deployer.call(provider, providerArtifact.abi, name, args)
  grantRoles(deployer, provider, register)
  register('setPoolImpl', deployer.deploy('Pool', poolArtifact, [provider]))
  register('setPoolConfiguratorImpl', deployer.deploy('PoolConfigurator', configuratorArtifact))
  // The provider creates the two proxies itself, as its first and second contract.
  const pool = created(provider, 1n)
  const configurator = created(provider, 2n)
  const priceSource = deployer.deploy('PriceOracle', sourceArtifact)
  const oracle = deployer.deploy('AaveOracle', aave('misc/AaveOracle'), [
    provider,
    [],
    [],
    priceSource,
    zeroAddress,
    10n ** 8n,
  ])
  register('setPriceOracle', oracle)
  return {
    provider,
    pool,
    oracle,
    priceSource,
    configure: (name, ...args) => deployer.call(configurator, configuratorArtifact.abi, name, args),
    poolAbi: poolArtifact.abi,
    priceSourceAbi: sourceArtifact.abi,
  }
}

/** The libraries that the pool and its configurator link, by name. */
function deployLibraries(deployer: Deployer): Record<string, Address> {
  const library = (name: string, libraries: Record<string, string> = {}) =>
    deployer.deploy(name, aave(`protocol/libraries/logic/${name}`, libraries))
  const BorrowLogic = library('BorrowLogic')
  return {
    BorrowLogic,
    FlashLoanLogic: library('FlashLoanLogic', { BorrowLogic }),
    BridgeLogic: library('BridgeLogic'),
    EModeLogic: library('EModeLogic'),
    LiquidationLogic: library('LiquidationLogic'),
    PoolLogic: library('PoolLogic'),
    SupplyLogic: library('SupplyLogic'),
    ConfiguratorLogic: library('ConfiguratorLogic'),
  }
}

/** The builder administers the market. */
function grantRoles(deployer: Deployer, provider: Address, register: Call): void {
  const artifact = aave('protocol/configuration/ACLManager')
  register('setACLAdmin', deployer.account)
  const manager = deployer.deploy('ACLManager', artifact, [provider])
  register('setACLManager', manager)
  deployer.call(manager, artifact.abi, 'addPoolAdmin', [deployer.account])
  deployer.call(manager, artifact.abi, 'addAssetListingAdmin', [deployer.account])
}

function listReserves(
  deployer: Deployer,
  { provider, pool, configure }: AaveMarket,
  tokens: readonly Token[],
): void {
  const implementation = (name: string) =>
    deployer.deploy(name, aave(`protocol/tokenization/${name}`), [pool])
  const aTokenImpl = implementation('AToken')
  const stableDebtTokenImpl = implementation('StableDebtToken')
  const variableDebtTokenImpl = implementation('VariableDebtToken')
  const interestRateStrategyAddress = deployRates(deployer, provider)
  configure(
    'initReserves',
    tokens.map(({ address, symbol, decimals }) => ({
      aTokenImpl,
      stableDebtTokenImpl,
      variableDebtTokenImpl,
      underlyingAssetDecimals: decimals,
      interestRateStrategyAddress,
      underlyingAsset: address,
      treasury: deployer.account,
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
  configure('updateFlashloanPremiumTotal', PREMIUM_BPS)
}

/** One interest rate curve for all reserves; loans within one transaction pay no interest. */
function deployRates(deployer: Deployer, provider: Address): Address {
  const percent = RAY / 100n
  return deployer.deploy(
    'DefaultReserveInterestRateStrategy',
    aave('protocol/pool/DefaultReserveInterestRateStrategy'),
    [
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
    ],
  )
}

function supplyReserves(
  deployer: Deployer,
  { pool, priceSource, configure, poolAbi, priceSourceAbi }: AaveMarket,
  tokens: readonly Token[],
  plan: MarketPlan,
  fund: Fund,
): void {
  for (const { address, decimals } of tokens) {
    const dollars = plan.dollars.get(address) ?? UNKNOWN_PRICE_DOLLARS
    const hundredths = BigInt(Math.max(1, Math.round((SUPPLY_DOLLARS / dollars) * 100)))
    const amount = hundredths * 10n ** BigInt(decimals - 2)
    configure('setReserveFlashLoaning', address, true)
    deployer.call(priceSource, priceSourceAbi, 'setAssetPrice', [address, BigInt(Math.round(dollars * 1e8))])
    fund(address, deployer.account, amount)
    deployer.call(address, APPROVE_ABI, 'approve', [pool, amount])
    deployer.call(pool, poolAbi, 'supply', [address, amount, deployer.account, 0])
  }
}

const APPROVE_ABI = parseAbi(['function approve(address spender, uint256 value)'])

function created(by: Address, nonce: bigint): Address {
  return getContractAddress({ from: by, nonce }).toLowerCase() as Address
}
