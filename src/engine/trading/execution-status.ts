/** The state of one trade, from its decision to its entry in the books. */
import type { Address } from '../../amm/index.ts'
import { refusalTexts } from '../../arbitrage/index.ts'
import type { Hex } from '../../ports/chain.ts'
import type { Ledger } from '../../ports/ledger.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'

/**
 * `lost`: its chain is gone; `expired`: never mined, and its nonce is free again; `replaced`: never mined,
 * since another transaction used its nonce.
 */
export const EXECUTION_STATES = ['refused', 'in flight', 'final', 'lost', 'expired', 'replaced'] as const

export interface ExecutionStatus {
  /** The decision's id. */
  readonly id: string
  readonly state: (typeof EXECUTION_STATES)[number]
  /** For people. */
  readonly summary: string
  readonly hash: Hex | null
  /** The token that is earned. */
  readonly token: Address
  /** In smallest units of the token; null until it is final. */
  readonly realisedProfit: bigint | null
  /** In wei; null until it is final. */
  readonly gasCost: bigint | null
}

/** State and summary of a transaction that is not booked, by its status. */
const UNBOOKED = {
  open: ['in flight', 'Sent, and not final yet.'],
  final: ['in flight', 'Final; not booked yet.'],
  lost: ['lost', 'Sent on a chain that does not exist any more; it will never be mined.'],
  expired: ['expired', 'Not mined in time; its nonce was given back.'],
  replaced: ['replaced', 'Not mined: a transaction that is not in the ledger used its nonce.'],
} as const

/** Looks up the state of a decision's trade. Throws `not-found`, and what the ledger throws. */
export async function executionStatus(
  id: string,
  market: Pick<MarketView, 'amount' | 'manifest'>,
  ledger: Pick<Ledger, 'decision' | 'transaction' | 'trade'>,
): Promise<ExecutionStatus> {
  const record = await ledger.decision(id)
  if (!record)
    throw new KintsugiError('not-found', `no decision is recorded for ${id}`, {
      hint: 'working_flash_loan_mcp__opportunities lists the last ones',
    })
  const { token } = record.opportunity
  const unbooked = { id, token, hash: null, realisedProfit: null, gasCost: null }
  if (record.decision.verdict === 'refuse')
    return {
      ...unbooked,
      state: 'refused',
      summary: `It was not sent: ${refusalTexts(record, market.manifest.nativeSymbol).join('; ')}.`,
    }
  // In this order: a transaction becomes final together with its trade.
  const transaction = await ledger.transaction(id)
  const trade = await ledger.trade(id)
  if (!trade) {
    // Without a transaction its nonce expired, and belongs to another decision now.
    const [state, summary] = UNBOOKED[transaction?.status ?? 'expired']
    return { ...unbooked, state, summary, hash: transaction?.attempts.at(-1)?.hash ?? null }
  }
  const shown = (raw: bigint) => market.amount(token, raw).amount
  return {
    ...unbooked,
    state: 'final',
    summary: `${trade.outcome} in block ${trade.block}: ${shown(trade.realisedProfit)} realised, ${shown(trade.predictedProfit)} predicted.`,
    hash: trade.hash,
    realisedProfit: trade.realisedProfit,
    gasCost: trade.gasCost,
  }
}
