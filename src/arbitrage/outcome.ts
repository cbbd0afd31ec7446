/** What became of a trade, by what the chain says happened before it, never by comparing profits. */

/**
 * `as-predicted`: nothing touched the route's pools between the state predicted from and our transaction; realised
 * equals predicted to the unit. `state-moved`: something did, and the trade still earned. `reverted`: it cost gas only.
 */
export type Outcome = 'as-predicted' | 'state-moved' | 'reverted'

export interface PoolEvent {
  readonly pool: string
  readonly block: number
  readonly transactionIndex: number
}

/** Classes a mined trade; `events` are the logs of the route's pools since the block it was predicted at. */
export function classify(
  trade: { readonly succeeded: boolean; readonly predictedAt: number; readonly block: number; readonly transactionIndex: number },
  events: readonly PoolEvent[],
): Outcome {
  if (!trade.succeeded) return 'reverted'
  const moved = events.some(
    (event) => event.block > trade.predictedAt && (event.block < trade.block || (event.block === trade.block && event.transactionIndex < trade.transactionIndex)),
  )
  return moved ? 'state-moved' : 'as-predicted'
}
