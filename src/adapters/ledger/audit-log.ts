/**
 * The audit log in PostgreSQL: sequenced under a lock, so that there is one order and one head for any number
 * of writing processes.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type pg from 'pg'
import { append, emptyFrontier, type Frontier, leafHash, rootOf } from '../../audit/merkle.ts'
import type { AuditEntry, AuditHead, AuditLog, SequencedEntry, Witness } from '../../ports/audit.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import type { ConnectionPool } from './pool.ts'

const MAX_KEPT = 500

const headOf = (frontier: Frontier): AuditHead => ({
  size: frontier.size,
  root: rootOf(frontier).toString('hex'),
})

export class PostgresAuditLog implements AuditLog {
  readonly #pool: ConnectionPool
  readonly #witnessFile: string

  /** `witnessFile`: keeps heads outside the ledger, so that rewriting the ledger is detected. */
  constructor(pool: ConnectionPool, witnessFile: string) {
    this.#witnessFile = witnessFile
    this.#pool = pool
  }

  async append(entries: readonly AuditEntry[]): Promise<AuditHead> {
    return this.#reach(async (client) => {
      await client.query('begin')
      try {
        const { rows } = await client.query<{ size: string; peaks: Buffer[] }>(
          'select size, peaks from audit_head for update',
        )
        let frontier: Frontier = rows[0]
          ? { size: Number(rows[0].size), peaks: rows[0].peaks }
          : emptyFrontier
        const first = frontier.size
        const texts = entries.map((entry) => JSON.stringify(entry))
        for (const text of texts) frontier = append(frontier, leafHash(text))
        await client.query(
          'insert into audit_log (sequence, entry) select $1::bigint + ordinality - 1, text from unnest($2::text[]) with ordinality as given(text, ordinality)',
          [first, texts],
        )
        await client.query('update audit_head set size = $1, peaks = $2', [frontier.size, frontier.peaks])
        await client.query('commit')
        return headOf(frontier)
      } catch (error) {
        await client.query('rollback').catch(() => undefined)
        throw error
      }
    })
  }

  async head(): Promise<AuditHead> {
    const [row] = await this.#rows<{ size: string; peaks: Buffer[] }>('select size, peaks from audit_head')
    return headOf(row ? { size: Number(row.size), peaks: row.peaks } : emptyFrontier)
  }

  async entries({ from, limit }: { from: number; limit: number }): Promise<SequencedEntry[]> {
    const rows = await this.#rows<{ sequence: string; entry: string }>(
      'select sequence, entry from audit_log where sequence >= $1 order by sequence limit $2',
      [from, limit],
    )
    return rows.map(({ sequence, entry }) => ({ sequence: Number(sequence), text: entry }))
  }

  async recordWitness(witness: Witness): Promise<void> {
    const { size, root, account, signature, at } = witness
    const kept = [...this.kept(), witness].slice(-MAX_KEPT)
    writeFileSync(`${this.#witnessFile}.new`, kept.map((each) => `${JSON.stringify(each)}\n`).join(''), {
      mode: 0o600,
    })
    renameSync(`${this.#witnessFile}.new`, this.#witnessFile)
    await this.#rows(
      'insert into audit_witnesses (size, root, account, signature, at) values ($1, $2, $3, $4, $5)',
      [size, root, account, signature, new Date(at)],
    )
  }

  async witnesses(): Promise<Witness[]> {
    const rows = await this.#rows<{
      size: string
      root: string
      account: string
      signature: string
      at: Date
    }>('select size, root, account, signature, at from audit_witnesses order by size')
    return rows.map(({ size, root, account, signature, at }) => ({
      size: Number(size),
      root,
      account,
      signature,
      at: at.getTime(),
    }))
  }

  kept(): Witness[] {
    if (!existsSync(this.#witnessFile)) return []
    return readFileSync(this.#witnessFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Witness)
  }

  close(): Promise<void> {
    return this.#pool.end()
  }

  async #rows<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<R[]> {
    return this.#reach(async (client) => (await client.query<R>(sql, values)).rows)
  }

  async #reach<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient | undefined
    let broken = false
    try {
      client = await this.#pool.connect()
      return await work(client)
    } catch (error) {
      broken = true
      throw new KintsugiError('ledger-unreachable', `the audit log is unreachable: ${messageOf(error)}`, {
        retry: 'later',
        cause: error,
      })
    } finally {
      client?.release(broken)
    }
  }
}
