/** The booked trades, newest first. */
import { useState } from 'react'
import type { TradeView } from '../gateway/api/schema.ts'
import { ago, amount, compact, dateTime, shortHash, shortRoute } from './format.ts'

const PAGE = 15

export function Trades({
  trades,
  loading,
  native,
  now,
}: {
  trades: readonly TradeView[] | undefined
  loading: boolean
  native: string
  now: number
}) {
  const [shown, setShown] = useState(PAGE)
  const rows = trades ?? []
  return (
    <section className="card">
      <h2>
        Trades <small>final on chain</small>
      </h2>
      {rows.length === 0 ? (
        <p className="empty">
          {loading
            ? 'Loading…'
            : 'No trade is final yet. The first one usually is within 30 seconds of the start.'}
        </p>
      ) : (
        <div className="scroll">
          <table className="trades">
            <thead>
              <tr>
                <th>Block</th>
                <th className="number">Realised</th>
                <th>Outcome</th>
                <th>Route</th>
                <th>Lender</th>
                <th className="number">Size</th>
                <th className="number">Predicted</th>
                <th className="number">Gas ({native})</th>
                <th>Transaction</th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, shown).map((trade) => (
                <Row key={trade.hash} trade={trade} now={now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rows.length > shown && (
        <button type="button" className="more" onClick={() => setShown(shown + PAGE * 3)}>
          show more ({rows.length - shown})
        </button>
      )}
    </section>
  )
}

function Row({ trade, now }: { trade: TradeView; now: number }) {
  return (
    <tr>
      <td title={dateTime(trade.bookedAt)}>
        {trade.block}
        <small> {ago(trade.bookedAt, now)}</small>
      </td>
      <td className="number strong">
        {amount(trade.realisedProfit, trade.decimals)} {trade.symbol}
      </td>
      <td>
        <span className={`outcome ${trade.outcome}`}>{trade.outcome.replace('-', ' ')}</span>
      </td>
      <td className="route">
        <Route route={trade.route} />
      </td>
      <td>{trade.lender}</td>
      <td className="number">
        {amount(trade.amountIn, trade.decimals)} {trade.symbol}
      </td>
      <td className="number">{amount(trade.predictedProfit, trade.decimals)}</td>
      <td className="number">{compact(Number(trade.gasCost) / 1e18, 3)}</td>
      <td>
        <button
          type="button"
          className="hash"
          title={`Copy ${trade.hash}`}
          onClick={() => void navigator.clipboard?.writeText(trade.hash)}
        >
          {shortHash(trade.hash)}
        </button>
      </td>
    </tr>
  )
}

function Route({ route }: { route: string }) {
  const { short, full } = shortRoute(route)
  if (full === undefined) return short
  return (
    <details>
      <summary>{short}</summary>
      {full}
    </details>
  )
}
