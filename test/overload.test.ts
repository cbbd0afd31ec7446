/** The gateway under abuse: huge and deep bodies, hostile queries, clients that dawdle, a thousand connections. Others do not notice, and it ends with the abuse. */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fleet } from './support/fleet.ts'

const fleet = new Fleet(18_000, ['--traders', 'off', '--competitors', '0', '--block-seconds', '60'])
beforeAll(async () => void (await fleet.start()))
afterAll(() => fleet.dispose())

const READS = 250
/** What a busy machine adds by itself. */
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

/** Reads of somebody who does no harm, one after the other: the slow end of how long they take, in ms. */
async function others(): Promise<{ p99: number; failed: number }> {
  const url = fleet.url(8000, '/mcp')
  const times: number[] = []
  let failed = 0
  for (let count = 0; count < READS; count++) {
    const started = performance.now()
    const response = await rpc(url, { name: 'mcp_price_feed_server__list_symbols', arguments: {} })
    if (!(await response.text()).includes('"result"')) failed++
    times.push(performance.now() - started)
    await sleep(4)
  }
  return { p99: times.sort((a, b) => a - b)[Math.floor(READS * 0.99)] as number, failed }
}

/** Others do not notice: none fails, and their slow end stays near the usual. What comes from the abuse comes every time, so a machine that is busy with something else has three tries. */
async function expectUnnoticed(usual: { readonly p99: number }) {
  const most = 2 * usual.p99 + NOISE_MS
  const seen: number[] = []
  while (seen.length < 3 && !(Math.min(...seen) < most)) {
    const { p99, failed } = await others()
    expect(failed).toBe(0)
    seen.push(p99)
  }
  expect(Math.min(...seen), `slow ends of ${seen.join(', ')} ms`).toBeLessThan(most)
}

/** Code that harms, in a thread of its own, until it is told to end. */
function attack(source: string): { end(): Promise<unknown> } {
  const worker = new Worker(`const { workerData: url } = require('node:worker_threads');\n${source}`, {
    eval: true,
    workerData: fleet.url(8000, '/mcp'),
  })
  worker.on('error', () => undefined)
  return { end: () => worker.terminate() }
}

const POST = `const post = (body, headers = {}) => fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers } }).then((r) => r.text(), () => undefined);`
const ATTACKS: Readonly<Record<string, string>> = {
  'bodies of 10 MB': `${POST} const body = 'x'.repeat(10_000_000); const go = async () => { for (;;) { await post(body); await new Promise((r) => setTimeout(r, 20)) } }; for (let i = 0; i < 4; i++) go();`,
  'JSON a hundred thousand deep': `${POST} const body = '['.repeat(100_000) + ']'.repeat(100_000); const go = async () => { for (;;) { await post(body); await new Promise((r) => setTimeout(r, 20)) } }; for (let i = 0; i < 4; i++) go();`,
  'queries made to be slow': `${POST} const query = ('a'.repeat(24) + '! ').repeat(19); const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'search_tools', arguments: { query } } }); const go = async () => { for (;;) { await post(body, { 'mcp-protocol-version': '2025-11-25' }); await new Promise((r) => setTimeout(r, 20)) } }; for (let i = 0; i < 4; i++) go();`,
}

describe('while somebody sends', () => {
  test.each(Object.entries(ATTACKS))(
    '%s, others do not notice, and it is over when that ends',
    { timeout: 60_000 },
    async (_name, source) => {
      await others()
      const usual = await others()
      const harm = attack(source)
      await sleep(500)
      await expectUnnoticed(usual)
      await harm.end()
      await sleep(1_000)
      await expectUnnoticed(usual)
      expect(usual.failed).toBe(0)
    },
  )
})

test('a thousand connections, of which half send a byte a second, keep nobody else out', {
  timeout: 60_000,
}, async () => {
  const usual = await others()
  const sockets: Socket[] = []
  const { port } = new URL(fleet.url(8000, '/'))
  for (let count = 0; count < 1_000; count++) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => undefined)
    sockets.push(socket)
    if (count % 50 === 0) await sleep(10)
  }
  const request =
    'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n'
  let sent = 0
  const dawdling = setInterval(() => {
    for (const socket of sockets.slice(0, 500))
      socket.write(request[Math.min(sent, request.length - 1)] as string)
    sent++
  }, 1_000)
  await sleep(1_000)
  await expectUnnoticed(usual)
  clearInterval(dawdling)
  for (const socket of sockets) socket.destroy()
})

test('what is too large, too deep or no JSON is refused as such', async () => {
  const post = async (body: string) => {
    const response = await fetch(fleet.url(8000, '/mcp'), {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    })
    return { status: response.status, text: await response.text() }
  }
  // Whoever sends it is still sending when it is refused: they have to hear it every time.
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
    () => 'cut off',
  )
  // One that never ends is not read for ever.
  expect([413, 'cut off']).toContain(inPieces)
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
