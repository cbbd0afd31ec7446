/** Shared records in PostgreSQL, next to the ledger. */
import type { Kept, RecordKind, Records } from '../../ports/records.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import type { ConnectionPool } from '../ledger/pool.ts'

/** Expired records are deleted once per this many new records. */
const SWEEP_EVERY = 100

interface Row {
  readonly id: string
  readonly value: string
  readonly version: number
}

const kept = <T>({ id, value, version }: Row): Kept<T> => ({ id, value: JSON.parse(value) as T, version })

/** Shared records in the table `records`. Throws `ledger-unreachable` (retry later). */
export class PostgresRecords implements Records {
  readonly #pool: ConnectionPool
  readonly #now: () => number
  #created = 0

  constructor(pool: ConnectionPool, now: () => number) {
    this.#now = now
    this.#pool = pool
  }

  async read<T>(kind: RecordKind, id: string): Promise<Kept<T> | undefined> {
    const [row] = await this.#rows(
      'select id, value, version from records where kind = $1 and id = $2 and expires_at > $3',
      [kind, id, this.#at()],
    )
    return row && kept<T>(row)
  }

  async create(kind: RecordKind, id: string, value: unknown, expiresAt: number): Promise<boolean> {
    if (this.#created++ % SWEEP_EVERY === 0)
      await this.#rows('delete from records where expires_at <= $1', [this.#at()])
    const rows = await this.#rows(
      `insert into records (kind, id, value, expires_at, created_at) values ($1, $2, $3, $4, $5)
       on conflict (kind, id) do update set value = excluded.value, version = 0, expires_at = excluded.expires_at, created_at = excluded.created_at
       where records.expires_at <= excluded.created_at returning id, value, version`,
      [kind, id, JSON.stringify(value), new Date(expiresAt), this.#at()],
    )
    return rows.length > 0
  }

  async replace(
    kind: RecordKind,
    id: string,
    version: number,
    value: unknown,
    expiresAt?: number,
  ): Promise<boolean> {
    const rows = await this.#rows(
      `update records set value = $4, version = version + 1, expires_at = coalesce($6, expires_at)
       where kind = $1 and id = $2 and version = $3 and expires_at > $5 returning id, value, version`,
      [
        kind,
        id,
        version,
        JSON.stringify(value),
        this.#at(),
        expiresAt === undefined ? null : new Date(expiresAt),
      ],
    )
    return rows.length > 0
  }

  async list<T>(kind: RecordKind, limit: number): Promise<Kept<T>[]> {
    const rows = await this.#rows(
      'select id, value, version from records where kind = $1 and expires_at > $2 order by created_at desc limit $3',
      [kind, this.#at(), limit],
    )
    return rows.map((row) => kept<T>(row))
  }

  #at(): Date {
    return new Date(this.#now())
  }

  async #rows(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return (await this.#pool.query<Row>(text, values)).rows
    } catch (error) {
      throw new KintsugiError('ledger-unreachable', `the ledger is unreachable: ${messageOf(error)}`, {
        retry: 'later',
        cause: error,
      })
    }
  }
}
