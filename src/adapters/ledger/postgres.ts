/** The ledger on PostgreSQL: one connection pool, one part per noun. */
import type { Ledger } from '../../ports/ledger.ts'
import { LedgerConnection } from './connection.ts'
import { decisionLedger } from './decisions.ts'
import { fleetLedger } from './fleet-records.ts'
import { marketLedger } from './market-records.ts'
import { MIGRATIONS } from './migrations.ts'
import { paperLedger } from './paper-trades.ts'
import type { ConnectionPool } from './pool.ts'
import { tradeLedger } from './trades.ts'
import { transactionLedger } from './transactions.ts'

/** The connections of the ledger, and the size of its inserts. */
export interface PostgresLedgerOptions {
  pool: ConnectionPool
  /** Rows per insert. */
  batchSize: number
}

export interface PostgresLedger extends Ledger {
  /** Brings the schema up to date; safe to call from several processes at once. Returns the steps applied. */
  migrate(): Promise<number>
}

/** A key for `pg_advisory_xact_lock`: one process migrates, others wait. */
const MIGRATION_LOCK = 4_207_001

/** Opens the ledger. It connects with the first statement, and closes the pool when it is closed. */
export function postgresLedger({ pool, batchSize }: PostgresLedgerOptions): PostgresLedger {
  const connection = new LedgerConnection(pool, batchSize)
  return {
    ...decisionLedger(connection),
    ...transactionLedger(connection),
    ...tradeLedger(connection),
    ...paperLedger(connection),
    ...marketLedger(connection),
    ...fleetLedger(connection),
    migrate: () => migrate(connection),
    ping: async () => {
      await connection.query('select 1')
    },
    close: () => connection.close(),
  }
}

const migrate = (connection: LedgerConnection): Promise<number> =>
  connection.transaction(async (client) => {
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK])
    await client.query(
      'create table if not exists migrations (id int primary key, name text not null, applied_at timestamptz not null default now())',
    )
    const { rows } = await client.query<{ id: number }>('select id from migrations')
    const done = new Set(rows.map((row) => row.id))
    const wanted = MIGRATIONS.filter((migration) => !done.has(migration.id))
    for (const migration of wanted) {
      await client.query(migration.sql)
      await client.query('insert into migrations (id, name) values ($1, $2)', [migration.id, migration.name])
    }
    return wanted.length
  })
