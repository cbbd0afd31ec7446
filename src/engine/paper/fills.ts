/**
 * Trading on paper: our contract exists in simulations only, and a fill is decided by the state of the next
 * block.
 * The replay of a recording judges its trades by the same rules.
 */
import { encodeAbiParameters, keccak256, pad, toHex } from 'viem'
import type { Address } from '../../amm/index.ts'
import { legsIn, type Opportunity } from '../../arbitrage/index.ts'
import { type PoolLookup, PoolOverlay } from '../../graph/index.ts'
import type { Chain, Hex, LentContract } from '../../ports/chain.ts'
import type { PaperOutcome } from '../../ports/ledger.ts'
import type { MarketManifest } from '../../ports/manifest.ts'
import type { MarketView } from '../../ports/market.ts'
import type { Winner } from './recording.ts'

/** An account without a key: its transactions are only simulated. */
const accountOf = (name: string): Address => `0x${keccak256(toHex(`kintsugi paper ${name}`)).slice(-40)}`
const OPERATOR_SLOT: Hex = `0x${'0'.repeat(64)}`
const NOBODY: Address = '0x00000000000000000000000000000000000000ff'

/** Our contract for simulations on a chain without its deployment. Throws what the chain throws. */
export async function paperExecution(
  chain: Chain,
  creationCode: Hex,
  { balancer, uniswapV4, wrappedNative }: Pick<MarketManifest, 'balancer' | 'uniswapV4' | 'wrappedNative'>,
  block: number,
): Promise<NonNullable<MarketManifest['paper']>> {
  const [executor, operator, treasury] = [accountOf('executor'), accountOf('operator'), accountOf('treasury')]
  const constructorArguments = [
    treasury,
    operator,
    treasury,
    balancer?.vault ?? NOBODY,
    uniswapV4?.manager ?? NOBODY,
    wrappedNative,
  ]
  const types = constructorArguments.map(() => ({ type: 'address' }))
  // A call that creates a contract returns its code, constructor arguments included.
  const code = await chain.call(
    {
      from: operator,
      data: `${creationCode}${encodeAbiParameters(types, constructorArguments).slice(2)}` as Hex,
    },
    block,
  )
  return { executor, operator, treasury, code }
}

/**
 * The override that adds our contract to a simulation; undefined if it is deployed. Its first slot holds the
 * operator.
 */
export function lentContract({
  execution,
  paper,
}: MarketManifest): Record<Address, LentContract> | undefined {
  return execution || !paper
    ? undefined
    : { [paper.executor]: { code: paper.code, storage: { [OPERATOR_SLOT]: pad(paper.operator) } } }
}

/** Profit of a plan on `pools`, cycle after cycle, in native wei; negative if it would revert. */
export function worthOn(
  pools: PoolLookup,
  opportunity: Opportunity,
  prices: ReturnType<MarketView['prices']>,
  wrappedNative: Address,
): number {
  const [rate, native] = [prices.get(opportunity.token)?.rate ?? 0, prices.get(wrappedNative)?.rate ?? 1]
  const overlay = new PoolOverlay(pools)
  let earned = -opportunity.premium
  for (const { legs, amounts } of opportunity.cycles) {
    earned += overlay.take(legs, amounts[0] as bigint)?.grossProfit ?? -(amounts[0] as bigint)
  }
  return (Number(earned) * rate) / native
}

export interface Fill {
  readonly outcome: PaperOutcome
  /** In native wei: the profit net of gas, or the gas of the failed attempt. */
  readonly net: number
  /** Why it did not trade, or who won instead; empty for a trade. */
  readonly reason: string
}

/** Gas of an attempt that reverts, as a share of one that succeeds. */
const REVERT_SHARE = 0.6

/** Classifies a trade that would have earned `worth` (native wei) at its place in the next block. */
export function judgeFill(
  opportunity: Pick<Opportunity, 'cycles'>,
  worth: number,
  gas: number,
  winners: readonly Winner[],
): Fill {
  if (worth > gas) return { outcome: 'traded', net: worth - gas, reason: '' }
  const route = legsIn(opportunity).map((leg) => leg.pool)
  const winner = winners
    .filter(({ pools }) => pools.some((pool) => route.includes(pool)))
    .sort((a, b) => b.value - a.value)[0]
  return {
    outcome: winner ? 'taken by another' : 'moved away',
    net: -gas * REVERT_SHARE,
    reason: winner
      ? `won by ${winner.ours ? 'ourselves, when this was recorded' : winner.account}`
      : 'orders moved the pools before us',
  }
}
