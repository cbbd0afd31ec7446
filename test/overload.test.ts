/**
 * The gateway under abuse: huge and deep bodies, slow queries, long lists, a thousand slow connections, unread responses. Other clients do not
 * notice, during the abuse and after it.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectionPool } from '../src/adapters/ledger/pool.ts'
import { postgresLedger } from '../src/adapters/ledger/postgres.ts'
import { readPlan } from '../src/processes/run/run-plan.ts'
import { ledgerUrl } from '../src/processes/wiring/database.ts'
import { Fleet } from './support/fleet.ts'
import { World } from './support/world/world.ts'

const fleet = new Fleet(18_000, ['--traders', 'off', '--competitors', '0', '--block-seconds', '60'])
beforeAll(async () => {
  await fleet.start()
  await recordDecisions(2_000)
})
afterAll(() => fleet.dispose())

/** Records decisions for the lists of the API. */
async function recordDecisions(count: number): Promise<void> {
  const pool = connectionPool(ledgerUrl(readPlan(fleet.data)), 1, () => undefined)
  const record = await new World().decide()
  await postgresLedger({ pool, batchSize: 100 }).recordDecisions(
    Array.from({ length: count }, (_, index) => ({ ...record, id: `opp_${index}`, decidedAt: index })),
  )
  await pool.end()
}

/** Reads of one measurement. */
const READS = 150
/** Pairs of a measurement with abuse and one without. */
const PAIRS = 5
const BASELINE_ROUNDS = 3
/** What the gateway may hold for clients that do not read, with the garbage of serving them. */
const MAX_GROWTH_MIB = 100
/** The latency that a busy machine adds by itself. */
const NOISE_MS = 50

const rpc = (url: string, params: Record<string, unknown>, signal = AbortSignal.timeout(10_000)) =>
  fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    signal,
  })

/** The p99 latency in ms of another client's reads, one after the other. None of them may fail. */
async function measure(): Promise<number> {
  const url = fleet.url(8000, '/mcp')
  const times: number[] = []
  for (let count = 0; count < READS; count++) {
    const started = performance.now()
    const response = await rpc(url, { name: 'mcp_price_feed_server__list_symbols', arguments: {} })
    expect(await response.text()).toContain('"result"')
    times.push(performance.now() - started)
    await sleep(4)
  }
  return times.sort((a, b) => a - b)[Math.floor(READS * 0.99)] as number
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number

/** Whether latencies stay near those of a reference, all in ms. Medians: noise may spoil fewer than half of the rounds, abuse may not spoil more. */
const isNear = (values: readonly number[], reference: readonly number[]): boolean =>
  median(values) < 2 * median(reference) + NOISE_MS

/**
 * Alternates rounds with and without abuse. With abuse, latency stays near that of the round after it; without, near that from before any
 * abuse, so that lasting damage does not hide behind itself.
 */
async function expectUnnoticed(start: () => Promise<() => unknown>): Promise<void> {
  await measure()
  const [before, during, after]: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < BASELINE_ROUNDS; round++) before.push(await measure())
  for (let pair = 0; pair < PAIRS; pair++) {
    const stop = await start()
    await sleep(500)
    during.push(await measure())
    await stop()
    await sleep(500)
    after.push(await measure())
  }
  const shown = (values: number[]) => values.map((value) => value.toFixed(1)).join(', ')
  const seen = `p99 in ms: before ${shown(before)}; during ${shown(during)}; after ${shown(after)}`
  console.info(seen)
  expect(isNear(during, after), seen).toBe(true)
  expect(isNear(after, before), seen).toBe(true)
}

test('latency that suffers in most rounds is noticed, in fewer it is noise', () => {
  const quiet = [5, 6, 5, 90, 5]
  expect(isNear([9, 300, 8, 7, 200], quiet)).toBe(true)
  expect(isNear([9, 300, 250, 7, 200], quiet)).toBe(false)
  // Two rounds of three are most of them.
  expect(isNear([6, 200, 200], [5, 5, 5])).toBe(false)
  expect(isNear([6, 6, 200], [5, 5, 5])).toBe(true)
})

/** Runs an attack in a thread of its own. Returns how to stop it. */
async function attack(source: string): Promise<() => unknown> {
  const worker = new Worker(`const { workerData: url } = require('node:worker_threads');\n${source}`, {
    eval: true,
    workerData: fleet.url(8000, '/mcp'),
  })
  worker.on('error', () => undefined)
  return () => worker.terminate()
}

/** Opens a thousand connections; half of them send a byte of a request per second. Returns how to close them. */
async function slowConnections(): Promise<() => unknown> {
  const { port } = new URL(fleet.url(8000, '/'))
  const sockets: Socket[] = []
  for (let count = 0; count < 1_000; count++) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => undefined)
    sockets.push(socket)
    if (count % 50 === 0) await sleep(10)
  }
  const request =
    'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n'
  let sent = 0
  const timer = setInterval(() => {
    for (const socket of sockets.slice(0, 500))
      socket.write(request[Math.min(sent, request.length - 1)] as string)
    sent++
  }, 1_000)
  return () => {
    clearInterval(timer)
    for (const socket of sockets) socket.destroy()
  }
}

