/** Turns a final receipt into an entry of the books: profit, cost and outcome. */
import { parseAbi, toEventSelector } from 'viem'
import type { Address } from '../../amm/index.ts'
import { classify, legsIn, type Outcome } from '../../arbitrage/index.ts'
import type { Chain, Log, Receipt } from '../../ports/chain.ts'
import type { DecisionRecord, Trade, TransactionRecord } from '../../ports/ledger.ts'
import type { MarketView } from '../../ports/market.ts'
import { PoolRegistry, pluginFee } from '../market/pool-events.ts'
import { humanValue, tokenAt } from '../market/tokens.ts'

const TRANSFER = toEventSelector(
  parseAbi(['event Transfer(address indexed from, address indexed to, uint256 value)'])[0],
)

/** Maximum transactions of one block whose receipts are read. */
const MAX_AHEAD = 20

/**
 * Net transfers of `token` from one account to another in `logs`, in smallest units: own capital that returns
 * is no profit.
 */
export function transferred(logs: readonly Log[], token: Address, from: Address, to: Address): bigint {
  const topic = (account: Address) => `0x${account.slice(2).padStart(64, '0')}`
  const sent = (a: Address, b: Address) =>
    logs
      .filter(
        (log) =>
          log.address === token &&
          log.topics[0] === TRANSFER &&
          log.topics[1] === topic(a) &&
          log.topics[2] === topic(b),
      )
      .reduce((sum, log) => sum + BigInt(log.data), 0n)
  return sent(from, to) - sent(to, from)
}

/** A mined transaction of ours that cannot be undone any more. */
export interface FinalTransaction {
  readonly transaction: TransactionRecord
  readonly receipt: Receipt
  /** Undefined for a transaction that only fills a nonce, and for one whose decision is not in the ledger. */
  readonly decision: DecisionRecord | undefined
}

/**
 * The entry for a final transaction. Reads the route's logs since the predicted state to classify the
 * outcome. Throws what the chain throws.
 */
export async function tradeOf(
  { transaction, receipt, decision }: FinalTransaction,
  market: MarketView,
  chain: Chain,
  now: number,
): Promise<Trade> {
  const attempt = transaction.attempts.find((candidate) => candidate.hash === receipt.transactionHash)
  const mined: Mined = {
    genesis: transaction.genesis,
    hash: receipt.transactionHash,
    nonce: transaction.nonce,
    decisionId: transaction.decisionId,
    block: receipt.blockNumber,
    transactionIndex: receipt.transactionIndex,
    gasUsed: receipt.gasUsed,
    gasPrice: receipt.effectiveGasPrice,
    gasCost: receipt.gasUsed * receipt.effectiveGasPrice + receipt.dataFee,
    bookedAt: now,
  }
  if (!decision || attempt?.intent.type !== 'execute') return cancelled(mined, market)
  const { manifest } = market
  const { opportunity } = decision
  const realisedProfit = manifest.execution
    ? transferred(receipt.logs, opportunity.token, attempt.intent.executor, manifest.execution.treasury)
    : 0n
  const { symbol, decimals } = tokenAt(manifest, opportunity.token)
  const value = Number(realisedProfit) * (market.rate(opportunity.token) ?? 0)
  const nativeRate = market.rate(manifest.wrappedNative)
  return {
    ...mined,
    outcome: await outcomeOf(decision, receipt, market, chain),
    token: opportunity.token,
    symbol,
    decimals,
    route: describeRoute(decision, (address) => market.symbol(address)),
    legs: legsIn(opportunity).map(({ pool, dex, tokenIn, tokenOut }) => ({ pool, dex, tokenIn, tokenOut })),
    lender: opportunity.loan.kind,
    amountIn: opportunity.borrowed,
    predictedProfit: opportunity.profit,
    realisedProfit,
    profitValue: humanValue(manifest, value),
    // The ledger holds a number: 0 where the native coin has no price, as for a token without one.
    profitNative: nativeRate ? value / nativeRate / 1e18 : 0,
    predictedAtBlock: opportunity.block,
  }
}

/** The part of an entry that every mined transaction has. */
type Mined = Pick<
  Trade,
  | 'genesis'
  | 'hash'
  | 'nonce'
  | 'decisionId'
  | 'block'
  | 'transactionIndex'
  | 'gasUsed'
  | 'gasPrice'
  | 'gasCost'
  | 'bookedAt'
