/** From a final receipt to a line in the books: what was earned, what it cost, and what kind of outcome it was. */
import { parseAbi, toEventSelector } from 'viem'
import type { Address } from '../../amm/index.ts'
import { classify, legsIn } from '../../arbitrage/index.ts'
import type { ExecuteIntent } from '../../intents/index.ts'
import type { Chain, Log, Receipt } from '../../ports/chain.ts'
import type { DecisionRecord, Trade, TransactionRecord } from '../../ports/ledger.ts'
import type { MarketView } from '../../ports/market.ts'
import { PoolRegistry, pluginFee } from '../market/pool-events.ts'

const TRANSFER = toEventSelector(
  parseAbi(['event Transfer(address indexed from, address indexed to, uint256 value)'])[0],
)

/** Transactions of one block that are looked at. */
const MAX_AHEAD = 20

/** What `logs` move of `token` from one account to another, in smallest units. */
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
  // What came back of our own capital is no profit.
  return sent(from, to) - sent(to, from)
}

export interface FinalTransaction {
  readonly transaction: TransactionRecord
  readonly receipt: Receipt
  readonly decision: DecisionRecord | undefined
}

/** The entry for a final transaction. Reads the route's logs since the predicted state to class the outcome. */
export async function tradeOf(
  { transaction, receipt, decision }: FinalTransaction,
  market: MarketView,
  chain: Chain,
  now: number,
): Promise<Trade> {
  const attempt = transaction.attempts.find((candidate) => candidate.hash === receipt.transactionHash)
  const gas = {
    gasUsed: receipt.gasUsed,
    gasPrice: receipt.effectiveGasPrice,
    gasCost: receipt.gasUsed * receipt.effectiveGasPrice + receipt.dataFee,
  }
  const shared = {
    genesis: transaction.genesis,
    hash: receipt.transactionHash,
    nonce: transaction.nonce,
    decisionId: transaction.decisionId,
    block: receipt.blockNumber,
    transactionIndex: receipt.transactionIndex,
    bookedAt: now,
    ...gas,
  }
  const { manifest } = market
  if (!decision || attempt?.intent.type !== 'execute') {
    const native = manifest.tokens.find((token) => token.address === manifest.wrappedNative)
    return {
      ...shared,
      outcome: 'cancelled',
      token: manifest.wrappedNative,
      symbol: native?.symbol ?? '',
      decimals: native?.decimals ?? 18,
      route: '',
      legs: [],
      lender: '',
      amountIn: 0n,
      predictedProfit: 0n,
      realisedProfit: 0n,
      profitValue: 0,
      profitNative: 0,
      predictedAtBlock: receipt.blockNumber,
    }
  }
  const intent: ExecuteIntent = attempt.intent
  const { opportunity } = decision
  const { pools, registry, address } = routeOf(decision, market)
  const events = (
    await chain.logs({ fromBlock: opportunity.block + 1, toBlock: receipt.blockNumber, address })
  ).filter((log) => pools.includes(registry.poolOf(log)))
  const outcome = classify(
    {
      succeeded: receipt.succeeded,
      predictedAt: opportunity.block,
      block: receipt.blockNumber,
      transactionIndex: receipt.transactionIndex,
      follows: opportunity.follows !== undefined,
      feeMoved: feeMoved(opportunity, receipt),
    },
    events.map((log) => ({
      pool: registry.poolOf(log),
      block: log.blockNumber,
      transactionIndex: log.transactionIndex,
      followed: log.transactionHash === opportunity.follows?.hash,
    })),
  )
  const execution = manifest.execution
  const realised = execution
    ? transferred(receipt.logs, opportunity.token, intent.executor, execution.treasury)
    : 0n
  const token = manifest.tokens.find((candidate) => candidate.address === opportunity.token)
  const numeraire = manifest.tokens.find((candidate) => candidate.address === manifest.numeraire)
  const prices = market.prices()
  const value = Number(realised) * (prices.get(opportunity.token)?.rate ?? 0)
  return {
    ...shared,
    outcome,
    token: opportunity.token,
    symbol: token?.symbol ?? opportunity.token,
    decimals: token?.decimals ?? 18,
    route: describeRoute(
      decision,
      (address) =>
        manifest.tokens.find((candidate) => candidate.address === address)?.symbol ?? address.slice(0, 8),
    ),
    legs: legsIn(opportunity).map(({ pool, dex, tokenIn, tokenOut }) => ({ pool, dex, tokenIn, tokenOut })),
    lender: opportunity.loan.kind,
    amountIn: opportunity.borrowed,
    predictedProfit: opportunity.profit,
    realisedProfit: realised,
    profitValue: value / 10 ** (numeraire?.decimals ?? 18),
    profitNative: value / (prices.get(manifest.wrappedNative)?.rate ?? 1) / 1e18,
    predictedAtBlock: opportunity.block,
  }
}

/** Whether the plugin of an Algebra pool set another fee for our swap than was reckoned with: time moves it, and the pool's other swaps. */
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
 * What it would have taken to come before those who moved the route's pools ahead of us in our block: their highest tip per gas, in
 * wei; undefined where nobody did. Throws what the chain throws.
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
  return tips.length === 0 ? undefined : tips.reduce((most, tip) => (tip > most ? tip : most))
}

/** The pools of a route, and who emits their events. */
function routeOf({ opportunity }: DecisionRecord, market: MarketView) {
  const pools = legsIn(opportunity).map((leg) => leg.pool)
  const registry = new PoolRegistry(market.manifest)
  return { pools, registry, address: registry.emittersOf(pools, (pool) => market.descriptor(pool)) }
}

/** `WETH → USDC (quickswap) → WETH (uniswap_v3)`. */
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
