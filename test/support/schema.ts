/** A schema of its own in a PostgreSQL that others use. */
import pg from 'pg'

export interface OwnSchema {
  /** The URL of the database, with the schema as its search path. */
  readonly url: string
  drop(): Promise<void>
}

let count = 0

/** Creates the schema. Rejects with the driver's error. */
export async function ownSchema(databaseUrl: string): Promise<OwnSchema> {
  const name = `kintsugi_fleet_${process.pid}_${Date.now()}_${count++}`
  const run = async (sql: string) => {
    const client = new pg.Client(databaseUrl)
    await client.connect()
    await client.query(sql)
    await client.end()
  }
  await run(`create schema ${name}`)
  return {
    url: `${databaseUrl}?options=-c%20search_path%3D${name}`,
    drop: () => run(`drop schema if exists ${name} cascade`),
  }
}
