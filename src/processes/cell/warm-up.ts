/** What every service does when it is asked, done beforehand by a spare: the code is compiled when the first real call comes. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import * as z from 'zod'
import { Approvals } from '../../engine/governance/approvals.ts'
import { Detector } from '../../engine/trading/detector.ts'
import { apiRoutes } from '../../gateway/api/routes.ts'
import { mainApp, viewSources } from '../../gateway/sources.ts'
import { defineServer, type MainContext } from '../../mcp/define.ts'
import { LOOPBACK_NAMES } from '../../mcp/host/access.ts'
import { host } from '../../mcp/host/host.ts'
import type { Ports } from '../../ports/ports.ts'

const ROUNDS = 20
const VIEW_ROUNDS = 5
const SEARCH_ROUNDS = 3
const rehearsed = defineServer({
  id: 'rehearsal',
  needs: [],
  tools: ({ read }) => ({
    echo: read({
      description: 'Says what it heard.',
      input: { text: z.string(), count: z.int().default(1) },
      output: { text: z.string(), count: z.int() },
      examples: [{ text: 'a' }],
      run: (input) => input,
    }),
  }),
})

/** Asks for the views of the gateway and the page a few times, without a socket: their connections are open and their code compiled when they are needed. */
export async function rehearseViews(
  ports: Pick<Ports, 'fleet' | 'ledger' | 'chain' | 'records'>,
  context: MainContext,
): Promise<void> {
  const app = mainApp('coordination_system', context)
  apiRoutes(app, {
    access: context.access,
    sources: viewSources(ports, context),
    approvals: new Approvals(ports.records, context.now),
    mode: context.mode,
  })
  for (let round = 0; round < VIEW_ROUNDS; round++)
    await (await app.request('/status', { headers: { host: 'localhost' } })).text()
}

/** Looks for what pays in the whole market, as the detector does when it starts. */
export function rehearseSearch(market: Ports['market'], loans: Ports['loans']): void {
  const change = {
    head: market.head,
    changed: new Set(market.pools.keys()),
    logs: [],
    receivedAt: Date.now(),
  }
  for (let round = 0; round < SEARCH_ROUNDS; round++)
    new Detector({ market, loans, now: Date.now }).detect(change)
}

/** Serves a small server of the usual kind on a port of its own, asks it a few times, and closes it again. */
export async function rehearse(): Promise<void> {
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
    records: () => Promise.reject(new Error('a rehearsal shares nothing')),
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
