/**
 * Loan offers as they are now: of Aave's pool and Balancer's vault from the chain, of the exchanges' pools
 * from the replica.
 */
import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type { Address, Pool } from '../../amm/index.ts'
import type { LoanOffer } from '../../flash/index.ts'
import type { BlockTag, Chain, Hex } from '../../ports/chain.ts'
import type { MarketManifest } from '../../ports/manifest.ts'
import { KintsugiError } from '../../std/errors.ts'

const multicallAbi = parseAbi([
  'struct Call { address target; bool allowFailure; bytes callData; }',
  'struct Result { bool success; bytes returnData; }',
  'function aggregate3(Call[] calls) payable returns (Result[] results)',
])
const erc20Abi = parseAbi([
  'function balanceOf(address) view returns (uint256)',
  'function allowance(address owner, address spender) view returns (uint256)',
])
const aaveAbi = parseAbi([
  'function FLASHLOAN_PREMIUM_TOTAL() view returns (uint128)',
  'struct Reserve { uint256 configuration; uint128 a; uint128 b; uint128 c; uint128 d; uint128 e; uint40 f; uint16 id; address aToken; address s; address v; address r; uint128 g; uint128 h; uint128 i; }',
  'function getReserveData(address asset) view returns (Reserve)',
])
const vaultAbi = parseAbi(['function getProtocolFeesCollector() view returns (address)'])
const collectorAbi = parseAbi(['function getFlashLoanFeePercentage() view returns (uint256)'])

/** Bits of Aave's reserve configuration. Source: ReserveConfiguration.sol. */
const ACTIVE = 56n
const PAUSED = 60n
const FLASH_ENABLED = 63n
const bit = (word: bigint, index: bigint) => ((word >> index) & 1n) === 1n

/** Offers at a block, by token; a token without a lender has no entry. */
export interface TokenLoanOffers {
  readonly block: number
  readonly byToken: ReadonlyMap<Address, readonly LoanOffer[]>
}

/** Runs many calls as one, at one block; a failed call yields undefined. Throws what the chain throws. */
export async function multicall(
  chain: Chain,
  at: Address,
  calls: readonly { to: Address; data: Hex }[],
  block: BlockTag,
): Promise<(Hex | undefined)[]> {
  if (calls.length === 0) return []
  const data = encodeFunctionData({
    abi: multicallAbi,
    functionName: 'aggregate3',
    args: [calls.map((call) => ({ target: call.to, allowFailure: true, callData: call.data }))],
  })
  const answer = await chain.call({ to: at, data }, block)
  if (answer === '0x')
    throw new KintsugiError('rpc-failed', `the node has no contract at Multicall ${at}`, {
      retry: 'later',
      hint: 'is it a fresh anvil? Use `anvil --fork-url URL`, or wait until the node is in sync',
    })
  const results = decodeFunctionResult({ abi: multicallAbi, functionName: 'aggregate3', data: answer })
  return results.map((result) =>
    result.success && result.returnData !== '0x' ? result.returnData : undefined,
  )
}

/**
 * Aave's and Balancer's offers for `tokens` at `block`: premium, flags and liquidity as the contracts have
 * them. Throws what the chain throws.
 */
export async function readProtocolLenders(
  chain: Chain,
  manifest: MarketManifest,
  tokens: readonly Address[],
  block: number,
): Promise<TokenLoanOffers> {
  const read = (calls: readonly Read[]) => multicall(chain, manifest.multicall, calls, block)
  const aave = manifest.aave ? await aaveOffers(read, manifest.aave.pool, tokens) : []
  const balancer = manifest.balancer ? await balancerOffers(read, manifest.balancer.vault, tokens) : []
  return { block, byToken: Map.groupBy([...aave, ...balancer], ({ token }) => token) }
}

interface Read {
  readonly to: Address
  readonly data: Hex
}
/** Runs calls in one; a call that fails has no answer. */
type ReadMany = (calls: readonly Read[]) => Promise<readonly (Hex | undefined)[]>

const balanceOf = (token: Address, holder: Address): Read => ({
  to: token,
  data: encodeFunctionData({ abi: erc20Abi, functionName: 'balanceOf', args: [holder] }),
})

/** Aave's reserves that lend now, each with the liquidity of its aToken. */
async function aaveOffers(read: ReadMany, pool: Address, tokens: readonly Address[]): Promise<LoanOffer[]> {
  const [premiumData, ...reserves] = await read([
    { to: pool, data: encodeFunctionData({ abi: aaveAbi, functionName: 'FLASHLOAN_PREMIUM_TOTAL' }) },
    ...tokens.map((token) => ({
      to: pool,
      data: encodeFunctionData({ abi: aaveAbi, functionName: 'getReserveData', args: [token] }),
    })),
  ])
  if (!premiumData) return []
  const rate = BigInt(premiumData)
  const lending = tokens.flatMap((token, index) => {
    const data = reserves[index]
    const reserve = data && decodeFunctionResult({ abi: aaveAbi, functionName: 'getReserveData', data })
    const usable =
      reserve &&
      BigInt(reserve.aToken) !== 0n &&
      bit(reserve.configuration, ACTIVE) &&
      !bit(reserve.configuration, PAUSED) &&
      bit(reserve.configuration, FLASH_ENABLED)
    return usable ? [{ token, aToken: reserve.aToken.toLowerCase() as Address }] : []
  })
  const balances = await read(lending.map(({ token, aToken }) => balanceOf(token, aToken)))
  return lending.map(({ token }, index) => ({
    kind: 'aave-v3',
    lender: pool,
    token,
    available: BigInt(balances[index] ?? 0),
    rate,
    isToken0: false,
  }))
}

