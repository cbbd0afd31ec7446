/** A cell: hosts some services, each on its own held socket. Before it is told which, it is a warm spare. */
import { createServer, type Server, type ServerResponse } from 'node:http'
import { Server as NetServer } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createAdaptorServer } from '@hono/node-server'
import { Approvals, approvalPolicy } from '../engine/governance/approvals.ts'
import { AuditSink } from '../engine/governance/audit-sink.ts'
import { catalogueEntry, titleOf } from '../fleet/catalogue/catalogue.ts'
import { HEARTBEAT_MS } from '../fleet/healing/heartbeat.ts'
import type { ServiceHealth } from '../fleet/healing/state.ts'
import type {
  AgentDefinition,
  AnyDefinition,
  Background,
  MainContext,
  RunningAgent,
  ServerDefinition,
  ServiceContext,
} from '../mcp/define.ts'
import type { CallObserver } from '../mcp/host/call-recorder.ts'
import { host } from '../mcp/host/host.ts'
import { listTool } from '../mcp/schema.ts'
import type { PortName, Ports } from '../ports/ports.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'
import type { Opening, ServiceVitals, ToChild } from '../supervisor/links/protocol.ts'
import { connectToSupervisor } from '../supervisor/links/supervisor-link.ts'
import { InFlightCalls } from '../supervisor/persistence/in-flight-calls.ts'
import { Ailments } from './cell/fault-injection.ts'
import { rehearse, rehearseSearch, rehearseViews } from './cell/warm-up.ts'
import { files, socketPath } from './run/run-plan.ts'
import { loadService, SERVICE_NEEDS } from './services.gen.ts'
import { processAccess } from './wiring/access.ts'
import { processEnvironment } from './wiring/environment.ts'
import { openTelemetry, PortSet } from './wiring/ports.ts'

const environment = processEnvironment('cell')
const { plan, log } = environment
const { access, secret, bearer } = processAccess(environment, 'cell')
const name = process.env.KINTSUGI_PROCESS as string
const delay = monitorEventLoopDelay({ resolution: 20 })
delay.enable()
const telemetry = await openTelemetry(environment, name)
const record = new InFlightCalls(files(plan.dataFolder).calls, name)
const ailments = new Ailments()
const audit = new AuditSink({ open: () => ports.open('audit'), onNote: (note) => log.warn({}, note) })

interface Hosted {
  readonly id: string
  readonly server: Server
  readonly vitals: { -readonly [K in keyof ServiceVitals]: ServiceVitals[K] }
  /** Waits for its predecessor to let go. */
  held: boolean
  draining: boolean
  readiness(): Promise<string | undefined> | string | undefined
  /** Ends what goes on besides calls. */
  stop(): Promise<void>
}
const hosted = new Map<string, Hosted>()
const stopping = new AbortController()
const ports = new PortSet({ ...environment, bearer }, stopping.signal)
const begun = Promise.withResolvers<void>()
/** How long work under way may take to come to its end when the cell is stopped. */
const DRAIN_MS = 5_000
/** How long connections that idle are still answered after the socket is let go, so that none breaks under a request on its way. */
const LINGER_MS = 400
const SWEEP_MS = 20
/** How long after its start a cell is left alone. */
const SETTLED_MS = 500

const mainContext = (readiness: MainContext['readiness']): MainContext => ({
  now: Date.now,
  log,
  mode: plan.mode,
  lease: plan.lease,
  access,
  plan,
  telemetry,
  secret,
  bearer,
  readiness,
  requestTimeoutMs: plan.settings.requestTimeoutMs,
})

type Handler = (request: Request, env: never) => Response | Promise<Response>

/** Whether two processes may serve it at once for a moment: what only answers may, what acts by itself may not. */
const mayOverlap = (definition: AnyDefinition) =>
  definition.kind === 'main' || (definition.kind === 'server' && !definition.singleton)

