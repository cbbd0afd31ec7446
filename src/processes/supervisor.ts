/** The supervisor's process: decides what becomes of the fleet, and takes orders on the control socket. It may die: the next one goes on from what it left. */

import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { rotateServiceKeys } from '../adapters/access/service-keys.ts'
import type { ControlAnswer, ControlRequest } from '../adapters/fleet/control-client.ts'
import { prepareEmbeddedPostgres } from '../adapters/ledger/embedded.ts'
import { connectionPool } from '../adapters/ledger/pool.ts'
import { type PostgresLedger, postgresLedger } from '../adapters/ledger/postgres.ts'
import type { CellPlan } from '../fleet/catalogue/profiles.ts'
import { CELL_HEAP_MB } from '../fleet/catalogue/profiles.ts'
import { HEALING, type HealingPolicy, type UnitSpec } from '../fleet/healing/state.ts'
import type { Dependency, FleetStatus } from '../ports/fleet.ts'
import type { PortName } from '../ports/ports.ts'
import { KintsugiError, messageOf, toErrorReport } from '../std/errors.ts'
import { onLines } from '../std/lines.ts'
import { type Launch, ProcessDriver } from '../supervisor/drivers/process-driver.ts'
import type { SupervisorEvent, UnitPlan } from '../supervisor/options.ts'
import { isAlive } from '../supervisor/process-identity.ts'
import { Repairs } from '../supervisor/repair.ts'
import { Supervisor } from '../supervisor/supervisor.ts'
import { processCommand } from './run/command.ts'
import { ignoreOutputErrors } from './run/ignore-output-errors.ts'
import { files, readPlan, socketPath } from './run/run-plan.ts'
import { SCALABLE, SERVICE_NEEDS } from './services.gen.ts'
import { ledgerUrl } from './wiring/database.ts'

ignoreOutputErrors()
const dataFolder = process.env.KINTSUGI_DATA as string
const plan = readPlan(dataFolder)
const paths = files(dataFolder)
const listeners = new Set<Socket>()
const STOP_MS = 9_000
const OWNER_MS = 500
const REPAIR_MS = 2_000
/** The key by which our processes know each other is replaced this often. */
const NEW_KEY_MS = 3_600_000
/** The keeper holds a key that came by the environment. */
const keyHeld = process.env.KINTSUGI_KEY_HELD === '1'
/** Instances beyond the first of each service have a range of eight ports. */
const INSTANCE_PORTS = 9_100

function tell(event: SupervisorEvent): void {
  if (event.type === 'incident') {
    const { type: _, ...incident } = event
    console.log(JSON.stringify({ time: incident.at, level: 40, ...incident }))
    // An incident of the database itself cannot be written to it; the log has it.
    ledger?.recordIncident(incident).catch(() => undefined)
  }
  const line = `${JSON.stringify(event)}\n`
  for (const socket of listeners) socket.write(line)
}

/** One connection for the little that is written here: the schema, and incidents. */
let ledger: PostgresLedger | undefined
const openLedger = () =>
  (ledger ??= postgresLedger({ pool: connectionPool(ledgerUrl(plan), 1), batchSize: 100 }))

/** Whether an earlier supervisor of this very run left its state: the database then runs, or is to be started as it was. */
function takesOver(): boolean {
  try {
    return JSON.parse(readFileSync(paths.fleet, 'utf8')).startedAt === plan.startedAt
  } catch {
    return false
  }
}

const launches = new Map<string | null, (heapMb?: number) => Launch>()
const cellLaunch = (key: boolean, heapMb = CELL_HEAP_MB): Launch => ({
  ...processCommand('cell', [`--max-old-space-size=${heapMb}`]),
  sockets: true,
  key,
  stopSignal: 'SIGTERM',
})

function infrastructure(
  id: string,
  title: string,
  port: number | null,
  after: readonly string[],
  launch: Launch,
  probe?: UnitPlan['probe'],
): UnitPlan {
  launches.set(id, () => launch)
  return {
    spec: { id, kind: 'infrastructure', services: [], after, fromSpare: false },
    title,
    port,
    ...(probe ? { probe } : {}),
  }
}

const own = (name: 'hub' | 'localnet' | 'discovery'): Launch => ({
  ...processCommand(name),
  sockets: false,
  key: false,
  stopSignal: 'SIGTERM',
})

