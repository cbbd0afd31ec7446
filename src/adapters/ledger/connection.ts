/**
 * Access to PostgreSQL for every part of the ledger: statements, transactions, batches, and errors in our own
 * terms.
 */
import type pg from 'pg'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { failureText } from '../connection-failure.ts'
import type { ConnectionPool } from './pool.ts'

/**
 * A row by column name, as the driver returns it: `numeric` and `bigint` as text, `timestamptz` as a Date.
 */
export type Row = Record<string, unknown>

/**
 * Codes of a server that is unreachable, shutting down or out of resources, by class. Source: PostgreSQL,
 * appendix A.
 */
const UNREACHABLE = /^(08|57P|53)/

/** Codes of text that PostgreSQL cannot store, such as a NUL character. Source: as above. */
const UNSTORABLE_TEXT: ReadonlySet<string | undefined> = new Set(['22021', '22P05'])

/**
 * Errors: `ledger-unreachable` (retry later), `bad-argument` (text that cannot be stored), `ledger-failed`.
 */
export class LedgerConnection {
  readonly #pool: ConnectionPool
  /** Rows per insert. */
  readonly #batchSize: number

  constructor(pool: ConnectionPool, batchSize: number) {
    this.#pool = pool
    this.#batchSize = batchSize
  }

  /**
   * Runs one statement. With a `name` the server parses and plans it once per connection: for statements that
   * run often.
   */
  async query(sql: string, values: readonly unknown[] = [], name?: string): Promise<Row[]> {
    try {
      return (await this.#pool.query<Row>({ text: sql, values: [...values], ...(name ? { name } : {}) })).rows
    } catch (error) {
      throw ledgerError(error)
    }
  }

  /** Runs the one statement that returns a `count`. */
  async count(sql: string, values: readonly unknown[] = []): Promise<number> {
    const [row] = await this.query(sql, values)
    return Number(row?.count ?? 0)
  }

  /** Inserts rows of equal length in batches; `insert` gets the placeholders of each batch. */
  async insert(rows: readonly (readonly unknown[])[], insert: (values: string) => string): Promise<void> {
    for (let at = 0; at < rows.length; at += this.#batchSize) {
      const batch = rows.slice(at, at + this.#batchSize)
      await this.query(insert(placeholders(batch.length, batch[0]?.length ?? 0)), batch.flat())
    }
  }

  /** Runs `work` in one transaction, which is rolled back when it throws. */
  async transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw ledgerError(error)
    }
    let broken = false
    try {
      await client.query('begin')
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      broken = await client.query('rollback').then(
        () => false,
        () => true,
      )
      throw ledgerError(error)
    } finally {
      client.release(broken)
    }
  }

  close(): Promise<void> {
    return this.#pool.end()
  }
}

/** `($1, $2), ($3, $4)` for 2 rows of 2 columns, numbered from after `used`. */
export function placeholders(rows: number, columns: number, used = 0): string {
  return Array.from(
    { length: rows },
    (_, row) =>
      `(${Array.from({ length: columns }, (_, column) => `$${used + row * columns + column + 1}`).join(', ')})`,
  ).join(', ')
}

/** The driver's words for time-outs do not say what timed out. */
function unreachableText(error: unknown): string {
  const message = messageOf(error)
  if (/timeout exceeded when trying to connect/i.test(message)) return 'no connection in time'
  if (/query read timeout/i.test(message)) return 'no answer in time'
  return failureText(error, 'PostgreSQL')
}

function ledgerError(error: unknown): KintsugiError {
  if (error instanceof KintsugiError) return error
  const code = (error as { code?: string }).code
  if (UNSTORABLE_TEXT.has(code))
    return new KintsugiError('bad-argument', `the ledger cannot store this text: ${messageOf(error)}`, {
      cause: error,
      hint: 'remove NUL characters from the text',
    })
  const unreachable = code === undefined || UNREACHABLE.test(code) || /^E[A-Z]+$/.test(code)
  return unreachable
    ? new KintsugiError('ledger-unreachable', `the ledger is unreachable: ${unreachableText(error)}`, {
        retry: 'later',
        cause: error,
        hint: 'is PostgreSQL running? see `kintsugi status`',
      })
    : new KintsugiError('ledger-failed', `the ledger refused a statement: ${messageOf(error)}`, {
        cause: error,
      })
}
