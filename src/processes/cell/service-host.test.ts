/** Hosting: the answers of a service while it starts, waits, runs and ends, over real sockets. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { type AnyDefinition, defineAgent, defineMain, defineServer } from '../../mcp/define.ts'
import { LOOPBACK_NAMES } from '../../mcp/host/access.ts'
import type { PortName } from '../../ports/ports.ts'
import { ServiceHost } from './service-host.ts'

const SERVER = 'mcp_monitoring_server'
const AGENT = 'self_healing_agent'
const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
const needs = ['metrics'] as const
const hosts: ServiceHost[] = []
afterEach(() => Promise.all(hosts.splice(0).map((host) => host.release(() => undefined))))

const server = (
  more: { singleton?: boolean; state?: () => { stop?(): void; unready?(): string | undefined } } = {},
) =>
  defineServer({
    id: SERVER,
    needs,
    ...more,
    tools: ({ read }) => ({
      echo: read({
        description: 'Echoes its input.',
        input: { text: z.string() },
        output: { text: z.string() },
        examples: [{ text: 'a' }],
        run: ({ text }) => {
          if (text === 'fail') throw new Error('broken')
          return { text }
        },
      }),
    }),
  })

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  return port
}

/** A cell whose port `metrics` opens when the test says so. */
async function newCell(definition: AnyDefinition, { requestTimeoutMs = 2_000, open = true } = {}) {
  const port = await freePort()
  const metrics = Promise.withResolvers<unknown>()
  if (open) metrics.resolve({})
  const running: string[] = []
  const ports = {
    open: vi.fn(() => metrics.promise as Promise<never>),
    outageOf: () => undefined,
    waiting: new Map<PortName, string>(),
    confirmMarket: vi.fn(async () => undefined),
    pace: { urgent: false, standby: true, overloaded: false },
  }
  const delayed = vi.fn()
  const host = new ServiceHost({
    load: async () => definition,
    ports,
    bindHost: '127.0.0.1',
    tcpPortOf: () => port,
    requestTimeoutMs,
    contextOf: () => ({ now: Date.now, log, mode: 'local', lease: 1, overloaded: () => false }),
    mainContext: (_context, readiness) => ({ readiness }) as never,
    callRecord: {
      begin: (service, tool) => void running.push(`+${service} ${tool}`),
      end: (service) => void running.push(`-${service}`),
    },
    delay: async (work) => {
      delayed()
      return work()
    },
    drainTiming: { lingerMs: 1, drainMs: 500, sweepMs: 1 },
    host: {
      version: '0',
      access: {
        tokenHash: undefined,
        required: false,
        beyondLoopback: false,
        hostnames: LOOPBACK_NAMES,
      },
      maxConcurrent: 10,
      loopDelayMs: () => 0,
      timeoutMs: requestTimeoutMs,
      now: Date.now,
      records: () => Promise.reject(new Error('no records in this test')),
    },
  })
  const base = `http://127.0.0.1:${port}`
  const headers = { 'content-type': 'application/json', connection: 'close' }
  hosts.push(host)
  return {
    host,
    ports,
    running,
    delayed,
    openPorts: () => metrics.resolve({}),
    get: (path: string) => fetch(`${base}${path}`, { headers }),
    echo: (text: string) =>
      fetch(`${base}/query`, { method: 'POST', headers, body: JSON.stringify({ type: 'echo', text }) }),
    open: (hold = false) => host.open({ id: definition.id, fd: null }, hold),
  }
}
const refused = (request: Promise<unknown>) =>
  request.then(
    () => 'answered',
    (error) => (error.cause as NodeJS.ErrnoException).code,
  )

test('a service that waits for a port is alive, not ready, and says why; a call waits for it', async () => {
  const cell = await newCell(server(), { open: false })
  cell.ports.waiting.set('metrics', 'the metrics are unavailable')
  const opening = cell.open()
  await vi.waitFor(async () => expect((await cell.get('/health')).status).toBe(200))
  expect(await (await cell.get('/health')).json()).toMatchObject({ service: SERVER, starting: true })
  const ready = await cell.get('/ready')
  expect([ready.status, await ready.json()]).toEqual([
    503,
    { ready: false, reason: 'the metrics are unavailable', service: SERVER },
  ])
  expect(await cell.host.health()).toEqual([
    { id: SERVER, ready: false, reason: 'the metrics are unavailable' },
  ])
  const waiting = cell.echo('hello')
  cell.openPorts()
  await opening
  const answer = await waiting
  expect([answer.status, JSON.stringify(await answer.json())]).toEqual([
    200,
    expect.stringContaining('"hello"'),
  ])
  expect(await cell.host.health()).toEqual([{ id: SERVER, ready: true }])
  expect(cell.ports.confirmMarket).toHaveBeenCalledTimes(1)
})

test('a server whose state lacks something says so at /ready until it is there', async () => {
  let missing: string | undefined = 'the prices are not known yet'
  const cell = await newCell(server({ state: () => ({ unready: () => missing }) }))
  await cell.open()
  const ready = async () => {
    const answer = await cell.get('/ready')
    return [answer.status, ((await answer.json()) as { reason?: string }).reason]
  }
  expect(await ready()).toEqual([503, 'the prices are not known yet'])
  expect(await cell.host.health()).toMatchObject([{ ready: false, reason: 'the prices are not known yet' }])
  missing = undefined
  expect(await ready()).toEqual([200, undefined])
})

