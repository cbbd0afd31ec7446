/**
 * The supervisor's process: it decides about the fleet and serves the control socket. If it dies, the next
 * one continues from its stored state.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { rotateServiceKeys } from '../adapters/access/service-keys.ts'
import { HaltFile } from '../adapters/halt-file.ts'
import { connectionPool } from '../adapters/ledger/pool.ts'
import { type PostgresLedger, postgresLedger } from '../adapters/ledger/postgres.ts'
import { HEALING, type HealingPolicy } from '../fleet/healing/state.ts'
import { INCIDENTS, incidentText } from '../fleet/incidents.ts'
import type { Incident } from '../ports/fleet.ts'
import { haltText } from '../ports/halt.ts'
import { messageOf } from '../std/errors.ts'
import { ProcessDriver } from '../supervisor/drivers/process-driver.ts'
import { oomKills } from '../supervisor/oom-kills.ts'
import type { StopCause, SupervisorEvent, SupervisorOptions } from '../supervisor/options.ts'
import { isAlive } from '../supervisor/process-identity.ts'
import { Repairs } from '../supervisor/repair.ts'
import { Supervisor } from '../supervisor/supervisor.ts'
import { standardOutputLog } from './logs/standard-output-log.ts'
import { ignoreOutputErrors } from './run/ignore-output-errors.ts'
import { files, readPlan, socketPath } from './run/run-plan.ts'
import { SCALABLE } from './services.gen.ts'
import { ControlServer } from './supervisor/control-server.ts'
import { externalsOf } from './supervisor/externals.ts'
import { unitsOf } from './supervisor/units.ts'
import { ledgerUrl } from './wiring/database.ts'

ignoreOutputErrors()
const dataFolder = process.env.KINTSUGI_DATA as string
const plan = readPlan(dataFolder)
const paths = files(dataFolder)
const linkPath = socketPath(dataFolder, 'supervisor')
const STOP_MS = 9_000
/** Let the last output leave before the process exits. */
const EXIT_MS = 20
const OWNER_CHECK_MS = 500
const REPAIR_CHECK_MS = 2_000
const HALT_CHECK_MS = 500
/** The key by which the fleet's processes authenticate each other is replaced this often. */
const KEY_ROTATION_MS = 3_600_000
/** The first of the ports for further instances, before the offset. */
const INSTANCE_PORTS = 9_100
const log = standardOutputLog('supervisor', plan.settings.logLevel)

const STOP_REASONS: Readonly<Record<StopCause, string>> = {
  requested: 'requested',
  signal: 'SIGTERM',
  'owner-gone': 'the command line that started the fleet has exited',
  'keeper-gone': 'keeper and watcher have exited, no process could be restarted any more',
}

/** ms of a clock that all processes of this machine share. */
const monotonic = () => Number(process.hrtime.bigint() / 1_000n) / 1_000

/** One connection for the schema and the incidents. */
let ledger: PostgresLedger | undefined
const openLedger = () =>
  (ledger ??= postgresLedger({ pool: connectionPool(ledgerUrl(plan), 1), batchSize: 100 }))

let migrated = false
async function migrate(): Promise<void> {
  if (!migrated) await openLedger().migrate()
  migrated = true
}

async function probeDatabase(): Promise<void> {
  await openLedger().ping()
  await migrate()
}

function recordIncident(incident: Incident): void {
  const { unit, services, durationMs, kind, at } = incident
  log[INCIDENTS[kind].level](
    { time: new Date(at).toISOString(), unit, services, ...(durationMs === null ? {} : { durationMs }) },
    incidentText(incident),
  )
  // An incident of the database itself cannot be stored in it; the log has it.
  ledger?.recordIncident(incident).catch(() => undefined)
}

