/** The keeper's process: binds the ports, starts what the plan says, keeps it running, takes orders on the control socket. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { ControlAnswer, ControlRequest } from '../adapters/fleet/control.ts'
import { prepareEmbeddedPostgres } from '../adapters/ledger/embedded.ts'
import { PostgresLedger } from '../adapters/ledger/postgres.ts'
import { HEALING } from '../fleet/healing.ts'
import type { CellPlan } from '../fleet/profiles.ts'
import { KintsugiError, messageOf, toErrorReport } from '../std/errors.ts'
import { Supervisor, type SupervisorEvent, type UnitPlan } from '../supervisor/supervisor.ts'
import { childEnvironment, processCommand, signerEnvironment } from './command.ts'
import { ledgerUrl } from './environment.ts'
import { files, readPlan, socketPath } from './run-plan.ts'
import { SERVICE_NEEDS } from './services.gen.ts'

export type KeeperMessage = SupervisorEvent | { type: 'failed'; error: ReturnType<typeof toErrorReport> } | { type: 'stopped' }

const dataFolder = process.env.KINTSUGI_DATA as string
const plan = readPlan(dataFolder)
const paths = files(dataFolder)
const listeners = new Set<Socket>()
const STOP_MS = 9_000

function tell(message: KeeperMessage): void {
  if (process.connected) process.send?.(message)
  if (message.type === 'incident') recordIncident(message)
  const line = `${JSON.stringify(message)}\n`
  for (const socket of listeners) socket.write(line)
}

/** One connection for the little that the keeper writes: the schema, and incidents. */
let ledger: PostgresLedger | undefined
const openLedger = () => (ledger ??= new PostgresLedger({ connectionString: ledgerUrl(plan), poolSize: 1, batchSize: 100 }))

function recordIncident(incident: Extract<SupervisorEvent, { type: 'incident' }>): void {
  // An incident of the database itself cannot be written to it; the log has it.
  console.log(JSON.stringify({ time: incident.at, level: 40, ...incident }))
  ledger?.recordIncident({ service: incident.unit, kind: incident.kind, detail: incident.detail, at: incident.at }).catch(() => undefined)
}

function makeAccounts(): void {
  const { command, args } = processCommand('signer')
  const result = spawnSync(command, [...args, '--accounts'], {
    env: { ...signerEnvironment(dataFolder), ...(keyFd === undefined ? {} : { KINTSUGI_KEY_FD: '3' }) },
    stdio: ['ignore', 'pipe', 'pipe', ...(keyFd === undefined ? [] : [keyFd])],
    encoding: 'utf8',
    timeout: 20_000,
  })
  if (result.status !== 0)
    throw new KintsugiError('key-invalid', (result.stderr || 'the signer could not read its key').trim().split('\n').at(-1) as string, {
      hint: 'see ARBITRAGE_PRIVATE_KEY and the folder keys in the data folder',
    })
  writeFileSync(paths.accounts, result.stdout, { mode: 0o644 })
}

const keyFd = process.env.KINTSUGI_KEY_FD === undefined ? undefined : Number(process.env.KINTSUGI_KEY_FD)
const env = childEnvironment({ KINTSUGI_DATA: dataFolder })
delete env.KINTSUGI_KEY_FD

function units(): UnitPlan[] {
  const result: UnitPlan[] = []
  const infrastructure = { kind: 'infrastructure' as const, services: [], fromSpare: false, onNewChain: false, stopSignal: 'SIGTERM' as const }
  if (!plan.external.database) {
    const postgres = prepareEmbeddedPostgres({ dataFolder, port: plan.databasePort })
    result.push({
      ...infrastructure,
      id: 'database',
      title: 'Embedded PostgreSQL',
      command: postgres.command,
      args: postgres.args,
      env: postgres.env,
      uid: postgres.uid,
      gid: postgres.gid,
      port: plan.databasePort,
      after: [],
      stopSignal: 'SIGINT',
      probe: async () => {
        const probe = openLedger()
        await probe.ping()
        await probe.migrate()
      },
    })
  }
  if (!plan.external.redis) result.push({ ...infrastructure, id: 'hub', title: 'Message hub', ...processCommand('hub'), env, port: null, after: [] })
  if (plan.mode === 'local')
    result.push({ ...infrastructure, id: 'localnet', title: 'Local market', ...processCommand('localnet'), env, port: plan.chainPort, after: ['database'] })
  else result.push({ ...infrastructure, id: 'discovery', title: 'Market discovery', ...processCommand('discovery'), env, port: null, after: [] })
  return [...result, ...plan.cells.map((cell) => cellUnit(cell))]
}

