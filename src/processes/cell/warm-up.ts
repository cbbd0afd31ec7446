/**
 * Warm-up of a spare: code loaded, ports open, the market followed, and the hot paths run often enough to be
 * compiled when the first real call arrives.
 */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import * as z from 'zod'
import { Approvals } from '../../engine/governance/approvals.ts'
import { Detector } from '../../engine/trading/detector.ts'
import { apiRoutes } from '../../gateway/api/routes.ts'
import { mainApp, viewSources } from '../../gateway/sources.ts'
import { type AnyDefinition, defineServer, type MainContext } from '../../mcp/define.ts'
import { LOOPBACK_NAMES } from '../../mcp/host/access.ts'
import { host } from '../../mcp/host/host.ts'
import { listTool } from '../../mcp/schema.ts'
import type { Log } from '../../ports/service.ts'
import { messageOf } from '../../std/errors.ts'
import type { ServicePorts } from './cell-service.ts'

const ROUNDS = 20
const VIEW_ROUNDS = 5
const SEARCH_ROUNDS = 3
const rehearsed = defineServer({
  id: 'rehearsal',
  needs: [],
  tools: ({ read }) => ({
    echo: read({
      description: 'Echoes its input.',
      input: { text: z.string(), count: z.int().default(1) },
      output: { text: z.string(), count: z.int() },
      examples: [{ text: 'a' }],
      run: (input) => input,
    }),
  }),
})

export interface WarmUpOptions {
  /** The services of the fleet, whose code is loaded. */
  readonly services: readonly string[]
  load(service: string): Promise<AnyDefinition>
  readonly ports: Pick<ServicePorts, 'open'>
  readonly context: MainContext
  /** Whether a signer may stand by in this process. */
  readonly signer: boolean
  /** Whether the spare was requested to host services, or to stop. */
  interrupted(): boolean
  log: Log
  collectGarbage(): void
}

/** Warms a spare up, so that it takes over quickly. Resolves to false if it was interrupted. */
export async function warmUp(options: WarmUpOptions): Promise<boolean> {
  const { services, load, ports, signer, interrupted, log, collectGarbage } = options
  if (interrupted()) return false
  for (const service of services) listTools(await load(service))
  if (interrupted()) return false
  if (signer) await ports.open('signer')
  await openPorts(ports).catch(() => undefined)
  if (interrupted()) return false
  await Promise.all([rehearseCalls(), rehearseViews(options), rehearseSearch(ports)]).catch((error) =>
    log.debug({ error: messageOf(error) }, 'the rehearsal failed'),
  )
  collectGarbage()
  return true
}

/** Builds the tool listings, which compiles the schemas. */
function listTools(definition: AnyDefinition): void {
  if (definition.kind === 'main') return
  for (const [name, tool] of Object.entries(definition.tools)) listTool(name, tool)
}

async function openPorts(ports: Pick<ServicePorts, 'open'>): Promise<void> {
  await Promise.all([
    ...(['market', 'loans', 'bus', 'fleet', 'metrics'] as const).map((name) => ports.open(name)),
    ports.open('ledger').then((ledger) => ledger.ping()),
  ])
}

/** Requests the views of the gateway and the page without a socket, which opens their connections. */
async function rehearseViews({ ports, context }: WarmUpOptions): Promise<void> {
  const [fleet, ledger, chain, records, halt] = await Promise.all([
    ports.open('fleet'),
    ports.open('ledger'),
    ports.open('chain'),
    ports.open('records'),
    ports.open('halt'),
  ])
  const app = mainApp('coordination_system', context)
  apiRoutes(app, {
    access: context.access,
    sources: viewSources({ fleet, ledger, chain, halt }, context),
    approvals: new Approvals(records, context.now),
    mode: context.mode,
    now: context.now,
  })
  for (let round = 0; round < VIEW_ROUNDS; round++)
    await (await app.request('/status', { headers: { host: 'localhost' } })).text()
}

/** Searches the whole market, as the detector does when it starts. */
async function rehearseSearch(ports: Pick<ServicePorts, 'open'>): Promise<void> {
  const market = await ports.open('market')
  const loans = await ports.open('loans')
  const change = {
    head: market.head,
    changed: new Set(market.pools.keys()),
    logs: [],
    receivedAt: Date.now(),
  }
  for (let round = 0; round < SEARCH_ROUNDS; round++)
    new Detector({ market, loans, now: Date.now }).detect(change)
}

/** Hosts a small server on a free port, calls it in every way, and closes it. */
async function rehearseCalls(): Promise<void> {
  const access = { tokenHash: undefined, required: false, beyondLoopback: false, hostnames: LOOPBACK_NAMES }
  const served = host(rehearsed, {} as never, {
    title: 'Rehearsal',
    category: 'development',
    version: '0',
    access,
    maxConcurrent: 10,
    loopDelayMs: () => 0,
    timeoutMs: 1_000,
    now: Date.now,
    port: 0,
    readiness: () => undefined,
    records: () => Promise.reject(new Error('the rehearsal has no records')),
    observer: { begin: () => undefined, end: () => undefined },
  })
  const server = createAdaptorServer({ fetch: served.app.fetch }) as Server
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const post = (path: string, body: unknown) =>
    fetch(`${base}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify(body),
    })
  for (let round = 0; round < ROUNDS; round++) {
    const answers = await Promise.all([
      fetch(`${base}/ready`),
      fetch(`${base}/health`),
      post('/query', { type: 'echo', text: 'a' }),
      post('/query', { type: 'echo', wrong: 1 }),
      fetch(`${base}/metrics`),
    ])
    await Promise.all(answers.map((answer) => answer.text()))
  }
  served.stop()
  server.close()
}