function units(): UnitPlan[] {
  const result: UnitPlan[] = []
  if (!plan.external.database) {
    const { command, args, env, uid, gid } = prepareEmbeddedPostgres({
      dataFolder,
      port: plan.databasePort,
      keep: takesOver(),
    })
    result.push(
      infrastructure(
        'database',
        'Embedded PostgreSQL',
        plan.databasePort,
        [],
        { command, args, env, uid, gid, sockets: false, key: false, stopSignal: 'SIGINT' },
        async () => {
          const probe = openLedger()
          await probe.ping()
          if (!migrated) await probe.migrate()
          migrated = true
        },
      ),
    )
  }
  if (!plan.external.redis) result.push(infrastructure('hub', 'Message hub', null, [], own('hub')))
  if (plan.mode === 'local')
    result.push(infrastructure('localnet', 'Local market', plan.chainPort, ['database'], own('localnet')))
  else result.push(infrastructure('discovery', 'Market discovery', null, [], own('discovery')))
  return [...result, ...plan.cells.map(cellUnit)]
}
let migrated = false

function cellUnit(cell: CellPlan): UnitPlan {
  const needs = cell.services.flatMap((id) => SERVICE_NEEDS[id] ?? [])
  const signs = needs.includes('signer') && keyHeld
  launches.set(cell.id, (heapMb) => cellLaunch(signs, heapMb))
  const spec: UnitSpec = {
    id: cell.id,
    kind: 'cell',
    services: cell.services,
    after: [...(plan.external.database ? [] : ['database']), ...(plan.external.redis ? [] : ['hub'])],
    follows: needs.includes('market') || needs.includes('chain') ? ['localnet'] : [],
    // The cell that signs is handed the key's descriptor, which no spare may hold.
    fromSpare: !signs,
  }
  return { spec, title: cell.id, port: null }
}

/** Which piece of infrastructure is behind a port. */
const BEHIND: Readonly<Partial<Record<PortName, string>>> = {
  ledger: 'database',
  bus: 'hub',
  market: 'localnet',
  chain: 'localnet',
  loans: 'localnet',
}

function dependencies(supervisor: Supervisor): Dependency[] {
  const here = supervisor.status().services
  return here.map(({ id, cell }) => {
    const hard = supervisor.unitOf(id).spec.after
    const chain = plan.mode === 'local' ? 'localnet' : 'discovery'
    const behind = (SERVICE_NEEDS[id] ?? [])
      .flatMap((need) => BEHIND[need] ?? [])
      .map((piece) => (piece === 'localnet' ? chain : piece))
    return {
      id,
      cell,
      hard,
      soft: [...new Set(behind)].filter(
        (piece) => !hard.includes(piece) && here.some((service) => service.id === piece),
      ),
    }
  })
}

const LOG_TAIL_BYTES = 512 * 1_024

/** Cells that took over from a spare write into the spares' log: their lines are told by the process. */
function logTail(unit: string, status: FleetStatus, service: string, lines: number): string[] {
  const pid = status.services.find(({ id }) => id === service)?.pid
  const read = (name: string) => {
    const path = join(paths.logs, `${name}.log`)
    if (!existsSync(path)) return []
    const text = readFileSync(path)
    return text
      .subarray(Math.max(0, text.length - LOG_TAIL_BYTES))
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
  }
  return [...read(unit), ...read('spare').filter((line) => line.includes(`"pid":${pid},`))].slice(-lines)
}

