/** Connections to the ledger's database. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionPool, connectionPool } from '../../adapters/ledger/pool.ts'
import type { RunPlan } from '../run/run-plan.ts'
import type { Environment } from './environment.ts'

/** URL of the ledger's database: the user's, or the embedded one's with the password from the data folder. */
export function ledgerUrl(plan: RunPlan): string {
  if (plan.external.database) return process.env.DATABASE_URL as string
  return `postgres://kintsugi:${readFileSync(join(plan.dataFolder, 'postgres.password'), 'utf8')}@127.0.0.1:${plan.databasePort}/postgres`
}

/** A pool of at most `max` connections; logs lost ones. */
export function openDatabase({ plan, log }: Environment, max: number): ConnectionPool {
  return connectionPool(ledgerUrl(plan), max, (error) =>
    log.warn({ error: error.message }, 'a connection to the database was lost'),
  )
}
