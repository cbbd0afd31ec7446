/**
 * A cell: a process that hosts services, each on its own held socket. A warm spare until the supervisor names
 * its services.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { HaltFile } from '../adapters/halt-file.ts'
import { Approvals, approvalPolicy } from '../engine/governance/approvals.ts'
import { AuditSink } from '../engine/governance/audit-sink.ts'
import { HEARTBEAT_MS } from '../fleet/healing/heartbeat.ts'
import type { MainContext, ServiceContext } from '../mcp/define.ts'
import type { PortName } from '../ports/ports.ts'
import type { Log } from '../ports/service.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'
import type { Opening, ToChild } from '../supervisor/links/protocol.ts'
import { connectToSupervisor } from '../supervisor/links/supervisor-link.ts'
import { InFlightCalls } from '../supervisor/persistence/in-flight-calls.ts'
import { FaultInjector } from './cell/fault-injection.ts'
import { collectGarbage, collectStartupGarbage, heapAfterCollections } from './cell/garbage.ts'
import { measureLoopDelay } from './cell/loop-delay.ts'
import { ServiceHost } from './cell/service-host.ts'
import { Heartbeat } from './cell/vitals.ts'
import { warmUp } from './cell/warm-up.ts'
import { files, socketPath } from './run/run-plan.ts'
import { loadService, SERVICE_NEEDS } from './services.gen.ts'
import { processAccess } from './wiring/access.ts'
import { processEnvironment } from './wiring/environment.ts'
import { PortSet } from './wiring/port-set.ts'
import { openTelemetry } from './wiring/telemetry.ts'

/** How long a new process waits for its services before it warms up as a spare. */
const SPARE_AFTER_MS = 300
/** How often a change of health is looked for while something is not ready, and once everything is, in ms. */
const UNREADY_CHECK_MS = 50
const READY_CHECK_MS = 500
/** How long a stopping cell waits for its last audit entries and spans, and for its ports, in ms. */
const FLUSH_MS = 1_000
const CLOSE_MS = 500
/** How long the last message to the supervisor takes at most, in ms. */
const LAST_MESSAGE_MS = 5
const UNCAUGHT_EXIT_CODE = 70
/** How long the news of an outage may take, in ms, and the errors that an outage causes. */
const OUTAGE_NEWS_MS = 4_500
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ledger-unreachable',
  'bus-unreachable',
  'chain-unreachable',
])
/** Values of NODE_ENV under which every answer is checked against its tool's output schema. */
const DEVELOPMENT: ReadonlySet<string> = new Set(['test', 'development'])

const environment = processEnvironment()
const { plan, log, logs } = environment
const { access, secret, bearer } = processAccess(environment, 'cell')
const name = process.env.KINTSUGI_PROCESS as string
const loopDelay = measureLoopDelay()
const telemetry = await openTelemetry(environment, name)
const callRecord = new InFlightCalls(files(plan.dataFolder).calls, name)
const faults = new FaultInjector()
const stopping = new AbortController()
const ports = new PortSet({ ...environment, bearer }, stopping.signal)
ports.pace.standby = true
const audit = new AuditSink({ open: () => ports.open('audit'), onNote: (note) => log.warn({}, note) })
const { requestTimeoutMs } = plan.settings
/** Whether the machine is overloaded, as the supervisor says. */
let overloaded = false
const contextWith = (contextLog: Log): ServiceContext => ({
  now: Date.now,
  log: contextLog,
  mode: plan.mode,
  lease: plan.lease,
  overloaded: () => overloaded,
})
const mainContext = (context: ServiceContext, readiness: MainContext['readiness']): MainContext => ({
  ...context,
  access,
  plan,
  telemetry,
  secret,
  bearer,
  readiness,
  requestTimeoutMs,
})
const services = new ServiceHost({
  load: loadService,
  ports,
  bindHost: plan.settings.bindHost,
  tcpPortOf: (service) => plan.ports[service] as number,
  requestTimeoutMs,
  contextOf: (service) => contextWith(logs.of(service)),
  mainContext,
  callRecord,
  delay: (work) => faults.delay(work),
  host: {
    version: plan.version,
    access,
    maxConcurrent: plan.settings.maxConcurrentOperations,
    loopDelayMs: () => loopDelay.maxMs,
    timeoutMs: requestTimeoutMs,
    now: Date.now,
    audit,
    telemetry,
    records: () => ports.open('records'),
    approvals: {
      policy: async () => approvalPolicy(await ports.open('ledger'), plan.mode),
      approvals: async () => new Approvals(await ports.open('records'), Date.now),
    },
    secret,
    checkAnswers: DEVELOPMENT.has(process.env.NODE_ENV ?? ''),
    injectFault: (work) => faults.delay(work),
  },
})
const heartbeat = new Heartbeat({
  health: () => services.health(),
  calls: () => services.calls(),
  progress: () => services.progress(),
  loopDelay,
  send: (message) => link.send(message),
})

/** The ports that the services of this process need. */
const needs = new Set<PortName>()

let stopped = false
const stopOnce = () => {
  if (stopped) return
  stopped = true
  stop().catch(() => process.exit(1))
}