function cellUnit(cell: CellPlan): UnitPlan {
  const needs = cell.services.flatMap((id) => SERVICE_NEEDS[id] ?? [])
  const signs = needs.includes('signer')
  return {
    id: cell.id,
    kind: 'cell',
    title: cell.id,
    ...processCommand('cell'),
    env,
    services: cell.services,
    port: null,
    after: ['database', 'hub'],
    stopSignal: 'SIGTERM',
    onNewChain: needs.includes('market') || needs.includes('chain'),
    // The cell that signs hands on the key's descriptor, which no spare may hold.
    fromSpare: !(signs && keyFd !== undefined),
    ...(signs && keyFd !== undefined ? { extraFd: { fd: keyFd, variable: 'KINTSUGI_KEY_FD' } } : {}),
  }
}

async function main(): Promise<void> {
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 })
  if (plan.external.database) await openLedger().migrate()
  const signing = plan.mode === 'local'
  if (signing) makeAccounts()
  const supervisor = new Supervisor({
    plan: { profile: plan.profile, mode: plan.mode, startedAt: plan.startedAt, ports: plan.ports, bindHost: plan.settings.bindHost },
    units: units(),
    spare: { ...processCommand('cell'), env },
    spares: plan.isolation === 'process' ? 2 : 1,
    logFolder: paths.logs,
    healing: { ...HEALING, autoRestart: plan.settings.autoRestart },
    pollMs: plan.settings.healthCheckIntervalMs,
    now: Date.now,
    random: Math.random,
    onEvent: tell,
  })
  supervisor.bind([
    ...(plan.external.database ? [] : [{ port: plan.databasePort, name: 'embedded PostgreSQL' }]),
    // A chain that outlived its keeper is taken up again.
    ...(plan.mode !== 'local' || existsSync(paths.chainPid) ? [] : [{ port: plan.chainPort, name: 'embedded chain' }]),
  ])
  const control = socketPath(dataFolder, 'control')
  if (process.platform !== 'win32') rmSync(control, { force: true })
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= (async () => {
      await supervisor.stop(STOP_MS)
      await ledger?.close().catch(() => undefined)
      tell({ type: 'stopped' })
      if (process.platform !== 'win32') rmSync(control, { force: true })
      rmSync(paths.plan, { force: true })
      // Let the last words leave before the process does.
      setTimeout(() => process.exit(0), 20)
    })()
    return stopping
  }
  const answer = async (request: ControlRequest, socket: Socket): Promise<unknown> => {
    switch (request.op) {
      case 'status':
        return supervisor.status()
      case 'restart':
        return supervisor.restart(request.service)
      case 'down':
        void stop()
        return { stopping: true, pid: process.pid }
      case 'events':
        listeners.add(socket)
        return { listening: true }
      default:
        throw new KintsugiError('bad-request', `unknown request ${JSON.stringify(request)}`)
    }
  }
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('close', () => listeners.delete(socket))
    createInterface({ input: socket })
      .on('error', () => undefined)
      .on('line', (line) => {
        const reply = (value: ControlAnswer) => socket.writable && socket.write(`${JSON.stringify(value)}\n`)
        Promise.resolve()
          .then(() => answer(JSON.parse(line) as ControlRequest, socket))
          .then(
            (result) => reply({ ok: true, result }),
            (error) => reply({ ok: false, error: toErrorReport(error) }),
          )
      })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(control, resolve)
  })
  if (process.platform !== 'win32') chmodSync(control, 0o600)
  process.on('SIGTERM', () => void stop())
  process.on('SIGINT', () => undefined)
  process.on('message', (message: { type: string }) => message.type === 'stop' && void stop())
  // Started in the foreground, the fleet ends with whoever started it.
  process.on('disconnect', () => process.env.KINTSUGI_DETACHED || void stop())
  supervisor.start()
}

main().catch((error) => {
  console.error(messageOf(error))
  tell({ type: 'failed', error: toErrorReport(error) })
  if (existsSync(paths.plan) && JSON.parse(readFileSync(paths.plan, 'utf8')).startedAt === plan.startedAt) rmSync(paths.plan, { force: true })
  setTimeout(() => process.exit(1), 50)
})
