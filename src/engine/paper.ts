/**
 * Trading on paper: our contract exists in simulations only, and a fill is judged by what the next block really held.
 * The replay of a recording judges its trades by the same rules.
 */
import { encodeAbiParameters, getContractAddress, keccak256, toHex } from 'viem'
import type { Address } from '../amm/index.ts'
import { legsIn, type Opportunity } from '../arbitrage/index.ts'
import { type PoolLookup, PoolOverlay, walkCycle } from '../graph/index.ts'
import type { Hex } from '../ports/chain.ts'
import type { PaperOutcome } from '../ports/ledger.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import type { MarketView } from '../ports/market.ts'
import type { Winner } from './recording.ts'

/** An account that nobody has: what it would do is only ever simulated. */
const accountOf = (name: string): Address => `0x${keccak256(toHex(`kintsugi paper ${name}`)).slice(-40)}`
const NOBODY: Address = '0x00000000000000000000000000000000000000ff'

/** Our contract as a simulation makes it on a chain where it is not deployed: `create` is its creation code with what it is told. */
export function paperExecution(bytecode: Hex, { balancer, uniswapV4 }: Pick<MarketManifest, 'balancer' | 'uniswapV4'>): NonNullable<MarketManifest['paper']> {
  const [operator, treasury] = [accountOf('operator'), accountOf('treasury')]
  const told = [treasury, operator, treasury, balancer?.vault ?? NOBODY, uniswapV4?.manager ?? NOBODY]
  const create = `${bytecode}${encodeAbiParameters(
    told.map(() => ({ type: 'address' })),
    told,
  ).slice(2)}` as Hex
  return { operator, treasury, executor: getContractAddress({ from: operator, nonce: 0n }).toLowerCase() as Address, create }
}

/** What a plan earns on `pools`, cycle after cycle, in native wei; less than nothing where it would revert. */
export function worthOn(pools: PoolLookup, opportunity: Opportunity, prices: ReturnType<MarketView['prices']>, wrappedNative: Address): number {
  const [rate, native] = [prices.get(opportunity.token)?.rate ?? 0, prices.get(wrappedNative)?.rate ?? 1]
  const overlay = new PoolOverlay(pools)
  let earned = -opportunity.premium
  for (const { legs, amounts } of opportunity.cycles) {
    const sized = walkCycle(legs, overlay, amounts[0] as bigint)
    if (sized) overlay.run(sized)
    earned += sized?.grossProfit ?? -(amounts[0] as bigint)
  }
  return (Number(earned) * rate) / native
}

export interface Fill {
  readonly outcome: PaperOutcome
  /** In native wei: what was earned net of gas, or what the failed attempt burned. */
  readonly net: number
  /** Who won it instead; empty where we did. */
  readonly reason: string
}

/** Gas of an attempt that reverts, as a share of one that succeeds. */
const REVERT_SHARE = 0.6

/** What became of a trade that would have been worth `worth` where it stood in the next block. */
export function judgeFill(opportunity: Pick<Opportunity, 'cycles'>, worth: number, gas: number, winners: readonly Winner[]): Fill {
  if (worth > gas) return { outcome: 'traded', net: worth - gas, reason: '' }
  const route = legsIn(opportunity).map((leg) => leg.pool)
  const winner = winners.filter(({ pools }) => pools.some((pool) => route.includes(pool))).sort((a, b) => b.value - a.value)[0]
  return {
    outcome: winner ? 'taken by another' : 'moved away',
    net: -gas * REVERT_SHARE,
    reason: winner ? `won by ${winner.ours ? 'ourselves, when this was recorded' : winner.account}` : 'orders moved the pools before us',
  }
}
