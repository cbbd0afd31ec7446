/**
 * What the gateway adds: the very same tool of the very same running service, asked on its own port and through the gateway, in turn, in one
 * run; and the list of the whole fleet. Beside them mcp-hub before the same service, fetched for the occasion.
 * node bench/gateway.ts [calls per round, default 400] [rounds, default 6] [--no-peers]
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { Agent, request } from 'undici'
import { askSupervisor } from '../src/adapters/fleet/control.ts'
import { readPlan, socketPath } from '../src/processes/run-plan.ts'
import { Fleet } from '../test/support/fleet.ts'

const [calls = 400, rounds = 6] = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith('--'))
  .map(Number)
const agent = new Agent({ connections: 16, pipelining: 1 })
const quantile = (values: number[], q: number) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] as number
const SERVICE = 'mcp_price_feed_server'
const TOOL = 'list_symbols'

interface Door {
  readonly title: string
  readonly url: string
  readonly name: string
  readonly revision: '2026-07-28' | '2025-11-25'
  /** Where answers do not come with the response: the one to a request. */
  answerTo?(id: number): Promise<string>
}

let id = 0
function message(door: Door, method: string, params: Record<string, unknown>) {
  const modern = door.revision === '2026-07-28'
  const meta = {
    'io.modelcontextprotocol/protocolVersion': door.revision,
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const name = params.name as string | undefined
  return {
    body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params: modern ? { ...params, _meta: meta } : params }),
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': door.revision,
      ...(modern ? { 'mcp-method': method, ...(name ? { 'mcp-name': name } : {}) } : {}),
    },
  }
}

async function ask(door: Door, method: string, params: Record<string, unknown>): Promise<string> {
  const { body, headers } = message(door, method, params)
  const answer = door.answerTo?.(id)
  const response = await request(door.url, { method: 'POST', body, headers, dispatcher: agent })
  const said = await response.body.text()
  const text = answer ? await answer : said
  if (response.statusCode >= 300 || !text.includes('"result"')) throw new Error(`${door.title} answered ${response.statusCode}: ${text.slice(0, 200)}`)
  return text
}

const call = (door: Door) => ask(door, 'tools/call', { name: door.name, arguments: {} })

/** Times of calls, in ms, with so many in flight, and how many a second that makes. */
async function measure(door: Door, inFlight: number): Promise<{ times: number[]; perSecond: number }> {
  const times: number[] = []
  let left = calls
  const started = performance.now()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left-- > 0) {
        const at = performance.now()
        await call(door)
        times.push(performance.now() - at)
      }
    }),
  )
  return { times, perSecond: (calls / (performance.now() - started)) * 1_000 }
}

