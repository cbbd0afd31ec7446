/**
 * Overhead of the gateway: the same tool of the same running service on its own port and through the gateway,
 * alternating in one run, without and with a token, and within a session; and the tool list of the whole
 * fleet. For comparison mcp-hub in front of the same service, and, for a server on stdio, mcp-proxy and
 * supergateway. The peers are installed for the run.
 * node bench/gateway.ts [calls per round, default 400] [rounds, default 6] [--no-peers]
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { Agent, request } from 'undici'
import { askSupervisor } from '../src/adapters/fleet/control-client.ts'
import { readPlan, socketPath } from '../src/processes/run/run-plan.ts'
import { Fleet } from '../test/support/fleet.ts'

const [calls = 400, rounds = 6] = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith('--'))
  .map(Number)
const agent = new Agent({ connections: 16, pipelining: 1 })
const quantile = (values: number[], q: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] as number
/** Sequential calls of one turn. */
const TURN = 20
/** Calls of a block with eight in flight. */
const BLOCK = 100
const SERVICE = 'mcp_price_feed_server'
const TOOL = 'list_symbols'

interface Door {
  readonly title: string
  readonly url: string
  readonly name: string
  readonly revision: '2026-07-28' | '2025-11-25'
  /** Headers of its session, if it has one. */
  headers?: Record<string, string>
  /** The tool's arguments. */
  given?: Record<string, unknown>
  /** The answer to a request, if answers do not come with the response. */
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
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: ++id,
      method,
      params: modern ? { ...params, _meta: meta } : params,
    }),
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': door.revision,
      ...(modern ? { 'mcp-method': method, ...(name ? { 'mcp-name': name } : {}) } : {}),
      ...door.headers,
    },
  }
}

async function ask(door: Door, method: string, params: Record<string, unknown>): Promise<string> {
  const { body, headers } = message(door, method, params)
  const answer = door.answerTo?.(id)
  const response = await request(door.url, { method: 'POST', body, headers, dispatcher: agent })
  const responseBody = await response.body.text()
  const text = answer ? await answer : responseBody
  if (response.statusCode >= 300 || !text.includes('"result"'))
    throw new Error(`${door.title} answered ${response.statusCode}: ${text.slice(0, 200)}`)
  return text
}

const call = (door: Door) => ask(door, 'tools/call', { name: door.name, arguments: door.given ?? {} })

const timed = async (door: Door): Promise<number> => {
  const at = performance.now()
  await call(door)
  return performance.now() - at
}

/** Eight calls in flight: adds their times, and returns the time of all, in ms. */
async function eightAtOnce(door: Door, times: number[]): Promise<number> {
  let left = BLOCK
  const started = performance.now()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) times.push(await timed(door))
    }),
  )
  return performance.now() - started
}

/** Opens a session of revision 2025-11-25 at a door; its later requests belong to it. */
async function beginSession(door: Door): Promise<void> {
  const { body, headers } = message(door, 'initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  })
  const response = await fetch(door.url, { method: 'POST', body, headers })
  await response.text()
  if (!response.ok) throw new Error(`${door.title} answered initialize with ${response.status}`)
  const session = response.headers.get('mcp-session-id')
  if (session) door.headers = { ...door.headers, 'mcp-session-id': session }
  const ready = { jsonrpc: '2.0', method: 'notifications/initialized' }
  const begun = await fetch(door.url, {
    method: 'POST',
    body: JSON.stringify(ready),
    headers: { ...headers, ...door.headers },
  })
  await begun.text()
}

const ENDS: (() => void)[] = []

/** Installs an npm package in a folder of its own. */
function fetched(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'kintsugi-peer-'))
  execFileSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', name], { stdio: 'ignore' })
  ENDS.push(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'node_modules')
}

/** Starts a program that serves MCP over HTTP, and opens a session with it. */
async function started(
  title: string,
  args: readonly string[],
  port: number,
  env: NodeJS.ProcessEnv = {},
): Promise<Door | undefined> {
  const child = spawn(process.execPath, args, {
    stdio: 'ignore',
    env: { ...process.env, ...env },
    detached: true,
  })
  ENDS.push(() => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL')
    } catch {
      // The process has ended.
    }
  })
  const door: Door = {
    title,
    url: `http://127.0.0.1:${port}/mcp`,
    name: 'echo',
    revision: '2025-11-25',
    given: { message: 'hello' },
  }
  for (let attempt = 0; attempt < 60; attempt++) {
    await sleep(500)
    try {
      await beginSession(door)
      await call(door)
      return door
    } catch {
      // Not yet.
    }
  }
  console.log(`${title} did not come up`)
  return undefined
}

