/** Decisions in PostgreSQL: the record as JSON text, with the columns that lists filter and count by. */
import { refusedBy, withOutcome } from '../../arbitrage/index.ts'
import type { DecisionRecord, Ledger } from '../../ports/ledger.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import type { LedgerConnection, Row } from './connection.ts'

type DecisionLedger = Pick<
  Ledger,
  'recordDecisions' | 'decision' | 'decisionsById' | 'decisions' | 'countDecisions' | 'decisionCounts'
>

export const DECISION_COLUMNS = 8
export const ON_KNOWN_DECISION =
  'on conflict (id) do update set verdict = excluded.verdict, refused_by = excluded.refused_by, record = excluded.record'

/** A decision as the values of its row, in the order of the columns. */
export const decisionRow = (record: DecisionRecord): unknown[] => [
  record.id,
  record.genesis,
  record.opportunity.block,
  record.opportunity.token,
  record.decision.verdict,
  refusedBy(record),
  encodeJson(record),
  new Date(record.decidedAt),
]

/** The text may be of an earlier version, without an outcome. */
const recordOf = (row: Row): DecisionRecord => withOutcome(decodeJson<DecisionRecord>(row.record as string))

const MATCHING = '($1::text is null or verdict = $1) and ($2::text is null or genesis = $2)'

export function decisionLedger(connection: LedgerConnection): DecisionLedger {
  return {
    recordDecisions: (records) =>
      connection.insert(
        records.map(decisionRow),
        (values) => `insert into decisions values ${values} ${ON_KNOWN_DECISION}`,
      ),

    decision: async (id) => {
      const [row] = await connection.query('select record from decisions where id = $1', [id])
      return row && recordOf(row)
    },

    decisionsById: async (ids) => {
      const rows = await connection.query('select id, record from decisions where id = any($1)', [ids])
      return new Map(rows.map((row) => [row.id as string, recordOf(row)]))
    },

    decisions: async ({ limit, offset = 0, verdict, genesis }) => {
      const rows = await connection.query(
        `select record from decisions where ${MATCHING} order by decided_at desc, id limit $3 offset $4`,
        [verdict ?? null, genesis ?? null, limit, offset],
      )
      return rows.map(recordOf)
    },

    countDecisions: ({ verdict, genesis }) =>
      connection.count(`select count(*) from decisions where ${MATCHING}`, [
        verdict ?? null,
        genesis ?? null,
      ]),

    decisionCounts: async (sinceMs) => {
      const rows = await connection.query(
        'select verdict, refused_by, count(*)::int as count from decisions where decided_at >= $1 group by 1, 2 order by 3 desc',
        [new Date(sinceMs)],
      )
      return rows.map((row) => ({
        verdict: row.verdict as string,
        rule: row.refused_by as string | null,
        count: row.count as number,
      }))
    },
  }
}
