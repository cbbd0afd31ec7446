/** Why it traded, and why not: each opportunity with the rules that decided it. */
import type { OpportunityView } from '../gateway/api/schema.ts'
import { compact } from './format.ts'

export function Decisions({ records }: { records: readonly OpportunityView[] | undefined }) {
  return (
    <section className="card">
      <h2>
        Decisions <small>every opportunity, with the numbers for and against</small>
      </h2>
      {!records?.length ? (
        <p className="empty">No opportunity has been judged yet.</p>
      ) : (
        <div className="decisions">
          {records.slice(0, 25).map((record) => (
            <details key={record.id}>
              <summary>
                <span className={`verdict ${record.verdict}`}>
                  {record.verdict === 'trade' ? 'traded' : 'refused'}
                </span>
                <span className="block">block {record.block}</span>
                <span className="route">{record.route}</span>
                <span className="reason">
                  {record.refusedBy ?? `net ${compact(Number(record.numbers.netNative) / 1e18)}`}
                </span>
              </summary>
              <table>
                <tbody>
                  {record.reasons.map((reason) => (
                    <tr key={reason.rule} className={reason.ok ? '' : 'failed'}>
                      <td>
                        {reason.ok ? '✓' : '✗'} {reason.rule}
                      </td>
                      <td>{reason.got}</td>
                      <td>{reason.needed}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
              <p className="empty">
                {record.id} · lender {record.lender} · policies{' '}
                {Object.entries(record.policies)
                  .map(([name, version]) => `${name} v${version ?? '–'}`)
                  .join(', ')}
              </p>
            </details>
          ))}
        </div>
      )}
    </section>
  )
}
