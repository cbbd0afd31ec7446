/**
 * Screens tokens by simulation: each is sent from a pool that holds it to our contract and back. Tokens with
 * a fee on transfers, and tokens that our contract cannot receive or send, are excluded.
 */
import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Chain } from '../../ports/chain.ts'
import type { MarketManifest } from '../../ports/manifest.ts'
import { transferred } from '../books/booking.ts'
import { multicall } from '../trading/loan-reader.ts'

const erc20Abi = parseAbi([
  'function balanceOf(address) view returns (uint256)',
  'function transfer(address, uint256) returns (bool)',
])
/** Part of the holder's balance that is sent. */
const PROBE_SHARE = 1_000n
/** Maximum number of holders whose balance is read, per token. */
const MAX_HOLDERS = 6

export interface ExcludedToken {
  readonly token: Address
  readonly reason: string
}

/**
 * Tokens of the market that cannot be traded, with the reason; none without a contract of ours. Throws what
 * the chain throws.
 */
export async function excludedTokens(
  chain: Chain,
  manifest: MarketManifest,
  block: number,
): Promise<ExcludedToken[]> {
  const target = (manifest.execution ?? manifest.paper)?.executor
  if (!target) return []
  const holders = manifest.tokens.flatMap(({ address: token }) =>
    [
      ...new Set(
        manifest.pools.filter((pool) => pool.tokens.includes(token)).map((pool) => holderOf(pool, manifest)),
      ),
    ]
      .slice(0, MAX_HOLDERS)
      .map((holder) => ({ token, holder })),
  )
  const balances = await multicall(
    chain,
    manifest.multicall,
    holders.map(({ token, holder }) => ({
      to: token,
      data: encodeFunctionData({ abi: erc20Abi, functionName: 'balanceOf', args: [holder] }),
    })),
    block,
  )
  const richest = new Map<Address, { holder: Address; balance: bigint }>()
  holders.forEach(({ token, holder }, index) => {
    const answer = balances[index]
    const balance = answer
      ? decodeFunctionResult({ abi: erc20Abi, functionName: 'balanceOf', data: answer })
      : 0n
    if (balance > (richest.get(token)?.balance ?? 0n)) richest.set(token, { holder, balance })
  })
  const excluded: ExcludedToken[] = []
  for (const [token, { holder, balance }] of richest) {
    const reason = await probe(chain, token, holder, target, balance / PROBE_SHARE)
    if (reason) excluded.push({ token, reason })
  }
  return excluded
}

/** The contract that holds a pool's tokens. */
const holderOf = (pool: MarketManifest['pools'][number], { balancer, uniswapV4 }: MarketManifest): Address =>
  pool.engine === 'uniswap-v4'
    ? (uniswapV4?.manager ?? pool.address)
    : pool.kind === 'weighted' || pool.kind === 'stable'
      ? (balancer?.vault ?? pool.address)
      : pool.address

async function probe(
  chain: Chain,
  token: Address,
  holder: Address,
  target: Address,
  amount: bigint,
): Promise<string | undefined> {
  if (amount === 0n) return undefined
  const send = (from: Address, to: Address) => ({
    from,
    to: token,
    data: encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, amount] }),
  })
  const [there, back] = await chain.simulate([send(holder, target), send(target, holder)], 'latest')
  if (!there?.succeeded) return `a pool cannot send it to our contract: ${there?.error ?? 'it reverts'}`
  const received = transferred(there.logs, token, holder, target)
  if (received < amount) return `fee on transfers: ${received} of ${amount} units arrived`
  return back?.succeeded ? undefined : `our contract cannot send it on: ${back?.error ?? 'it reverts'}`
}