async function stop(): Promise<never> {
  await services.release(() => link.send({ type: 'released' }))
  await Promise.race([Promise.all([audit.stop(), telemetry?.close()]), sleep(FLUSH_MS)])
  stopping.abort(new KintsugiError('stopping', 'the cell is stopping'))
  await Promise.race([ports.close(), sleep(CLOSE_MS)]).catch(() => undefined)
  callRecord.close()
  process.exit(0)
}

function openServices(openings: readonly Opening[], hold: boolean): void {
  for (const { id } of openings) for (const need of SERVICE_NEEDS[id] ?? []) needs.add(need)
  void ports.keepOnly(needs)
  for (const opening of openings) {
    services.open(opening, hold).then(
      () => heartbeat.beatIfChanged(),
      (error) => {
        if (!stopped) void failOnceItCanStart(opening.id, error)
      },
    )
  }
}

/**
 * A service that could not start fails, but not while an external service that it needs is out: a new process
 * would fail as well.
 */
async function failOnceItCanStart(service: string, error: unknown): Promise<void> {
  logs.of(service).error({ error: messageOf(error) }, 'could not start')
  const needs = SERVICE_NEEDS[service] ?? []
  // The supervisor may learn of an outage a little later.
  if (error instanceof KintsugiError && UNREACHABLE.has(error.code) && ports.outageOf(needs) === undefined)
    await sleep(OUTAGE_NEWS_MS)
  await ports.recovered(needs)
  if (!stopped) fail(service, messageOf(error))
}

/** Ends the process and names the service that failed. */
function fail(service: string, message: string): void {
  link.send({ type: 'failed', service, message })
  setTimeout(() => process.exit(1), LAST_MESSAGE_MS)
}

function onMessage(message: ToChild): void {
  switch (message.type) {
    case 'host':
      logs.join(message.unit)
      openServices(message.services, message.hold)
      watchHealth()
      break
    case 'begin':
      services.begin()
      break
    case 'release':
      void services.release(() => heartbeat.beat(), message.services)
      break
    case 'stand-in':
      void services.standIn(message.services, message.reason)
      break
    case 'reconnect':
      ports.reconnect(message.to)
      watchHealth()
      break
    case 'overload':
      overloaded = message.on
      ports.pace.overloaded = message.on
      // What was left unread meanwhile is read at once.
      if (!message.on) ports.confirmMarket().catch(() => undefined)
      break
    case 'outages':
      ports.setOutages(message)
      void heartbeat.beatIfChanged()
      break
    case 'collect':
      void heapAfterCollections().then((heapUsed) => link.send({ type: 'collected', heapUsed }))
      break
    case 'chaos':
      faults.inject(message.fault, ports)
      break
    case 'stop':
      stopOnce()
  }
}

let watching: NodeJS.Timeout | undefined
/** Reports changes of health soon: a service that gets ready at once, one that fails within half a second. */
function watchHealth(): void {
  clearTimeout(watching)
  void heartbeat.beatIfChanged().then((allReady) => {
    clearTimeout(watching)
    watching = setTimeout(watchHealth, allReady ? READY_CHECK_MS : UNREADY_CHECK_MS)
  })
}

/** A process without services after a moment is a spare: it warms up. */
async function settle(): Promise<void> {
  await sleep(SPARE_AFTER_MS)
  if (services.size > 0) return collectStartupGarbage(async () => stopped || services.isReady())
  warm = await warmUp({
    services: plan.cells.flatMap((cell) => cell.services),
    load: loadService,
    ports,
    context: mainContext(contextWith(log), async () => undefined),
    // A standby signer has no key: a key from the environment is not passed to spares.
    signer: process.env.KINTSUGI_KEY_HELD !== '1',
    interrupted: () => services.size > 0 || stopped,
    log,
    collectGarbage,
  })
  if (warm) link.send({ type: 'warm' })
  // What the spare prepared for other services is garbage once it has its own.
  await collectStartupGarbage(async () => stopped || (services.size > 0 && (await services.isReady())))
}

let loaded = false
let warm = false
const link = connectToSupervisor({
  path: socketPath(plan.dataFolder, 'supervisor'),
  process: name,
  onMessage,
  onConnect: () => {
    if (loaded) link.send({ type: 'loaded' })
    if (warm) link.send({ type: 'warm' })
    void heartbeat.beat()
  },
  onOrphaned: stopOnce,
})
process.on('SIGTERM', stopOnce)
process.on('SIGINT', () => undefined)
// Anyone who may signal the process may halt trading, whatever else still works.
process.on('SIGUSR2', () => {
  const halt = new HaltFile(files(plan.dataFolder).halt, Date.now)
  halt.halt('the signal SIGUSR2', `sent to process ${process.pid}`)
})
process.on('uncaughtException', (error) => {
  log.error({ error: messageOf(error), stack: error.stack }, 'uncaught exception')
  process.exit(UNCAUGHT_EXIT_CODE)
})
setInterval(() => void heartbeat.beat(), HEARTBEAT_MS)
watchHealth()
loaded = true
link.send({ type: 'loaded' })
void settle()
