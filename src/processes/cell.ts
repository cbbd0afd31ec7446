/** A cell: hosts some services, each on its own inherited socket. Before it is told which, it is a warm spare. */
import { createServer, type Server } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdaptorServer } from '@hono/node-server'
import { catalogueEntry, titleOf } from '../fleet/catalogue.ts'
import type { AgentDefinition, Background, RunningAgent, ServerDefinition, ServiceContext } from '../mcp/define.ts'
import { host } from '../mcp/host.ts'
import type { PortName, Ports } from '../ports/ports.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'
import { type FromChild, HEARTBEAT_MS, type ServiceHealth, type ToChild } from '../supervisor/protocol.ts'
import { type Environment, PortSet, processEnvironment } from './environment.ts'
import { loadService } from './services.gen.ts'

const environment: Environment = processEnvironment('cell')
const { plan, log } = environment
const send = (message: FromChild) => process.connected && process.send?.(message)
const delay = monitorEventLoopDelay({ resolution: 20 })
delay.enable()

interface Hosted {
  id: string
  server: Server
  readiness(): Promise<string | undefined> | string | undefined
  stop(): Promise<void>
}
const hosted: Hosted[] = []
const stopping = new AbortController()
const ports = new PortSet(environment, stopping.signal)
/** How long work under way may take to come to its end when the cell is stopped. */
const DRAIN_MS = 5_000

async function hostService(id: string, fd: number): Promise<void> {
  const definition = await loadService(id)
  if (definition.kind === 'agent' && definition.urgent) ports.patienceMs = 0
  const entry = catalogueEntry(id)
  let failure: string | undefined = 'starting'
  let agent: RunningAgent | undefined
  let background: Background | undefined
  let served: ReturnType<typeof host> | undefined
  const port = plan.ports[id] as number
  const shared = {
    title: titleOf(id),
    category: entry.category,
    version: plan.version,
    access: environment.access,
    maxConcurrent: plan.settings.maxConcurrentOperations,
    timeoutMs: plan.settings.requestTimeoutMs,
    now: Date.now,
    port,
  }
  const readiness = async (): Promise<string | undefined> => {
    if (failure !== undefined) {
      const waiting = [...ports.waiting.values()]
      return failure === 'starting' && waiting.length > 0 ? waiting.join('; ') : failure
    }
    if (definition.needs.includes('market')) return (await ports.open('market')).failure
    return undefined
  }
  // The socket answers from the start: health at once, everything else once the ports are there.
  const hosting = Promise.withResolvers<(request: Request, env: never) => Response | Promise<Response>>()
  hosting.promise.catch(() => undefined)
  let fetchHandler: (request: Request, env: never) => Response | Promise<Response> = (request, env) => notYet(request, env, id, hosting.promise)
  let upgrade: ((request: import('node:http').IncomingMessage, socket: import('node:stream').Duplex, head: Buffer) => void) | undefined
  const server = createAdaptorServer({ fetch: (request, env) => fetchHandler(request, env as never) }) as Server
  server.on('upgrade', (request, socket, head) => (upgrade ? upgrade(request, socket, head) : socket.destroy()))
  server.keepAliveTimeout = 65_000
  hosted.push({
    id,
    server,
    readiness,
    stop: async () => {
      served?.stop()
      await agent?.drain?.(AbortSignal.timeout(DRAIN_MS))
      await (agent ?? background)?.stop()
    },
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, resolve)
  })
  const opened = Object.fromEntries(await Promise.all(definition.needs.map(async (need) => [need, await ports.open(need)] as const))) as unknown as Pick<Ports, PortName>
  const context: ServiceContext = { now: Date.now, log, mode: plan.mode, lease: plan.lease }
  if (definition.kind === 'main') {
    const main = await definition.start(opened, {
      ...context,
      access: environment.access,
      plan,
      token: environment.token,
      readiness,
      requestTimeoutMs: plan.settings.requestTimeoutMs,
    })
    fetchHandler = main.app.fetch as typeof fetchHandler
    upgrade = main.upgrade
    background = main
  } else if (definition.kind === 'agent') {
    agent = await (definition as AgentDefinition).start(opened, context)
    served = host(definition, opened, { ...shared, readiness, agent })
    fetchHandler = served.app.fetch as typeof fetchHandler
  } else {
    background = await (definition as ServerDefinition).start?.(opened, context)
    served = host(definition, opened, { ...shared, readiness })
    fetchHandler = served.app.fetch as typeof fetchHandler
  }
  await ports.confirmMarket()
  failure = undefined
  hosting.resolve(fetchHandler)
}