>

/** The entry of a transaction that only filled a nonce: it cost gas and earned nothing. */
function cancelled(mined: Mined, { manifest }: MarketView): Trade {
  const { symbol, decimals } = tokenAt(manifest, manifest.wrappedNative)
  return {
    ...mined,
    outcome: 'cancelled',
    token: manifest.wrappedNative,
    symbol,
    decimals,
    route: '',
    legs: [],
    lender: '',
    amountIn: 0n,
    predictedProfit: 0n,
    realisedProfit: 0n,
    profitValue: 0,
    profitNative: 0,
    predictedAtBlock: mined.block,
  }
}

/** Classifies a mined trade by the logs of its route's pools since the state that it was predicted from. */
async function outcomeOf(
  decision: DecisionRecord,
  receipt: Receipt,
  market: MarketView,
  chain: Chain,
): Promise<Outcome> {
  const { opportunity } = decision
  const { pools, registry, address } = routeOf(decision, market)
  const logs = await chain.logs({ fromBlock: opportunity.block + 1, toBlock: receipt.blockNumber, address })
  return classify(
    {
      succeeded: receipt.succeeded,
      predictedAt: opportunity.block,
      block: receipt.blockNumber,
      transactionIndex: receipt.transactionIndex,
      follows: opportunity.follows !== undefined,
      feeMoved: feeMoved(opportunity, receipt),
    },
    logs
      .map((log) => ({ log, pool: registry.poolOf(log) }))
      .filter(({ pool }) => pools.includes(pool))
      .map(({ log, pool }) => ({
        pool,
        block: log.blockNumber,
        transactionIndex: log.transactionIndex,
        followed: log.transactionHash === opportunity.follows?.hash,
      })),
  )
}

/**
 * Whether the plugin of an Algebra pool charged our swap another fee than the one the trade was computed
 * with: time and other swaps change it.
 */
const feeMoved = (opportunity: DecisionRecord['opportunity'], { logs }: Receipt): boolean =>
  legsIn(opportunity).some(
    (leg) =>
      leg.feePips !== undefined &&
      logs.some((log) => {
        const fee = log.address === leg.pool ? pluginFee(log) : undefined
        return fee !== undefined && fee !== leg.feePips
      }),
  )

/**
 * The highest tip (wei per gas) of the transactions that moved the route's pools ahead of ours in its block:
 * more would have won. Undefined where there was none. Throws what the chain throws.
 */
export async function tipAhead(
  { receipt, decision }: FinalTransaction,
  market: MarketView,
  chain: Chain,
): Promise<bigint | undefined> {
  if (!decision) return undefined
  const { registry, address, pools } = routeOf(decision, market)
  const logs = await chain.logs({ fromBlock: receipt.blockNumber, toBlock: receipt.blockNumber, address })
  const ahead = logs.filter(
    (log) => log.transactionIndex < receipt.transactionIndex && pools.includes(registry.poolOf(log)),
  )
  const [head, ...receipts] = await Promise.all([
    chain.block(receipt.blockNumber),
    ...[...new Set(ahead.map((log) => log.transactionHash))]
      .slice(0, MAX_AHEAD)
      .map((hash) => chain.receipt(hash)),
  ])
  const tips = receipts.flatMap((other) => (other ? [other.effectiveGasPrice - head.baseFeePerGas] : []))
  return tips.length === 0 ? undefined : tips.reduce((highest, tip) => (tip > highest ? tip : highest))
}

/** The pools of a route, and the contracts that emit their events. */
function routeOf({ opportunity }: DecisionRecord, market: MarketView) {
  const pools = legsIn(opportunity).map((leg) => leg.pool)
  const registry = new PoolRegistry(market.manifest)
  return { pools, registry, address: registry.emittersOf(pools, (pool) => market.descriptor(pool)) }
}

/** The route as text: `WETH → USDC (quickswap) → WETH (uniswap_v3)`. */
export function describeRoute(
  { opportunity }: Pick<DecisionRecord, 'opportunity'>,
  symbolOf: (token: Address) => string,
): string {
  return opportunity.cycles
    .map(({ legs }) =>
      [symbolOf(opportunity.token), ...legs.map((leg) => `${symbolOf(leg.tokenOut)} (${leg.dex})`)].join(
        ' → ',
      ),
    )
    .join(' + ')
}
