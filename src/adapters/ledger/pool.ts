/** A process's connections to PostgreSQL: one pool for everything that it keeps there, since a server has few of them and a fleet many processes. */
import pg from 'pg'

export type ConnectionPool = pg.Pool

/** What is not used for this long is given back: after a burst, others need them. */
const IDLE_MS = 10_000
const CONNECT_MS = 5_000

/** `most`: connections at once. Nothing is connected before it is needed. */
export function connectionPool(
  connectionString: string,
  most: number,
  onError: (error: Error) => void = () => undefined,
): ConnectionPool {
  const pool = new pg.Pool({
    connectionString,
    max: most,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: IDLE_MS,
    application_name: 'kintsugi',
  })
  pool.on('error', onError)
  return pool
}
