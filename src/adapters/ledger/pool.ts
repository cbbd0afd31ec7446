/**
 * A process's connections to PostgreSQL: one pool for all of its uses, since a server has few connections and
 * a fleet many processes.
 */
import pg from 'pg'

export type ConnectionPool = pg.Pool

/** Connections idle for this long are closed: after a burst, other processes need them. */
const IDLE_MS = 10_000
const CONNECT_MS = 5_000
/** A statement without an answer for this long fails, and its connection is dropped: the server may hang. */
const ANSWER_MS = 10_000

/** `max`: connections at once. Nothing is connected before it is needed. */
export function connectionPool(
  connectionString: string,
  max: number,
  onError: (error: Error) => void = () => undefined,
): ConnectionPool {
  const pool = new pg.Pool({
    connectionString,
    max,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: IDLE_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    application_name: 'kintsugi',
  })
  pool.on('error', onError)
  // The pool listens to idle connections only: one that is lost while it is used would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}
