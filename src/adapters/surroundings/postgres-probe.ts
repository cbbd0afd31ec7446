/** Whether a PostgreSQL can hold the ledger: it answers, is no standby, and the user may create tables. */
import pg from 'pg'
import { messageOf } from '../../std/errors.ts'
import { addressOf, failureCode, failureText } from '../connection-failure.ts'
import { keptProbe, type Probe, ProbeFailure } from './probe.ts'

const PORT = 5_432
const QUESTION = `select pg_is_in_recovery() as standby, current_schema() as schema,
  current_schema() is not null and has_schema_privilege(current_schema(), 'create') as creates`
const EMBEDDED = 'or unset DATABASE_URL to use the embedded database'

interface Client {
  readonly connection: pg.Client
  connected: boolean
}

/** A probe of the PostgreSQL at `url`. */
export function postgresProbe(url: string): Probe {
  const at = addressOf(url, PORT)
  return keptProbe<Client>({
    create() {
      const connection = new pg.Client({ connectionString: url, application_name: 'kintsugi' })
      // A lost connection shows at the next question.
      connection.on('error', () => undefined)
      return { connection, connected: false }
    },
    async ask(client) {
      if (!client.connected) await client.connection.connect()
      client.connected = true
      const { rows } = await client.connection.query<{
        standby: boolean
        schema: string | null
        creates: boolean
      }>(QUESTION)
      const [row] = rows
      if (row?.standby) throw new ProbeFailure('it is a read-only standby', 'name the primary server')
      if (row?.schema === null)
        throw new ProbeFailure('no schema of its search_path exists', 'create the schema, or name another')
      if (!row?.creates)
        throw new ProbeFailure(
          `the user may not create tables in the schema ${row?.schema}`,
          `grant it: GRANT CREATE ON SCHEMA ${row?.schema} TO the user`,
        )
      return 'PostgreSQL answers, and the user may create tables'
    },
    close: ({ connection }) => {
      connection.end().catch(() => undefined)
      // `end` waits for the server, which may hang.
      ;(connection as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    },
    explain: (error) => explain(error, at),
    silent: (seconds) =>
      new ProbeFailure(
        `${at} does not answer as PostgreSQL within ${seconds}`,
        'check that PostgreSQL runs there and is not overloaded',
      ),
  })
}

function explain(error: unknown, at: string): ProbeFailure {
  const code = failureCode(error) ?? ''
  const message = messageOf(error)
  if (code.startsWith('28'))
    return new ProbeFailure(`it refuses the login (${message})`, 'correct user and password in the URL')
  if (code === '3D000')
    return new ProbeFailure(message, 'create the database, or correct its name in the URL')
  if (code === '57P03' || code === '57P01')
    return new ProbeFailure(`it is starting up or shutting down (${message})`, 'wait until it is up')
  if (code === '53300')
    return new ProbeFailure(`it has no connection left (${message})`, 'raise max_connections')
  if (/terminated unexpectedly|connection ended/i.test(message))
    return new ProbeFailure(`${at} closed the connection`, `check that PostgreSQL listens there, ${EMBEDDED}`)
  return new ProbeFailure(failureText(error, at), `start PostgreSQL there, ${EMBEDDED}`)
}