/** mcp-hub speaks the transport of 2024: requests are posted, answers come on one stream of events. */
async function hub(port: number, upstream: string): Promise<{ door: Door; end(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'kintsugi-hub-'))
  execFileSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', 'mcp-hub@4.2.1'], { stdio: 'ignore' })
  const config = join(folder, 'servers.json')
  writeFileSync(config, JSON.stringify({ mcpServers: { upstream: { url: upstream } } }))
  const child = spawn(process.execPath, [join(folder, 'node_modules/mcp-hub/dist/cli.js'), '--port', String(port), '--config', config], {
    stdio: 'ignore',
    env: { ...process.env, HOME: folder },
  })
  const ends = new AbortController()
  const end = () => {
    ends.abort()
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  const waiting = new Map<number, (text: string) => void>()
  const base = `http://127.0.0.1:${port}`
  let messages: string | undefined
  const listen = async () => {
    const stream = await fetch(`${base}/mcp`, { headers: { accept: 'text/event-stream' }, signal: ends.signal })
    const parser = createParser({
      onEvent: ({ event, data }) => {
        if (event === 'endpoint') messages = base + data
        else if (data !== '') waiting.get((JSON.parse(data) as { id: number }).id)?.(data)
      },
    })
    for await (const chunk of stream.body as ReadableStream<Uint8Array>) parser.feed(Buffer.from(chunk).toString())
  }
  for (let attempt = 0; attempt < 100 && messages === undefined; attempt++) {
    void listen().catch(() => undefined)
    await sleep(500)
  }
  if (messages === undefined) {
    end()
    throw new Error('mcp-hub did not come up')
  }
  const door: Door = {
    title: 'through mcp-hub 4.2.1, 2024-11-05',
    url: messages,
    name: `upstream__${TOOL}`,
    revision: '2025-11-25',
    answerTo: (id) => new Promise((resolve) => waiting.set(id, resolve)),
  }
  await ask(door, 'initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'bench', version: '1' } })
  return { door, end }
}

/** Reads at 50 a second for ten seconds, the service's process harmed after two of them. */
async function through(door: Door, control: string, kind: 'kill' | 'stop'): Promise<{ sent: number; lost: number; longest: number }> {
  const times: number[] = []
  let [sent, lost] = [0, 0]
  const under: Promise<void>[] = []
  const started = performance.now()
  setTimeout(() => void askSupervisor(control, { op: 'harm', service: SERVICE, harm: { kind } }), 2_000)
  while (performance.now() - started < 10_000) {
    sent++
    const at = performance.now()
    under.push(
      Promise.race([call(door), sleep(30_000).then(() => Promise.reject(new Error('no answer within 30 s')))]).then(
        () => void times.push(performance.now() - at),
        () => void lost++,
      ),
    )
    await sleep(20)
  }
  await Promise.all(under)
  return { sent, lost, longest: Math.max(0, ...times) }
}

// The fleet stands still but for what is asked of it: no traders, no competitor, a block a minute.
const fleet = new Fleet(10_000, ['--traders', 'off', '--competitors', '0', '--block-seconds', '60'])
let peer: Awaited<ReturnType<typeof hub>> | undefined
try {
  await fleet.start(60_000)
  const { ports } = readPlan(fleet.data)
  const gateway = `http://127.0.0.1:${ports.coordination_system}/mcp`
  const direct = `http://127.0.0.1:${ports[SERVICE]}/mcp`
  const doors: Door[] = [
    { title: 'the service itself, 2026-07-28', url: direct, name: TOOL, revision: '2026-07-28' },
    { title: 'through the gateway, 2026-07-28', url: gateway, name: `${SERVICE}__${TOOL}`, revision: '2026-07-28' },
    { title: 'the service itself, 2025-11-25', url: direct, name: TOOL, revision: '2025-11-25' },
    { title: 'through the gateway, 2025-11-25', url: gateway, name: `${SERVICE}__${TOOL}`, revision: '2025-11-25' },
  ]
  if (!process.argv.includes('--no-peers')) {
    peer = await hub(10_990, direct).catch((error) => {
      console.log(`mcp-hub: ${(error as Error).message}`)
      return undefined
    })
    if (peer) doors.push(peer.door)
  }
  await sleep(5_000)
  console.log(`machine: ${availableParallelism()} cores, Node ${process.version}; ${SERVICE} ${TOOL}, ${calls * rounds} calls each, in turn\n`)
  for (const door of doors) for (let count = 0; count < 300; count++) await call(door)
  console.log('| door | 1 in flight, median | p99 | 8 in flight, median | p99 | calls a second |\n|---|---|---|---|---|---|')
  const found = new Map(doors.map((door) => [door, { one: [] as number[], eight: [] as number[], perSecond: [] as number[] }]))
  for (let round = 0; round < rounds; round++) {
    for (const [door, all] of found) {
      all.one.push(...(await measure(door, 1)).times)
      const { times, perSecond } = await measure(door, 8)
      all.eight.push(...times)
      all.perSecond.push(perSecond)
    }
  }
  const ms = (value: number) => `${value.toFixed(2)} ms`
  for (const [{ title }, { one, eight, perSecond }] of found)
    console.log(
      `| ${title} | ${ms(quantile(one, 0.5))} | ${ms(quantile(one, 0.99))} | ${ms(quantile(eight, 0.5))} | ${ms(quantile(eight, 0.99))} | ${quantile(perSecond, 0.5).toFixed(0)} |`,
    )
  const all = { ...(doors[1] as Door), url: `${gateway}?tools=all` }
  console.log('\n| door | its service | reads | lost | longest wait |\n|---|---|---|---|---|')
  for (const kind of ['kill', 'stop'] as const) {
    for (const door of [doors[1] as Door, ...(peer ? [peer.door] : [])]) {
      const { sent, lost, longest } = await through(door, socketPath(fleet.data, 'control'), kind)
      console.log(`| ${door.title} | ${kind === 'kill' ? 'killed' : 'stopped (it hangs)'} | ${sent} | ${lost} | ${longest.toFixed(0)} ms |`)
      await sleep(5_000)
    }
  }
  const listed: number[] = []
  let size = 0
  for (let count = 0; count < 50; count++) {
    const at = performance.now()
    size = (await ask(all, 'tools/list', {})).length
    listed.push(performance.now() - at)
  }
  console.log(
    `\ntools/list of the whole fleet: ${ms(quantile(listed, 0.5))} (median of 50), ${(size / 1_000).toFixed(0)} kB; by default ${(await ask(doors[1] as Door, 'tools/list', {})).length} bytes`,
  )
} finally {
  peer?.end()
  await agent.close()
  await fleet.dispose()
}