/** The same stdio server behind each program that bridges stdio to HTTP. */
async function stdioDoors(gateway: string, token: string, bridge: string): Promise<Door[]> {
  const everything = join(
    import.meta.dirname,
    '../node_modules/@modelcontextprotocol/server-everything/dist/index.js',
  )
  const command = [process.execPath, everything, 'stdio']
  const post = async (url: string, body: object) => {
    const response = await fetch(url, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    })
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  }
  await post(`${gateway.replace(/mcp$/, '')}approvals/policy`, { tools: [] })
  await post(bridge, {
    type: 'connect_server',
    name: 'everything',
    command: command[0],
    args: command.slice(1),
  })
  await post(bridge, { type: 'approve_definition', server: 'everything', effect: 'read' })
  await sleep(3_000)
  const ours: Door = {
    title: 'ours: gateway and bridge',
    url: gateway,
    name: 'everything__echo',
    revision: '2025-11-25',
    given: { message: 'hello' },
  }
  const itself = await started('the server itself, over HTTP', [everything, 'streamableHttp'], 10_991, {
    PORT: '10991',
  })
  const proxy = await started(
    'mcp-proxy 6.7.19',
    [
      join(fetched('mcp-proxy@6.7.19'), 'mcp-proxy/dist/bin/mcp-proxy.mjs'),
      '--port',
      '10992',
      '--host',
      '127.0.0.1',
      '--',
      ...command,
    ],
    10_992,
  )
  const supergateway = await started(
    'supergateway 4.0.0',
    [
      join(fetched('supergateway@4.0.0'), 'supergateway/dist/index.js'),
      '--stdio',
      command.join(' '),
      '--outputTransport',
      'streamableHttp',
      '--stateful',
      '--port',
      '10993',
    ],
    10_993,
  )
  return [itself, ours, proxy, supergateway].filter((door) => door !== undefined)
}

/** mcp-hub uses the transport of 2024: requests by POST, answers on one event stream. */
async function hub(port: number, upstream: string): Promise<{ door: Door; end(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'kintsugi-hub-'))
  execFileSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', 'mcp-hub@4.2.1'], {
    stdio: 'ignore',
  })
  const config = join(folder, 'servers.json')
  writeFileSync(config, JSON.stringify({ mcpServers: { upstream: { url: upstream } } }))
  const child = spawn(
    process.execPath,
    [join(folder, 'node_modules/mcp-hub/dist/cli.js'), '--port', String(port), '--config', config],
    {
      stdio: 'ignore',
      env: { ...process.env, HOME: folder },
    },
  )
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
    const stream = await fetch(`${base}/mcp`, {
      headers: { accept: 'text/event-stream' },
      signal: ends.signal,
    })
    const parser = createParser({
      onEvent: ({ event, data }) => {
        if (event === 'endpoint') messages = base + data
        else if (data !== '') waiting.get((JSON.parse(data) as { id: number }).id)?.(data)
      },
    })
    for await (const chunk of stream.body as ReadableStream<Uint8Array>)
      parser.feed(Buffer.from(chunk).toString())
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
  await ask(door, 'initialize', {
    protocolVersion: '2024-11-05',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  })
  return { door, end }
}

/** Reads at 50 per second for ten seconds; a fault hits the service's process after two seconds. */
async function underFault(
  door: Door,
  control: string,
  kind: 'kill' | 'stop',
): Promise<{ sent: number; lost: number; longest: number }> {
  const times: number[] = []
  let [sent, lost] = [0, 0]
  const under: Promise<void>[] = []
  const started = performance.now()
  setTimeout(
    () => void askSupervisor(control, { op: 'inject-fault', service: SERVICE, fault: { kind } }),
    2_000,
  )
  while (performance.now() - started < 10_000) {
    sent++
    const at = performance.now()
    under.push(
      Promise.race([
        call(door),
        sleep(30_000).then(() => Promise.reject(new Error('no answer within 30 s'))),
      ]).then(
        () => void times.push(performance.now() - at),
        () => void lost++,
      ),
    )
    await sleep(20)
  }
  await Promise.all(under)
  return { sent, lost, longest: Math.max(0, ...times) }
}

const ms = (value: number) => `${value.toFixed(2)} ms`

