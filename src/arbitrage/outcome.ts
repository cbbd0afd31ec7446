/** The outcome of a trade, by the chain's events before it, never by comparing profits. */

/**
 * `as-predicted`: nothing touched the route's pools between the state predicted from and our transaction;
 * realised equals predicted to the unit. `state-moved`: something did, and the trade still earned.
 * `reverted`: it cost gas only.
 */
export type Outcome = 'as-predicted' | 'state-moved' | 'reverted'

export interface PoolEvent {
  readonly pool: string
  readonly block: number
  readonly transactionIndex: number
  /** Whether it belongs to the transaction that the trade follows, whose effect was predicted. */
  readonly followed?: boolean
}

/** Classes a mined trade; `events` are the logs of the route's pools since the block it was predicted at. */
export function classify(
  trade: {
    readonly succeeded: boolean
    readonly predictedAt: number
    readonly block: number
    readonly transactionIndex: number
    readonly follows?: boolean
    readonly feeMoved?: boolean
  },
  events: readonly PoolEvent[],
): Outcome {
  if (!trade.succeeded) return 'reverted'
  const before = events.filter(
    (event) =>
      event.block > trade.predictedAt &&
      (event.block < trade.block ||
        (event.block === trade.block && event.transactionIndex < trade.transactionIndex)),
  )
  const asFollowed = !trade.follows || before.some((event) => event.followed)
  return asFollowed && !trade.feeMoved && before.every((event) => event.followed)
    ? 'as-predicted'
    : 'state-moved'
}