/** The tokens in Balancer's vault, at the fee that its collector names. */
async function balancerOffers(
  read: ReadMany,
  vault: Address,
  tokens: readonly Address[],
): Promise<LoanOffer[]> {
  const [collectorData, ...balances] = await read([
    { to: vault, data: encodeFunctionData({ abi: vaultAbi, functionName: 'getProtocolFeesCollector' }) },
    ...tokens.map((token) => balanceOf(token, vault)),
  ])
  if (!collectorData) return []
  const collector = decodeFunctionResult({
    abi: vaultAbi,
    functionName: 'getProtocolFeesCollector',
    data: collectorData,
  })
  const [fee] = await read([
    {
      to: collector.toLowerCase() as Address,
      data: encodeFunctionData({ abi: collectorAbi, functionName: 'getFlashLoanFeePercentage' }),
    },
  ])
  if (!fee) return []
  return tokens.flatMap((token, index): LoanOffer[] => {
    const available = BigInt(balances[index] ?? 0)
    if (available === 0n) return []
    return [{ kind: 'balancer-v2', lender: vault, token, available, rate: BigInt(fee), isToken0: false }]
  })
}

/** Own capital: the treasury's balance that is approved for the contract. It costs no premium. */
export async function readOwnCapital(
  chain: Chain,
  { execution, multicall: at }: MarketManifest,
  tokens: readonly Address[],
  block: number,
): Promise<LoanOffer[]> {
  if (!execution) return []
  const { treasury, executor } = execution
  const calls = tokens.flatMap((token) => [
    { to: token, data: encodeFunctionData({ abi: erc20Abi, functionName: 'balanceOf', args: [treasury] }) },
    {
      to: token,
      data: encodeFunctionData({ abi: erc20Abi, functionName: 'allowance', args: [treasury, executor] }),
    },
  ])
  const answers = await multicall(chain, at, calls, block)
  return tokens.flatMap((token, index): LoanOffer[] => {
    const [held, allowed] = [BigInt(answers[2 * index] ?? 0), BigInt(answers[2 * index + 1] ?? 0)]
    const available = held < allowed ? held : allowed
    return available > 0n
      ? [{ kind: 'own-capital', lender: treasury, token, available, rate: 0n, isToken0: false }]
      : []
  })
}

/** Offers of the exchanges' own pools in `token`: flash swaps of pairs, flash loans of concentrated pools. */
export function poolOffers(token: Address, pools: Iterable<Pool>): LoanOffer[] {
  const offers: LoanOffer[] = []
  for (const pool of pools) {
    const side = pool.tokens.indexOf(token)
    if (side < 0) continue
    const isToken0 = side === 0
    if (pool.kind === 'constant-product') {
      // The pair must keep at least one unit, and the flash-swap fee is the fixed 0.3 % of the original pair.
      if (pool.feeBps === 30)
        offers.push({
          kind: 'uniswap-v2',
          lender: pool.address,
          token,
          available: pool.reserves[isToken0 ? 0 : 1] - 1n,
          rate: 30n,
          isToken0,
        })
    } else if (pool.kind === 'concentrated' && (pool.engine ?? 'uniswap-v3') === 'uniswap-v3') {
      // The active range is a lower bound of the pool's holdings: other ranges hold more.
      const available = activeReserve(pool, isToken0)
      if (available > 0n)
        offers.push({
          kind: 'uniswap-v3',
          lender: pool.address,
          token,
          available,
          rate: BigInt(pool.feePips),
          isToken0,
        })
    }
  }
  return offers
}

function activeReserve(pool: Extract<Pool, { kind: 'concentrated' }>, isToken0: boolean): bigint {
  const ticks = pool.ticks ?? []
  const root = Number(pool.sqrtPriceX96) / 2 ** 96
  const next = ticks.find(([tick]) => tick > pool.tick)?.[0]
  const last = ticks.findLast(([tick]) => tick <= pool.tick)?.[0]
  if (next === undefined || last === undefined) return 0n
  const liquidity = Number(pool.liquidity)
  const amount = isToken0
    ? liquidity * (1 / root - 1.0001 ** (-next / 2))
    : liquidity * (root - 1.0001 ** (last / 2))
  return amount > 0 ? BigInt(Math.floor(amount * 0.999)) : 0n
}