/** Each endpoint in turn, round after round: one table. */
async function compare(doors: readonly Door[]): Promise<void> {
  for (const door of doors) for (let count = 0; count < 300; count++) await call(door)
  console.log(
    '| door | 1 in flight, median | p99 | 8 in flight, median | p99 | calls a second, whole run |\n|---|---|---|---|---|---|',
  )
  const found = new Map(
    doors.map((door) => [door, { one: [] as number[], eight: [] as number[], eightMs: 0 }]),
  )
  // A few calls at each endpoint in turn, so that all share the machine's variation and none is measured
  // cold.
  for (let round = 0; round < rounds; round++) {
    for (let count = 0; count < calls; count += TURN)
      for (const [door, { one }] of found) for (let each = 0; each < TURN; each++) one.push(await timed(door))
    for (let block = 0; block < calls / BLOCK; block++)
      for (const [door, all] of found) all.eightMs += await eightAtOnce(door, all.eight)
  }
  for (const [{ title }, { one, eight, eightMs }] of found)
    console.log(
      `| ${title} | ${ms(quantile(one, 0.5))} | ${ms(quantile(one, 0.99))} | ${ms(quantile(eight, 0.5))} | ${ms(quantile(eight, 0.99))} | ${((eight.length / eightMs) * 1_000).toFixed(0)} |`,
    )
}

// An idle fleet: no traders, no competitor, one block per minute.
const fleet = new Fleet(10_000, ['--traders', 'off', '--competitors', '0', '--block-seconds', '60'])
let peer: Awaited<ReturnType<typeof hub>> | undefined
try {
  await fleet.start(60_000)
  const { ports } = readPlan(fleet.data)
  const gateway = `http://127.0.0.1:${ports.coordination_system}/mcp`
  const direct = `http://127.0.0.1:${ports[SERVICE]}/mcp`
  const token = { authorization: `Bearer ${fleet.token}` }
  const itself = { url: direct, name: TOOL }
  const through = { url: gateway, name: `${SERVICE}__${TOOL}` }
  const doors: Door[] = [
    { title: 'the service itself, 2026-07-28', ...itself, revision: '2026-07-28' },
    { title: 'through the gateway, 2026-07-28', ...through, revision: '2026-07-28' },
    { title: 'the service itself, 2026-07-28, token', ...itself, revision: '2026-07-28', headers: token },
    { title: 'through the gateway, 2026-07-28, token', ...through, revision: '2026-07-28', headers: token },
    { title: 'the service itself, 2025-11-25', ...itself, revision: '2025-11-25' },
    { title: 'through the gateway, 2025-11-25', ...through, revision: '2025-11-25' },
  ]
  const inSession: Door = {
    title: 'through the gateway, 2025-11-25, in a session, token',
    ...through,
    revision: '2025-11-25',
    headers: token,
  }
  await beginSession(inSession)
  if (!inSession.headers?.['mcp-session-id']) throw new Error('the gateway opened no session')
  doors.push(inSession)
  if (!process.argv.includes('--no-peers')) {
    peer = await hub(10_990, direct).catch((error) => {
      console.log(`mcp-hub: ${(error as Error).message}`)
      return undefined
    })
    if (peer) doors.push(peer.door)
  }
  await sleep(5_000)
  console.log(
    `machine: ${availableParallelism()} cores, Node ${process.version}; ${SERVICE} ${TOOL}, ${calls * rounds} calls each, in turn\n`,
  )
  await compare(doors)
  const all = { ...(doors[1] as Door), url: `${gateway}?tools=all` }
  console.log('\n| door | its service | reads | lost | longest wait |\n|---|---|---|---|---|')
  for (const kind of ['kill', 'stop'] as const) {
    for (const door of [doors[1] as Door, ...(peer ? [peer.door] : [])]) {
      const { sent, lost, longest } = await underFault(door, socketPath(fleet.data, 'control'), kind)
      console.log(
        `| ${door.title} | ${kind === 'kill' ? 'killed' : 'stopped (it hangs)'} | ${sent} | ${lost} | ${longest.toFixed(0)} ms |`,
      )
      await sleep(5_000)
    }
  }
  if (!process.argv.includes('--no-peers')) {
    const behind = await stdioDoors(
      gateway,
      fleet.token,
      `http://127.0.0.1:${ports.mcp_integration_bridge}/query`,
    )
    console.log(
      `\nA server of npm that speaks stdio (server-everything, echo), behind programs that serve it over HTTP, 2025-11-25:\n`,
    )
    await compare(behind)
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
  for (const end of ENDS) end()
  await agent.close()
  await fleet.dispose()
}