const POST = `const post = (body, headers = {}) => fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers } }).then((r) => r.text(), () => undefined);`
const ATTACKS: Readonly<Record<string, string>> = {
  'bodies of 10 MB': `${POST} const body = 'x'.repeat(10_000_000); const go = async () => { for (;;) { await post(body); await new Promise((r) => setTimeout(r, 20)) } }; for (let i = 0; i < 4; i++) go();`,
  'JSON bodies a hundred thousand levels deep': `${POST} const body = '['.repeat(100_000) + ']'.repeat(100_000); const go = async () => { for (;;) { await post(body); await new Promise((r) => setTimeout(r, 20)) } }; for (let i = 0; i < 4; i++) go();`,
  'searches built to be slow': `${POST} const query = ('a'.repeat(24) + '! ').repeat(19); const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'search_tools', arguments: { query } } }); const go = async () => { for (;;) { await post(body, { 'mcp-protocol-version': '2025-11-25' }); await new Promise((r) => setTimeout(r, 20)) } }; for (let i = 0; i < 4; i++) go();`,
}

/** Six clients that read decisions without a pause. */
const PARALLEL = `const list = url.replace('/mcp', '/opportunities?limit=100'); const go = async () => { for (;;) await fetch(list).then((r) => r.text(), () => undefined) }; for (let i = 0; i < 6; i++) go();`
/** The time that half of the requests for `/health` may take meanwhile, in ms, on a machine that is busy with more. */
const MAX_HEALTH_MS = 250

test('six clients that read decisions without a pause do not delay the health of the gateway', {
  timeout: 60_000,
}, async () => {
  const stop = await attack(PARALLEL)
  const times: number[] = []
  for (let count = 0; count < 100; count++) {
    const started = performance.now()
    expect((await fetch(fleet.url(8000, '/health'))).status).toBe(200)
    times.push(performance.now() - started)
    await sleep(50)
  }
  await stop()
  console.info(`/health in ms: median ${median(times).toFixed(1)}, longest ${Math.max(...times).toFixed(1)}`)
  expect(median(times)).toBeLessThan(MAX_HEALTH_MS)
})

/** Sends many requests on each of many connections and reads none of the responses. Returns the connections. */
async function unreadResponses(connections: number, each: number): Promise<Socket[]> {
  const { port } = new URL(fleet.url(8000, '/'))
  const request = 'GET /opportunities?limit=100 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
  return Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(Number(port), '127.0.0.1').pause()
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(request.repeat(each))
      return socket
    }),
  )
}

test('200 connections whose responses are not read leave the memory of the gateway bounded', {
  timeout: 60_000,
}, async () => {
  const pid = (await fleet.status()).main.coordination_system?.pid
  const residentMib = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024
  const before = residentMib()
  const sockets = await unreadResponses(200, 50)
  let most = before
  for (let count = 0; count < 100; count++) {
    most = Math.max(most, residentMib())
    expect((await fetch(fleet.url(8000, '/health'))).status).toBe(200)
    await sleep(100)
  }
  console.info(`memory of the gateway in MiB: ${before.toFixed(0)} before, ${most.toFixed(0)} at most`)
  for (const socket of sockets) socket.destroy()
  expect(most - before).toBeLessThan(MAX_GROWTH_MIB)
  await fleet.until(
    'reads are served again',
    async () => (await fetch(fleet.url(8000, '/opportunities?limit=100'))).ok,
  )
})

test.each(Object.entries(ATTACKS))(
  '%s do not slow down other clients',
  { timeout: 120_000 },
  (_name, source) => expectUnnoticed(() => attack(source)),
)

test(
  'a thousand connections, half of them sending a byte per second, do not slow down other clients',
  {
    timeout: 120_000,
  },
  () => expectUnnoticed(slowConnections),
)

test('a body that is too large, too deep or not JSON is refused as such', async () => {
  const post = async (body: string) => {
    const response = await fetch(fleet.url(8000, '/mcp'), {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    })
    return { status: response.status, text: await response.text() }
  }
  // The client still sends when it is refused; it has to receive the refusal every time.
  const large = 'x'.repeat(10_000_000)
  for (let round = 0; round < 30; round++)
    expect(await post(large)).toMatchObject({ status: 413, text: expect.stringContaining('larger than') })
  const pieces = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
  })
  const begun = Date.now()
  const inPieces = await fetch(fleet.url(8000, '/mcp'), {
    method: 'POST',
    body: pieces,
    duplex: 'half',
  } as RequestInit).then(
    ({ status }) => status,
    () => 'disconnected',
  )
  // A body without an end is not read forever.
  expect([413, 'disconnected']).toContain(inPieces)
  expect(Date.now() - begun).toBeLessThan(8_000)
  for (const body of [
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
    'nonsense',
    '{"jsonrpc":',
  ]) {
    const { status, text } = await post(body)
    expect(status).toBe(400)
    expect(text).toContain('"error"')
  }
})