async function hostService({ id, fd, port: ownPort }: Opening, hold: boolean): Promise<void> {
  const definition = await loadService(id)
  if (definition.kind === 'agent' && definition.urgent) ports.patienceMs = 0
  const entry = catalogueEntry(id)
  let failure: string | undefined = 'starting'
  let agent: RunningAgent | undefined
  let background: Background | undefined
  let served: ReturnType<typeof host> | undefined
  const port = plan.ports[id] as number
  const vitals = { calls: 0, errors: 0, durationMs: 0, running: 0 }
  const observer: CallObserver = {
    begin: (tool) => {
      vitals.running++
      record.begin(id, tool)
    },
    end: (_tool, ok, durationMs) => {
      vitals.running--
      vitals.calls++
      vitals.durationMs += durationMs
      if (!ok) vitals.errors++
      record.end(id)
    },
  }
  const shared = {
    title: titleOf(id),
    category: entry.category,
    version: plan.version,
    access,
    maxConcurrent: plan.settings.maxConcurrentOperations,
    loopDelayMs: () => delay.max / 1e6,
    timeoutMs: plan.settings.requestTimeoutMs,
    now: Date.now,
    port,
    observer,
    audit,
    telemetry,
    records: () => ports.open('records'),
    approvals: {
      policy: async () => approvalPolicy(await ports.open('ledger'), plan.mode),
      approvals: async () => new Approvals(await ports.open('records'), Date.now),
    },
    secret,
    injectFault: <T>(work: () => T | Promise<T>) => ailments.suffer(work),
  }
  let unready: (() => string | undefined) | undefined
  const readiness = async (): Promise<string | undefined> => {
    if (failure !== undefined) {
      const waiting = [...ports.waiting.values()]
      return failure === 'starting' && waiting.length > 0 ? waiting.join('; ') : failure
    }
    if (definition.needs.includes('market')) return (await ports.open('market')).failure
    return unready?.()
  }
  // The socket answers from the start: health at once, everything else once the ports are there.
  const hosting = Promise.withResolvers<Handler>()
  hosting.promise.catch(() => undefined)
  let fetchHandler: Handler = (request, env) => notYet(request, env, id, hosting.promise)
  let upgrade:
    | ((
        request: import('node:http').IncomingMessage,
        socket: import('node:stream').Duplex,
        head: Buffer,
      ) => void)
    | undefined
  const server = createAdaptorServer({
    fetch: (request, env) =>
      definition.kind === 'main'
        ? ailments.suffer(() => fetchHandler(request, env as never))
        : fetchHandler(request, env as never),
  }) as Server
  server.on('upgrade', (request, socket, head) =>
    upgrade ? upgrade(request, socket, head) : socket.destroy(),
  )
  server.keepAliveTimeout = 65_000
  const entryOf: Hosted = {
    id,
    server,
    vitals,
    held: hold && !mayOverlap(definition),
    draining: false,
    readiness,
    stop: async () => {
      served?.stop()
      await agent?.drain?.(AbortSignal.timeout(DRAIN_MS))
      await (agent ?? background)?.stop()
    },
  }
  hosted.set(id, entryOf)
  if (!entryOf.held) await listen(server, fd, port)
  const opened = Object.fromEntries(
    await Promise.all(definition.needs.map(async (need) => [need, await ports.open(need)] as const)),
  ) as unknown as Pick<Ports, PortName>
  if (entryOf.held) {
    await begun.promise
    entryOf.held = false
    await listen(server, fd, port)
  }
  if (ownPort !== undefined) await listenBeside(server, ownPort)
  const context: ServiceContext = { now: Date.now, log, mode: plan.mode, lease: plan.lease }
  if (definition.kind === 'main') {
    const main = await definition.start(opened, mainContext(readiness))
    fetchHandler = main.app.fetch as Handler
    upgrade = main.upgrade
    unready = main.unready
    background = main
  } else if (definition.kind === 'agent') {
    agent = await (definition as AgentDefinition).start(opened, context)
    served = host(definition, opened, { ...shared, readiness, agent })
    fetchHandler = served.app.fetch as Handler
  } else {
    const state = await (definition as ServerDefinition).state?.(opened, context)
    background = { stop: () => state?.stop?.() }
    served = host(definition, opened, { ...shared, readiness, state })
    fetchHandler = served.app.fetch as Handler
  }
  await ports.confirmMarket()
  failure = undefined
  hosting.resolve(fetchHandler)
}

function listen(server: Server, fd: number | null, port: number): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(fd === null ? { host: plan.settings.bindHost, port } : { fd }, resolve)
  })
}

/** A further address for the same server: the port of an instance. */
function listenBeside(server: Server, port: number): Promise<void> {
  const beside = new NetServer((socket) => server.emit('connection', socket))
  server.once('close', () => beside.close())
  return new Promise<void>((resolve, reject) => {
    beside.once('error', reject)
    beside.listen({ host: plan.settings.bindHost, port }, resolve)
  })
}

