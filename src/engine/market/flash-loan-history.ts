/** Flash loans and arbitrage cycles of the past, decoded from events. */
import { decodeAbiParameters, toEventSelector } from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Chain, Hex, Log, Receipt } from '../../ports/chain.ts'
import type { MarketView } from '../../ports/market.ts'
import { POOL_EVENTS, PoolRegistry, swapIn } from './pool-events.ts'
import { humanValue } from './tokens.ts'

const AAVE = toEventSelector('FlashLoan(address,address,address,uint256,uint8,uint256,uint16)')
const BALANCER = toEventSelector('FlashLoan(address,address,uint256,uint256)')
const UNISWAP_V3 = toEventSelector('Flash(address,address,uint256,uint256,uint256,uint256)')
const TRANSFER = toEventSelector('Transfer(address,address,uint256)')

export interface FlashLoan {
  readonly block: number
  readonly transaction: Hex
  readonly lender: 'aave-v3' | 'balancer-v2' | 'uniswap-v3'
  readonly from: Address
  readonly borrower: Address
  readonly token: Address
  readonly amount: bigint
  readonly premium: bigint
}

const accountIn = (topic: Hex | undefined): Address => `0x${topic?.slice(26)}` as Address

/** The flash loans of a range of blocks, oldest first. Throws what the chain throws. */
export async function loansIn(
  chain: Chain,
  market: MarketView,
  fromBlock: number,
  toBlock: number,
): Promise<FlashLoan[]> {
  return transactionLoans(
    await chain.logs({ fromBlock, toBlock, topics: [[AAVE, BALANCER, UNISWAP_V3]] }),
    market,
  )
}

/**
 * Decodes the flash loans among `logs`. Pools lend only if they belong to this market, since their tokens are
 * known.
 */
export function transactionLoans(logs: readonly Log[], market: MarketView): FlashLoan[] {
  return logs.flatMap((log): FlashLoan[] => {
    const shared = { block: log.blockNumber, transaction: log.transactionHash, from: log.address }
    if (log.topics[0] === AAVE) {
      const [, amount, , premium] = decodeAbiParameters(
        [{ type: 'address' }, { type: 'uint256' }, { type: 'uint8' }, { type: 'uint256' }],
        log.data,
      )
      return [
        {
          ...shared,
          lender: 'aave-v3',
          borrower: accountIn(log.topics[1]),
          token: accountIn(log.topics[2]),
          amount,
          premium,
        },
      ]
    }
    if (log.topics[0] === BALANCER) {
      const [amount, premium] = decodeAbiParameters([{ type: 'uint256' }, { type: 'uint256' }], log.data)
      return [
        {
          ...shared,
          lender: 'balancer-v2',
          borrower: accountIn(log.topics[1]),
          token: accountIn(log.topics[2]),
          amount,
          premium,
        },
      ]
    }
    const pool = log.topics[0] === UNISWAP_V3 ? market.descriptor(log.address) : undefined
    if (!pool) return []
    const [amount0, amount1, paid0, paid1] = decodeAbiParameters(
      [{ type: 'uint256' }, { type: 'uint256' }, { type: 'uint256' }, { type: 'uint256' }],
      log.data,
    )
    return [
      { token: pool.tokens[0] as Address, amount: amount0, premium: paid0 },
      { token: pool.tokens[1] as Address, amount: amount1, premium: paid1 },
    ]
      .filter(({ amount }) => amount > 0n)
      .map((side) => ({ ...shared, lender: 'uniswap-v3', borrower: accountIn(log.topics[1]), ...side }))
  })
}

export interface Gain {
  readonly account: Address
  readonly token: Address
  readonly amount: bigint
}

/**
 * Decodes a transaction: its swaps in this market, and the gains of accounts other than pools and lenders.
 */
export function decodeLoan(
  receipt: Pick<Receipt, 'logs'>,
  market: MarketView,
): { swaps: { pool: Address; tokenIn: Address; amountIn: bigint }[]; gains: Gain[] } {
  const registry = new PoolRegistry(market.manifest)
  const swaps = receipt.logs.flatMap((log) => {
    const pool = market.pools.get(registry.poolOf(log))
    const swap = pool && swapIn(pool, log)
    return swap ? [{ pool: pool.address, ...swap }] : []
  })
  const { manifest } = market
  const counterparties = new Set<Address>([
    ...market.pools.keys(),
    ...[manifest.balancer?.vault, manifest.uniswapV4?.manager, manifest.aave?.pool].filter(
      (at) => at !== undefined,
    ),
  ])
  const balances = new Map<string, bigint>()
  for (const log of receipt.logs) {
    if (log.topics[0] !== TRANSFER || log.topics.length !== 3) continue
    for (const [account, sign] of [
      [accountIn(log.topics[1]), -1n],
      [accountIn(log.topics[2]), 1n],
    ] as const) {
      const key = `${account} ${log.address}`
      balances.set(key, (balances.get(key) ?? 0n) + sign * BigInt(log.data))
    }
  }
  const gains = [...balances].flatMap(([key, amount]): Gain[] => {
    const [account, token] = key.split(' ') as [Address, Address]
    return amount === 0n || counterparties.has(account) ? [] : [{ account, token, amount }]
  })
  return { swaps, gains }
}

/** A closed cycle: the account that gained most, its gain in whole numeraire units, and the pools. */
export interface ClosedCycle {
  readonly account: Address
  readonly block: number
  readonly value: number
  readonly pools: readonly Address[]
}

/**
 * Transactions through two or more pools after which some account gained and none lost. Throws what the chain
 * throws.
 */
export async function cyclesIn(
  chain: Chain,
  market: MarketView,
  fromBlock: number,
  toBlock: number,
): Promise<ClosedCycle[]> {
  const registry = new PoolRegistry(market.manifest)
  const logs = await chain.logs({ fromBlock, toBlock, topics: [POOL_EVENTS] })
  const byTransaction = Map.groupBy(
    logs.filter((log) => {
      const pool = market.pools.get(registry.poolOf(log))
      return pool !== undefined && swapIn(pool, log) !== undefined
    }),
    (log) => log.transactionHash,
  )
  const several = [...byTransaction].filter(
    ([, list]) => new Set(list.map((log) => registry.poolOf(log))).size > 1,
  )
  const prices = market.prices()
  const found = await Promise.all(
    several.slice(-500).map(async ([hash, swaps]): Promise<ClosedCycle[]> => {
      const receipt = await chain.receipt(hash)
      const gains = receipt ? decodeLoan(receipt, market).gains : []
      // A trader ends with less of one token and more of another; a cycle ends with more only.
      const won = gains.filter(({ amount }) => amount > 0n)
      if (!receipt || won.length === 0 || gains.length !== won.length) return []
      // A lender gains its premium; the account with the largest gain closed the cycle.
      const gained = won.map(({ account, token, amount }) => ({
        account,
        value: humanValue(market.manifest, Number(amount) * (prices.get(token)?.rate ?? 0)),
      }))
      const pools = [...new Set(swaps.map((log) => registry.poolOf(log)))]
      return gained
        .sort((a, b) => b.value - a.value)
        .slice(0, 1)
        .map((winner) => ({ ...winner, block: receipt.blockNumber, pools }))
    }),
  )
  return found.flat()
}
