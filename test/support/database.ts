/** An embedded PostgreSQL for a test, in its own folder. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { prepareEmbeddedPostgres } from '../../src/adapters/ledger/embedded.ts'
import { freePort } from './local-chain.ts'

export interface EmbeddedDatabase {
  readonly connectionString: string
  stop(): Promise<void>
}

/** Resolves when the server accepts connections. `kept`: its folder, which stays; default: one of its own. */
export async function startDatabase(kept?: string): Promise<EmbeddedDatabase> {
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'kintsugi-database-'))
  const { command, args, env, uid, gid, connectionString } = prepareEmbeddedPostgres({
    dataFolder: folder,
    port: await freePort(),
  })
  const server = spawn(command, args, {
    env,
    stdio: 'ignore',
    ...(uid === undefined ? {} : { uid, gid: gid as number }),
  })
  const stop = async () => {
    server.kill('SIGINT')
    if (server.exitCode === null) await once(server, 'exit')
    if (kept === undefined) rmSync(folder, { recursive: true, force: true })
  }
  for (let attempt = 0; attempt < 400; attempt++) {
    const client = new pg.Client({ connectionString })
    const up = await client.connect().then(
      () => true,
      () => false,
    )
    await client.end().catch(() => undefined)
    if (up) return { connectionString, stop }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await stop()
  throw new Error('the embedded database did not come up')
}