/** Until a service has its ports: it lives, it is not ready, and a call waits, within its deadline, for it to be. */
async function notYet(
  request: Request,
  env: never,
  id: string,
  hosting: Promise<Handler>,
): Promise<Response> {
  const { pathname } = new URL(request.url)
  const reason = [...ports.waiting.values()].join('; ') || 'starting'
  if (pathname === '/health') return Response.json({ status: 'ok', service: id, starting: true })
  if (pathname === '/ready') return Response.json({ ready: false, reason, service: id }, { status: 503 })
  const handler = await Promise.race([
    hosting,
    sleep(plan.settings.requestTimeoutMs, undefined, { ref: false }),
  ])
  if (handler) return handler(request, env)
  return Response.json(
    { error: { code: 'service-unreachable', message: `${id} is starting: ${reason}`, retry: 'later' } },
    { status: 503, headers: { 'retry-after': '1' } },
  )
}

/** Serves 503 with the reason in place of services that are set aside. */
async function standIn(services: readonly Opening[], reason: string): Promise<void> {
  for (const { id, fd } of services) {
    const server = createServer((_request, response) => {
      response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '30' })
      response.end(
        JSON.stringify({
          error: {
            code: 'service-unreachable',
            message: `${id} is set aside: ${reason}`,
            retry: 'later',
            hint: `npx kintsugi restart ${id}, or see npx kintsugi logs ${id}`,
          },
        }),
      )
    })
    await listen(server, fd, plan.ports[id] as number)
  }
}

async function health(): Promise<ServiceHealth[]> {
  return Promise.all(
    [...hosted.values()].map(async ({ id, readiness, held }) => {
      const reason = held ? 'waits for its predecessor' : await readiness()
      return {
        id,
        ready: reason === undefined,
        ...(held ? { held } : {}),
        ...(reason === undefined ? {} : { reason }),
      }
    }),
  )
}

const heapLimit = getHeapStatistics().heap_size_limit
let lastHealth = ''
async function heartbeat(changedOnly = false): Promise<void> {
  const services = await health()
  const text = JSON.stringify(services)
  if (changedOnly && text === lastHealth) return
  lastHealth = text
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  const vitals = {
    rss,
    heapUsed,
    heapLimit,
    loopDelayMs: delay.max / 1e6,
    cpuMs: (user + system) / 1_000,
    services: Object.fromEntries([...hosted.values()].map((service) => [service.id, { ...service.vitals }])),
  }
  link.send({ type: 'heartbeat', services, vitals })
  if (!changedOnly) delay.reset()
}

/** Lets go of a service: its socket at once, what is under way when it is done. */
async function letGo(service: Hosted): Promise<void> {
  const { server } = service
  service.draining = true
  hosted.delete(service.id)
  // Only the listening ends here: connections that idle are told with their next answer that it was the last.
  if (server.listening) NetServer.prototype.close.call(server)
  server.prependListener('request', (_request, response: ServerResponse) =>
    response.setHeader('connection', 'close'),
  )
  await service.stop()
}

async function finish(services: readonly Hosted[]): Promise<void> {
  const deadline = performance.now() + DRAIN_MS
  await sleep(LINGER_MS)
  for (const { server } of services) server.closeIdleConnections()
  const busy = () =>
    Promise.all(
      services.map(
        ({ server }) =>
          new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count ?? 0))),
      ),
    )
  while ((await busy()).some((count) => count > 0) && performance.now() < deadline) {
    await sleep(SWEEP_MS)
    for (const { server } of services) server.closeIdleConnections()
  }
}

async function stop(): Promise<never> {
  const services = [...hosted.values()]
  await Promise.allSettled(services.map(letGo))
  link.send({ type: 'released' })
  if (services.length > 0) await finish(services)
  await Promise.race([Promise.all([audit.stop(), telemetry?.close()]), sleep(1_000)])
  stopping.abort(new KintsugiError('stopping', 'the cell is stopping'))
  await Promise.race([ports.close(), sleep(500)]).catch(() => undefined)
  record.close()
  process.exit(0)
}

async function release(ids: readonly string[]): Promise<void> {
  const services = ids.flatMap((id) => hosted.get(id) ?? [])
  await Promise.allSettled(services.map(letGo))
  await heartbeat()
  await finish(services)
}