async function main(): Promise<void> {
  mkdirSync(paths.calls, { recursive: true, mode: 0o700 })
  const linkPath = socketPath(dataFolder, 'supervisor')
  const control = socketPath(dataFolder, 'control')
  if (plan.external.database) await openLedger().migrate()
  launches.set(null, () => cellLaunch(false))
  const policy: HealingPolicy = {
    ...HEALING,
    autoRestart: plan.settings.autoRestart,
    spares: plan.isolation === 'process' ? 2 : 1,
  }
  const monotonic = () => Number(process.hrtime.bigint() / 1_000n) / 1_000
  let driver: ProcessDriver | undefined
  const supervisor = new Supervisor({
    plan: {
      profile: plan.profile,
      mode: plan.mode,
      startedAt: plan.startedAt,
      ports: plan.ports,
      bindHost: plan.settings.bindHost,
      heldSockets: true,
      instancePorts: INSTANCE_PORTS + plan.portOffset,
    },
    units: units(),
    driver: (events) => {
      driver = new ProcessDriver({
        ...events,
        keeperPath: socketPath(dataFolder, 'keeper'),
        launchOf: (unit, heapMb) => launches.get(unit)?.(heapMb) ?? cellLaunch(false, heapMb),
        now: monotonic,
      })
      return driver
    },
    linkPath,
    stateFile: paths.fleet,
    callFolder: paths.calls,
    policy,
    scalable: SCALABLE,
    pollMs: plan.settings.healthCheckIntervalMs,
    now: Date.now,
    monotonic,
    seed: plan.startedAt >>> 0,
    onEvent: tell,
    // Keeper and watcher are both gone: what runs cannot be mended any more, so it ends in good order.
    onLost: () => void stop('keeper and watcher are gone'),
  })
  let stopping: Promise<void> | undefined
  const stop = (reason: string) => {
    stopping ??= (async () => {
      console.log(JSON.stringify({ time: Date.now(), level: 30, msg: `stopping: ${reason}` }))
      await supervisor.stop(STOP_MS)
      await ledger?.close().catch(() => undefined)
      if (process.platform !== 'win32') for (const path of [linkPath, control]) rmSync(path, { force: true })
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
      case 'incidents':
        return supervisor.incidents()
      case 'vitals':
        return supervisor.vitals()
      case 'restart':
        return supervisor.restart(request.service, request.reason ?? 'asked for')
      case 'stop':
        return supervisor.stopService(request.service, request.reason, request.forMs)
      case 'start':
        return supervisor.startService(request.service)
      case 'isolate':
        return supervisor.isolate(request.service, request.reason)
      case 'resize':
        return supervisor.resize(request.cell, request.heapMb, request.reason)
      case 'bring-home':
        return supervisor.bringHome(request.service)
      case 'scale':
        return supervisor.scale(request.service, request.instances)
      case 'dependencies':
        return dependencies(supervisor)
      case 'logs':
        return logTail(
          supervisor.unitOf(request.service).spec.id,
          supervisor.status(),
          request.service,
          request.lines,
        )
      case 'collect':
        supervisor.collect(request.service)
        return {}
      case 'scalable':
        return SCALABLE.filter((id) => id in plan.ports)
      case 'note':
        supervisor.note(request.incident)
        return {}
      case 'harm':
        if (plan.mode !== 'local')
          throw new KintsugiError(
            'refused',
            `chaos is for the local chain; this fleet runs in mode ${plan.mode}`,
            { hint: 'start one with `npx kintsugi up`' },
          )
        if (request.service === 'supervisor') {
          setTimeout(() => process.kill(process.pid, request.harm.kind === 'stop' ? 'SIGSTOP' : 'SIGKILL'), 5)
          return { pid: process.pid }
        }
        if (request.service === 'keeper' || request.service === 'watcher') {
          const pid = driver?.peers[request.service] ?? null
          if (pid !== null) process.kill(pid, request.harm.kind === 'stop' ? 'SIGSTOP' : 'SIGKILL')
          return { pid }
        }
        return { pid: supervisor.harm(request.service, request.harm) }
      case 'down':
        void stop('asked for')
        return { stopping: true, pid: process.pid }
      case 'events':
        listeners.add(socket)
        setImmediate(() => {
          for (const event of supervisor.story()) socket.write(`${JSON.stringify(event)}\n`)
        })
        return { listening: true }
      default:
        throw new KintsugiError('bad-request', `unknown request ${JSON.stringify(request)}`)
    }
  }
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('close', () => listeners.delete(socket))
    onLines(socket, (line) => {
      const reply = (value: ControlAnswer) => socket.writable && socket.write(`${JSON.stringify(value)}\n`)
      Promise.resolve()
        .then(() => answer(JSON.parse(line) as ControlRequest, socket))
        .then(
          (result) => reply({ ok: true, result }),
          (error) => reply({ ok: false, error: toErrorReport(error) }),
        )
    })
  })
  process.on('SIGTERM', () => void stop('asked for by a signal'))
  process.on('SIGINT', () => undefined)
  // Started in the foreground, the fleet ends with whoever started it.
  const { owner } = plan
  if (owner) setInterval(() => isAlive(owner) || void stop('whoever started it is gone'), OWNER_MS)
  const repairs = new Repairs({
    dataFolder,
    logFolder: paths.logs,
    documents: [paths.plan, paths.manifest],
    note: (kind, detail, action) =>
      supervisor.note({
        unit: 'fleet',
        services: [],
        kind,
        detail,
        action,
        at: Date.now(),
        durationMs: null,
      }),
  })
  setInterval(() => stopping ?? repairs.check(), REPAIR_MS)
  setInterval(() => rotateServiceKeys(paths.serviceKeys), NEW_KEY_MS)
  // Only the supervisor that the keeper took may take the places where others call.
  await driver?.ready()
  if (process.platform !== 'win32') rmSync(control, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(control, resolve)
  })
  if (process.platform !== 'win32') chmodSync(control, 0o600)
  await supervisor.start()
}

main().catch((error) => {
  console.error(messageOf(error))
  process.exit(1)
})