/** Until a service has its ports: it lives, it is not ready, and a call waits, within its deadline, for it to be. */
async function notYet(request: Request, env: never, id: string, hosting: Promise<(request: Request, env: never) => Response | Promise<Response>>): Promise<Response> {
  const { pathname } = new URL(request.url)
  const reason = [...ports.waiting.values()].join('; ') || 'starting'
  if (pathname === '/health') return Response.json({ status: 'ok', service: id, starting: true })
  if (pathname === '/ready') return Response.json({ ready: false, reason, service: id }, { status: 503 })
  const handler = await Promise.race([hosting, sleep(plan.settings.requestTimeoutMs, undefined, { ref: false })])
  if (handler) return handler(request, env)
  return Response.json({ error: { code: 'service-unreachable', message: `${id} is starting: ${reason}`, retry: 'later' } }, { status: 503, headers: { 'retry-after': '1' } })
}

/** Serves 503 with the reason in place of services that are set aside. */
async function standIn(services: { id: string; fd: number }[], reason: string): Promise<void> {
  for (const { id, fd } of services) {
    const server = createServer((_request, response) => {
      response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '30' })
      response.end(
        JSON.stringify({
          error: { code: 'service-unreachable', message: `${id} is set aside: ${reason}`, retry: 'later', hint: `npx kintsugi restart ${id}, or see npx kintsugi logs ${id}` },
        }),
      )
    })
    hosted.push({ id, server, readiness: () => reason, stop: async () => undefined })
    await new Promise<void>((resolve) => {
      server.listen({ fd }, resolve)
    })
  }
}

async function health(): Promise<ServiceHealth[]> {
  return Promise.all(
    hosted.map(async ({ id, readiness }) => {
      const reason = await readiness()
      return { id, ready: reason === undefined, ...(reason === undefined ? {} : { reason }) }
    }),
  )
}

let lastHealth = ''
async function heartbeat(changedOnly = false): Promise<void> {
  const services = await health()
  const text = JSON.stringify(services)
  if (changedOnly && text === lastHealth) return
  lastHealth = text
  send({ type: 'heartbeat', loopDelayMs: delay.max / 1e6, services })
  if (!changedOnly) delay.reset()
}

async function stop(): Promise<never> {
  for (const { server } of hosted) {
    server.close()
    server.closeIdleConnections()
  }
  await Promise.allSettled(hosted.map((service) => service.stop()))
  stopping.abort(new KintsugiError('stopping', 'the cell is stopping'))
  await Promise.race([ports.close(), new Promise((resolve) => setTimeout(resolve, 500))]).catch(() => undefined)
  process.exit(0)
}

let stopped = false
const stopOnce = () => {
  if (stopped) return
  stopped = true
  stop().catch(() => process.exit(1))
}

process.on('message', (message: ToChild) => {
  if (message.type === 'stop') stopOnce()
  else if (message.type === 'stand-in') void standIn(message.services, message.reason)
  else {
    for (const { id, fd } of message.services) {
      hostService(id, fd).then(
        () => heartbeat(true),
        (error) => {
          if (stopped) return
          log.error({ service: id, error: messageOf(error) }, 'a service could not start')
          send({ type: 'failed', message: `${id}: ${messageOf(error)}` })
          process.exit(1)
        },
      )
    }
  }
})
// Without a supervisor there is nobody to serve for.
process.on('disconnect', stopOnce)
process.on('SIGTERM', stopOnce)
process.on('SIGINT', () => undefined)
setInterval(() => void heartbeat(), HEARTBEAT_MS)
setInterval(() => void heartbeat(true), 50)
send({ type: 'loaded' })
void warmUp()

/** A spare gets ready beforehand: the services' code is loaded and the market followed, so that taking over is quick. */
async function warmUp(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 300))
  if (hosted.length > 0 || stopped) return
  for (const cell of plan.cells) for (const id of cell.services) await loadService(id)
  if (hosted.length > 0 || stopped) return
  await Promise.all([ports.open('market'), ports.open('loans'), ports.open('ledger'), ports.open('bus')]).catch(() => undefined)
}