let stopped = false
const stopOnce = () => {
  if (stopped) return
  stopped = true
  stop().catch(() => process.exit(1))
}

function openServices(services: readonly Opening[], hold: boolean): void {
  for (const opening of services) {
    hostService(opening, hold).then(
      () => heartbeat(true),
      (error) => {
        if (stopped) return
        log.error({ service: opening.id, error: messageOf(error) }, 'a service could not start')
        breakDown(opening.id, messageOf(error))
      },
    )
  }
}

/** Ends, and says whose fault it was. */
function breakDown(service: string, message: string): void {
  link.send({ type: 'failed', service, message })
  setTimeout(() => process.exit(1), 5)
}

function onMessage(message: ToChild): void {
  switch (message.type) {
    case 'host':
      if (!message.services.some(({ id }) => SERVICE_NEEDS[id]?.includes('signer'))) ports.dropSigner()
      openServices(message.services, message.hold)
      break
    case 'begin':
      begun.resolve()
      break
    case 'release':
      void release(message.services)
      break
    case 'stand-in':
      void standIn(message.services, message.reason)
      break
    case 'reconnect':
      ports.reconnect(message.to)
      void heartbeat(true)
      break
    case 'collect':
      void collect()
      break
    case 'chaos':
      ailments.begin(message.harm, ports)
      break
    case 'stop':
      stopOnce()
  }
}

/** A collection of the whole heap. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

/** What the heap holds after four collections: a cache that fills looks like a leak until then. */
async function collect(): Promise<void> {
  const heapUsed: number[] = []
  const gc = garbageCollector()
  for (let round = 0; round < 4; round++) {
    gc()
    heapUsed.push(process.memoryUsage().heapUsed)
    await sleep(50)
  }
  link.send({ type: 'collected', heapUsed })
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
    void heartbeat()
  },
  onOrphaned: stopOnce,
})
process.on('SIGTERM', stopOnce)
process.on('SIGINT', () => undefined)
process.on('uncaughtException', (error) => {
  log.error({ error: messageOf(error), stack: error.stack }, 'an error that nobody caught')
  process.exit(70)
})
setInterval(() => void heartbeat(), HEARTBEAT_MS)
setInterval(() => void heartbeat(true), 50)
loaded = true
link.send({ type: 'loaded' })
void warmUp()

/** Loads a service's code, and describes its tools. */
async function prepare(id: string): Promise<void> {
  const definition = await loadService(id)
  if (definition.kind !== 'main')
    for (const [tool, described] of Object.entries(definition.tools)) listTool(tool, described)
}

/** What a start leaves in the heap is garbage that nothing would collect for a long time: it goes once everybody is served. */
async function leaveNoScraps(): Promise<void> {
  while (!stopped && !(await health()).every(({ ready }) => ready)) await sleep(SETTLED_MS)
  await sleep(SETTLED_MS)
  garbageCollector()()
}

/** A spare gets ready beforehand: the services' code is loaded and the market followed, so that taking over is quick. */
async function warmUp(): Promise<void> {
  await sleep(300)
  if (hosted.size > 0) return leaveNoScraps()
  if (stopped) return
  for (const cell of plan.cells) for (const id of cell.services) await prepare(id)
  if (hosted.size > 0 || stopped) return
  // A signer stands by too, without its key, unless the key came by the environment: that one is not for spares.
  if (process.env.KINTSUGI_KEY_HELD !== '1') await ports.open('signer')
  const opening = [
    ports.open('market'),
    ports.open('loans'),
    ports.open('bus'),
    ports.open('fleet'),
    ports.open('metrics'),
    ports.open('ledger').then((ledger) => ledger.ping()),
  ]
  await Promise.all(opening).catch(() => undefined)
  if (hosted.size > 0 || stopped) return
  const views = async () => {
    const [fleet, ledger, chain, records] = await Promise.all([
      ports.open('fleet'),
      ports.open('ledger'),
      ports.open('chain'),
      ports.open('records'),
    ])
    await rehearseViews(
      { fleet, ledger, chain, records },
      mainContext(async () => undefined),
    )
  }
  const search = async () => rehearseSearch(await ports.open('market'), await ports.open('loans'))
  await Promise.all([rehearse(), views(), search()]).catch((error) =>
    log.debug({ error: messageOf(error) }, 'the rehearsal failed'),
  )
  garbageCollector()()
  warm = true
  link.send({ type: 'warm' })
}