test('a call to a service that does not start in time gets 503', async () => {
  const cell = await newCell(server(), { open: false, requestTimeoutMs: 50 })
  void cell.open()
  await vi.waitFor(async () => expect((await cell.get('/health')).status).toBe(200))
  const answer = await cell.echo('hello')
  expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toEqual([
    503,
    '1',
    { error: { code: 'service-unreachable', message: `${SERVER} is starting: starting`, retry: 'later' } },
  ])
})

test('a service logs when it starts, is ready and has stopped', async () => {
  const cell = await newCell(server())
  log.info.mockClear()
  await cell.open()
  await cell.host.release(() => undefined)
  expect(log.info.mock.calls.map(([, message]) => message)).toEqual(['started', 'ready', 'stopped'])
  expect(log.info.mock.calls.map(([fields]) => fields)).toEqual([
    { port: expect.any(Number) },
    { afterMs: expect.any(Number) },
    {},
  ])
})

test('calls are counted for the vitals and kept in the record of calls in flight', async () => {
  const cell = await newCell(server())
  await cell.open()
  await cell.echo('a')
  await cell.echo('fail')
  expect(cell.host.calls()[SERVER]).toMatchObject({ calls: 2, errors: 1, running: 0 })
  expect(cell.running).toEqual([`+${SERVER} echo`, `-${SERVER}`, `+${SERVER} echo`, `-${SERVER}`])
})

test('a held singleton listens only after its predecessor has stopped, with its ports already open', async () => {
  const cell = await newCell(server({ singleton: true }))
  const opening = cell.open(true)
  await vi.waitFor(() => expect(cell.ports.open).toHaveBeenCalled())
  expect(await refused(cell.get('/health'))).toBe('ECONNREFUSED')
  expect(await cell.host.health()).toEqual([
    { id: SERVER, ready: false, held: true, reason: 'waits for its predecessor' },
  ])
  cell.host.begin()
  await opening
  expect((await cell.get('/ready')).status).toBe(200)
})

test('a server that is no singleton overlaps with its predecessor: it listens at once', async () => {
  const cell = await newCell(server())
  await cell.open(true)
  expect((await cell.get('/ready')).status).toBe(200)
})

test('a release stops accepting, ends the background work, reports, and only then drains', async () => {
  const events: string[] = []
  const cell = await newCell(server({ state: () => ({ stop: () => void events.push('stopped') }) }))
  await cell.open()
  await cell.host.release(async () => {
    events.push(`released: ${await refused(cell.get('/health'))}`)
  })
  expect(events).toEqual(['stopped', 'released: ECONNREFUSED'])
  expect(cell.host.size).toBe(0)
})

test('a release of other services does not affect a service', async () => {
  const cell = await newCell(server())
  await cell.open()
  await cell.host.release(() => undefined, ['another'])
  expect([cell.host.size, (await cell.get('/ready')).status]).toEqual([1, 200])
})

test('an agent drains before it stops, and an urgent one reads blocks without delay', async () => {
  const events: string[] = []
  const agent = defineAgent({
    id: AGENT,
    needs,
    duty: 'test',
    urgent: true,
    tools: () => ({}),
    start: async () => ({
      decisions: () => [],
      state: () => ({}),
      drain: async () => void events.push('drained'),
      stop: () => void events.push('stopped'),
    }),
  })
  const cell = await newCell(agent)
  await cell.open()
  expect(cell.ports.pace).toEqual({ urgent: true, standby: false, overloaded: false })
  await cell.host.release(() => undefined)
  expect(events).toEqual(['drained', 'stopped'])
})

test('a main service answers by itself, with injected delays, and is ready when it says so', async () => {
  let unready: string | undefined = 'collecting'
  const main = defineMain({
    id: 'dashboard',
    needs,
    start: async () => ({
      app: { fetch: () => new Response('main') },
      unready: () => unready,
      stop: () => undefined,
    }),
  })
  const cell = await newCell(main)
  await cell.open()
  expect(await (await cell.get('/')).text()).toBe('main')
  expect(cell.delayed).toHaveBeenCalled()
  expect(await cell.host.health()).toEqual([{ id: 'dashboard', ready: false, reason: 'collecting' }])
  unready = undefined
  expect(await cell.host.isReady()).toBe(true)
})

test('a service whose start fails rejects and stays not ready', async () => {
  const cell = await newCell(
    server({
      state: () => {
        throw new Error('no start')
      },
    }),
  )
  await expect(cell.open()).rejects.toThrow('no start')
  expect(await cell.host.isReady()).toBe(false)
})

test('an instance also listens on a port of its own', async () => {
  const cell = await newCell(server())
  const port = await freePort()
  await cell.host.open({ id: SERVER, fd: null, port }, false)
  expect((await fetch(`http://127.0.0.1:${port}/ready`, { headers: { connection: 'close' } })).status).toBe(
    200,
  )
})

test('the port of a quarantined service answers 503 with the reason', async () => {
  const cell = await newCell(server())
  await cell.host.standIn([{ id: SERVER, fd: null }], 'it crashed ten times')
  const answer = await cell.get('/ready')
  expect([answer.status, await answer.json()]).toEqual([
    503,
    {
      error: {
        code: 'service-unreachable',
        message: `${SERVER} is quarantined: it crashed ten times`,
        retry: 'later',
        hint: `npx kintsugi restart ${SERVER}, or see npx kintsugi logs ${SERVER}`,
      },
    },
  ])
})