function supervisorOptions(
  externals: SupervisorOptions['externals'],
  onEvent: (event: SupervisorEvent) => void,
  onLost: () => void,
): { options: SupervisorOptions; driver: () => ProcessDriver | undefined } {
  const policy: HealingPolicy = {
    ...HEALING,
    autoRestart: plan.settings.autoRestart,
    spares: plan.isolation === 'process' ? 2 : 1,
  }
  const units = unitsOf({ plan, keyHeld: process.env.KINTSUGI_KEY_HELD === '1', probeDatabase })
  let driver: ProcessDriver | undefined
  const options: SupervisorOptions = {
    plan: {
      profile: plan.profile,
      mode: plan.mode,
      startedAt: plan.startedAt,
      ports: plan.ports,
      bindHost: plan.settings.bindHost,
      heldSockets: true,
      instancePorts: INSTANCE_PORTS + plan.portOffset,
    },
    units: units.plans,
    externals,
    driver: (events) =>
      (driver = new ProcessDriver({
        ...events,
        keeperPath: socketPath(dataFolder, 'keeper'),
        launchOf: units.launchOf,
        now: monotonic,
      })),
    linkPath,
    stateFile: paths.fleet,
    callFolder: paths.calls,
    policy,
    scalable: SCALABLE,
    pollMs: plan.settings.healthCheckIntervalMs,
    now: Date.now,
    monotonic,
    seed: plan.startedAt >>> 0,
    onEvent,
    onLost,
    oomKills,
  }
  return { options, driver: () => driver }
}

/** Returns a function that notes when trading was halted or resumed since it was called last. */
function haltNotes(note: (kind: 'trading-halted' | 'trading-resumed', detail: string) => void): () => void {
  const halts = new HaltFile(paths.halt, Date.now)
  let known: string | undefined
  return () => {
    const halt = halts.current()
    const text = halt && haltText(halt)
    if (text === known) return
    if (text === undefined) note('trading-resumed', `it was ${known}`)
    else note('trading-halted', text)
    known = text
  }
}

/** Work that repeats while the fleet runs. */
function startBackgroundWork(
  supervisor: Supervisor,
  stop: (cause: StopCause) => void,
  isStopping: () => boolean,
): void {
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
  setInterval(() => isStopping() || repairs.check(), REPAIR_CHECK_MS)
  const noteHalt = haltNotes((kind, detail) =>
    supervisor.note({
      unit: 'fleet',
      services: [],
      kind,
      detail,
      action: 'none',
      at: Date.now(),
      durationMs: null,
    }),
  )
  setInterval(noteHalt, HALT_CHECK_MS)
  setInterval(() => rotateServiceKeys(paths.serviceKeys), KEY_ROTATION_MS)
  // A fleet that was started in the foreground ends with the command line that started it.
  const { owner } = plan
  if (owner) setInterval(() => isAlive(owner) || stop('owner-gone'), OWNER_CHECK_MS)
}

async function main(): Promise<void> {
  mkdirSync(paths.calls, { recursive: true, mode: 0o700 })
  // Services find the schema when they start; if the database is away, its probe does this later.
  if (plan.external.database)
    await migrate().catch((error) =>
      log.warn({ error: messageOf(error) }, 'the database is not available yet'),
    )
  const { options, driver } = supervisorOptions(
    await externalsOf(plan, process.env, migrate),
    (event) => {
      if (event.type === 'incident') {
        const { type: _, ...incident } = event
        recordIncident(incident)
      }
      control.broadcast(event)
    },
    // Without keeper and watcher nothing can be restarted any more: the fleet stops in good order.
    () => stop('keeper-gone'),
  )
  const supervisor = new Supervisor(options)
  let stopping = false
  const stop = (cause: StopCause) => {
    if (stopping) return
    stopping = true
    void shutDown(cause)
  }
  const shutDown = async (cause: StopCause) => {
    log[cause === 'keeper-gone' ? 'error' : 'info']({}, `stopping: ${STOP_REASONS[cause]}`)
    control.broadcast({ type: 'stopping', cause })
    await supervisor.stop(STOP_MS)
    await ledger?.close().catch(() => undefined)
    control.removeSocket()
    if (process.platform !== 'win32') rmSync(linkPath, { force: true })
    rmSync(paths.plan, { force: true })
    setTimeout(() => process.exit(0), EXIT_MS)
  }
  const control = new ControlServer(socketPath(dataFolder, 'control'), {
    supervisor,
    plan,
    peers: () => driver()?.peers ?? { keeper: null, watcher: null },
    stop,
  })
  process.on('SIGTERM', () => stop('signal'))
  process.on('SIGINT', () => undefined)
  startBackgroundWork(supervisor, stop, () => stopping)
  // Only the supervisor that the keeper accepted may replace the sockets.
  await driver()?.ready()
  await control.listen()
  await supervisor.start()
}

main().catch((error) => {
  log.error({}, messageOf(error))
  process.exit(1)
})
