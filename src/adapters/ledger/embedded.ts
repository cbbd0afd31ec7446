/**
 * Embedded PostgreSQL: prepares the data folder and returns the server's command. The supervisor owns the
 * process.
 */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { KintsugiError } from '../../std/errors.ts'
import { postgresFolder } from '../binaries.ts'

const USER = 'kintsugi'
const DATABASE = 'postgres'

export interface EmbeddedPostgres {
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  /** PostgreSQL refuses to run as root: started by root, it runs as this user. */
  uid: number | undefined
  gid: number | undefined
  connectionString: string
}

export interface EmbeddedPostgresOptions {
  dataFolder: string
  port: number
  /** Whether a server that runs on this folder is the fleet's own and keeps running. */
  keep?: boolean
}

/**
 * Creates the cluster on first use. Throws `database-setup-failed` with the output of initdb, or
 * `binary-missing`.
 */
export function prepareEmbeddedPostgres({
  dataFolder,
  port,
  keep = false,
}: EmbeddedPostgresOptions): EmbeddedPostgres {
  let programs = postgresFolder()
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined
  const passwordFile = join(dataFolder, 'postgres.password')
  if (!existsSync(passwordFile)) writeFileSync(passwordFile, randomBytes(24).toString('hex'), { mode: 0o600 })
  const password = readFileSync(passwordFile, 'utf8')
  let cluster = join(dataFolder, 'postgres')
  if (user && !reachable(dataFolder, true)) cluster = placeOutside(dataFolder)
  if (user && !reachable(programs, false)) {
    const copy = join(dirname(cluster), 'postgres-programs')
    if (!existsSync(join(copy, 'bin/postgres')))
      cpSync(programs, copy, { recursive: true, verbatimSymlinks: true })
    programs = copy
  }
  hydrateLinks(programs)
  if (!keep) endLeftover(cluster)
  const env = { PATH: process.env.PATH, LANG: 'C.UTF-8', LD_LIBRARY_PATH: join(programs, 'lib'), TZ: 'UTC' }
  if (!existsSync(join(cluster, 'PG_VERSION'))) {
    rmSync(cluster, { recursive: true, force: true })
    mkdirSync(cluster, { recursive: true, mode: 0o700 })
    const passwordForInit = join(dirname(cluster), '.initdb-password')
    writeFileSync(passwordForInit, password, { mode: 0o600 })
    if (user) {
      chownSync(cluster, user.uid, user.gid)
      chownSync(passwordForInit, user.uid, user.gid)
    }
    const result = spawnSync(
      join(programs, 'bin/initdb'),
      [
        '-D',
        cluster,
        '-U',
        USER,
        '-A',
        'scram-sha-256',
        `--pwfile=${passwordForInit}`,
        '-E',
        'UTF8',
        '--locale=C',
        '--no-sync',
      ],
      { cwd: dirname(cluster), env, encoding: 'utf8', timeout: 60_000, ...(user ?? {}) },
    )
    rmSync(passwordForInit, { force: true })
    if (result.status !== 0) {
      throw new KintsugiError(
        'database-setup-failed',
        `initdb failed: ${(result.stderr || result.error?.message || '').trim()}`,
        {
          hint: `see ${cluster}; or set DATABASE_URL to a server of yours`,
        },
      )
    }
  }
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    port: String(port),
    // Up to a hundred processes connect; unused connections cost almost nothing.
    max_connections: '400',
    shared_buffers: '64MB',
    logging_collector: 'off',
    log_min_messages: 'warning',
    log_line_prefix: '%m [%p] ',
    log_timezone: 'UTC',
  }
  return {
    command: join(programs, 'bin/postgres'),
    args: ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    env,
    uid: user?.uid,
    gid: user?.gid,
    connectionString: `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`,
  }
}

function unprivilegedUser(): { uid: number; gid: number } {
  const lines = existsSync('/etc/passwd')
    ? readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .map((line) => line.split(':'))
    : []
  const entry = lines.find((line) => line[0] === 'postgres') ?? lines.find((line) => line[0] === 'nobody')
  return entry ? { uid: Number(entry[2]), gid: Number(entry[3]) } : { uid: 65_534, gid: 65_534 }
}

/**
 * Whether other users can traverse the folders down to `path`. Makes our own folder traversable if it is not:
 * the secret files in it have modes of their own.
 */
function reachable(path: string, isOurs: boolean): boolean {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const { mode } = statSync(folder)
    if ((mode & 0o001) === 0) {
      if (folder !== resolve(path) || !isOurs) return false
      chmodSync(folder, mode | 0o001)
    }
    if (folder === dirname(folder)) return true
  }
}

/**
 * Other users cannot reach a data folder in a private home directory: the cluster is placed elsewhere, with a
 * link to it.
 */
function placeOutside(dataFolder: string): string {
  const folder = outsideFolder(dataFolder)
  mkdirSync(folder, { recursive: true, mode: 0o711 })
  if (statSync(folder).uid !== process.getuid?.())
    throw new KintsugiError('database-setup-failed', `${folder} belongs to another user`, {
      hint: 'name another data folder with --data',
    })
  chmodSync(folder, 0o711)
  const link = join(dataFolder, 'postgres')
  if (!existsSync(link)) {
    rmSync(link, { force: true })
    symlinkSync(join(folder, 'cluster'), link)
  }
  return join(folder, 'cluster')
}

function outsideFolder(dataFolder: string): string {
  const name = createHash('sha256').update(resolve(dataFolder)).digest('hex').slice(0, 16)
  return join('/var/tmp', `kintsugi-${name}`)
}

/**
 * Completes the move of a data folder: a cluster outside of it follows, so that the next one at the old path
 * does not find it.
 */
export function moveCluster(from: string, to: string): void {
  const link = join(to, 'postgres')
  const outside = outsideFolder(from)
  if (!lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() || !existsSync(outside)) return
  renameSync(outside, outsideFolder(to))
  rmSync(link)
  symlinkSync(join(outsideFolder(to), 'cluster'), link)
}

/**
 * npm packages cannot hold symbolic links; the package lists them, and its install script may have been
 * switched off.
 */
function hydrateLinks(programs: string): void {
  const list = join(programs, 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as {
    source: string
    target: string
  }[]) {
    const [from, to] = [source, target].map((path) => join(programs, path.replace(/^native\//, ''))) as [
      string,
      string,
    ]
    if (existsSync(to) || !existsSync(from)) continue
    mkdirSync(dirname(to), { recursive: true })
    cpSync(from, to)
  }
}

/** A server that outlived its supervisor is shut down cleanly before another starts on its data. */
function endLeftover(cluster: string): void {
  const lock = join(cluster, 'postmaster.pid')
  if (!existsSync(lock)) return
  const pid = Number(readFileSync(lock, 'utf8').split('\n')[0])
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(cluster)) return
      if (attempt === 0) process.kill(pid, 'SIGINT')
    } catch {
      return
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  }
}
