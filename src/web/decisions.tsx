/** The latest decisions: each opportunity with the rules that decided it. */
import type { OpportunityView } from '../gateway/api/schema.ts'
import { compact, dateTime, shortRoute } from './format.ts'
import { refusalOf, shortened, verdictText } from './rules.ts'

const SHOWN = 25

export function Decisions({
  records,
  native,
}: {
  records: readonly OpportunityView[] | undefined
  native: string
}) {
  return (
    <section className="card">
      <h2>
        Decisions <small>every opportunity, with the rules that decided it</small>
      </h2>
      {!records?.length ? (
        <p className="empty">No opportunity has been judged yet.</p>
      ) : (
        <div className="decisions">
          {records.slice(0, SHOWN).map((record) => (
            <Decision key={record.id} record={record} native={native} />
          ))}
        </div>
      )}
    </section>
  )
}

function Decision({ record, native }: { record: OpportunityView; native: string }) {
  const traded = record.verdict === 'trade'
  const { short, full } = shortRoute(record.route)
  return (
    <details>
      <summary>
        <span className={`verdict ${record.verdict}`}>{verdictText(record)}</span>
        <span className="block">block {record.block}</span>
        <span className="route">{short}</span>
        <span className="reason">
          {traded ? `net ${compact(Number(record.numbers.netNative) / 1e18)} ${native}` : refusalOf(record)}
        </span>
      </summary>
      {full !== undefined && <p className="empty">{full}</p>}
      <table>
        <thead>
          <tr>
            <th>Rule</th>
            <th>Value</th>
            <th>Required</th>
          </tr>
        </thead>
        <tbody>
          {record.reasons.map(({ rule, ok, got, needed }) => (
            <tr key={rule} className={ok ? '' : 'failed'}>
              <td>
                {ok ? '✓' : '✗'} {rule}
              </td>
              <td>{shortened(got)}</td>
              <td>{needed}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="empty">
        {record.id} · {dateTime(record.decidedAt)} · lender {record.lender} · policies{' '}
        {Object.entries(record.policies)
          .map(([name, version]) => `${name} v${version ?? '–'}`)
          .join(', ')}
      </p>
    </details>
  )
}
