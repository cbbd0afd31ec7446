/** The books of a data folder whose fleet does not run: its database runs only while they are read. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { prepareEmbeddedPostgres } from './embedded.ts'
import { type ConnectionPool, connectionPool } from './pool.ts'

/** Numbers of records. */
export interface Books {
  readonly trades: number
  readonly auditEntries: number
}

const START_TIMEOUT_MS = 15_000
const RETRY_MS = 50

/**
 * Counts the records of a data folder's embedded database. Throws `ledger-unreachable` if the database does
 * not start, and what `prepareEmbeddedPostgres` throws.
 */
export async function readStoppedBooks(dataFolder: string): Promise<Books> {
  if (!existsSync(join(dataFolder, 'postgres', 'PG_VERSION'))) return { trades: 0, auditEntries: 0 }
  const { command, args, env, uid, gid, connectionString } = prepareEmbeddedPostgres({
    dataFolder,
    port: await freePort(),
  })
  const server = spawn(command, args, {
    env,
    stdio: 'ignore',
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  })
  const ended = once(server, 'exit').catch(() => undefined)
  const pool = connectionPool(connectionString, 1)
  try {
    return await countSoon(pool, () => server.exitCode !== null || server.pid === undefined)
  } finally {
    await pool.end()
    server.kill('SIGINT')
    await ended
  }
}

/** Repeats the query until the database answers. */
async function countSoon(pool: ConnectionPool, hasEnded: () => boolean): Promise<Books> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      const { rows } = await pool.query<{ trades: string; audited: string | null }>(
        'select (select count(*) from trades) as trades, (select size from audit_head) as audited',
      )
      return { trades: Number(rows[0]?.trades), auditEntries: Number(rows[0]?.audited ?? 0) }
    } catch (error) {
      if (hasEnded() || performance.now() > deadline || isRefusal(error))
        throw new KintsugiError('ledger-unreachable', `the embedded database: ${messageOf(error)}`)
      await sleep(RETRY_MS)
    }
  }
}

/** Whether the database is up and refuses the query, such as for a missing table (class 42 of SQLSTATE). */
const isRefusal = (error: unknown): boolean => /^42/.test(String((error as { code?: string }).code))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
