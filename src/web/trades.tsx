/** The booked trades, newest first. */
import { useState } from 'react'
import type { TradeView } from '../gateway/api/schema.ts'
import { ago, amount, compact, shortHash } from './format.ts'

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
  return (
    <section className="card">
      <h2>
        Trades <small>final on chain</small>
      </h2>
      {!trades?.length ? (
        <p className="empty">
          {loading
            ? 'Reading the ledger…'
            : 'No trade is final yet. The first usually is within half a minute of the start.'}
        </p>
      ) : (
        <>
          <div className="scroll">
            <table>
              <thead>
                <tr>
                  <th>Block</th>
                  <th>Route</th>
                  <th>Lender</th>
                  <th className="number">Size</th>
                  <th className="number">Predicted</th>
                  <th className="number">Realised</th>
                  <th className="number">Gas ({native})</th>
                  <th>Outcome</th>
                  <th>Transaction</th>
                </tr>
              </thead>
              <tbody>
                {trades.slice(0, shown).map((trade) => (
                  <tr key={trade.hash}>
                    <td title={new Date(trade.bookedAt).toLocaleString()}>
                      {trade.block}
                      <small> {ago(trade.bookedAt, now)}</small>
                    </td>
                    <td className="route">{trade.route || 'nonce given back'}</td>
                    <td>{trade.lender}</td>
                    <td className="number">
                      {amount(trade.amountIn, trade.decimals)} {trade.symbol}
                    </td>
                    <td className="number">{amount(trade.predictedProfit, trade.decimals)}</td>
                    <td className="number strong">
                      {amount(trade.realisedProfit, trade.decimals)} {trade.symbol}
                    </td>
                    <td className="number">{compact(Number(trade.gasCost) / 1e18, 3)}</td>
                    <td>
                      <span className={`outcome ${trade.outcome}`}>{trade.outcome.replace('-', ' ')}</span>
                    </td>
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
                ))}
              </tbody>
            </table>
          </div>
          {trades.length > shown && (
            <button type="button" className="more" onClick={() => setShown(shown + PAGE * 3)}>
              show more ({trades.length - shown})
            </button>
          )}
        </>
      )}
    </section>
  )
}
