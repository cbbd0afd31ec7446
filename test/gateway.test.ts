/** The gateway's MCP endpoint in front of real services on real ports, with the official client in both revisions. */
import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdaptorServer } from '@hono/node-server'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { DEFAULT_BALANCING, Dispatch } from '../src/adapters/dispatch/dispatcher.ts'
import { Directory } from '../src/gateway/mcp/directory.ts'
import { type McpEndpoint, mcpEndpoint } from '../src/gateway/mcp/endpoint.ts'
import { MetaTools } from '../src/gateway/mcp/meta-tools.ts'
import { Sessions } from '../src/gateway/mcp/sessions.ts'
import { watchServer } from '../src/mcp/client.ts'
import { type AccessPolicy, hashToken, LOOPBACK_NAMES } from '../src/mcp/host/access.ts'
import { host } from '../src/mcp/host/host.ts'
import { guardedApp } from '../src/mcp/host/http-app.ts'
import type { ServiceDefinitions } from '../src/ports/definitions.ts'
import type { ServiceStatus } from '../src/ports/fleet.ts'
import { alphaState, seen, serverOf } from './support/gateway-servers.ts'
import { hostOptions } from './support/host-options.ts'
import { freePort } from './support/local-chain.ts'
import { MemoryBus } from './support/memory-bus.ts'

const access: AccessPolicy = {
  tokenHash: hashToken('right'),
  required: false,
  beyondLoopback: false,
  hostnames: LOOPBACK_NAMES,
}
/** The gateway's own policy: checks against it happen at the gateway. */
const gatewayAccess: AccessPolicy = { ...access }
const checks = vi.hoisted(() => ({ identified: [] as unknown[], authorised: [] as unknown[] }))
vi.mock('../src/mcp/host/access.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../src/mcp/host/access.ts')>()
  return {
    ...original,
    identify: (...args: Parameters<typeof original.identify>) => {
      checks.identified.push(args[0])
      return original.identify(...args)
    },
    authorize: (...args: Parameters<typeof original.authorize>) => {
      checks.authorised.push(args[0])
      original.authorize(...args)
    },
  }
})
const ports: Record<string, number> = {}
const servers = new Map<string, Server>()
const listen = (server: Server, port: number) =>
  new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))

async function open(id: string): Promise<void> {
  const service = host(serverOf(id), {} as never, hostOptions({ access, port: ports[id] as number }))
  const server = createAdaptorServer({
    fetch: (request) => {
      seen.authorization.add(request.headers.get('authorization'))
      return service.app.fetch(request)
    },
  }) as Server
  servers.set(id, server)
  await listen(server, ports[id] as number)
}

async function close(id: string): Promise<void> {
  const server = servers.get(id)
  server?.closeAllConnections()
  await new Promise((resolve) => server?.close(resolve))
}

let url = ''
let directory: Directory
let endpoint: McpEndpoint
const statuses = () =>
  ['alpha', 'beta'].map(
    (id) => ({ id, kind: 'server', pid: 1, port: ports[id], status: 'healthy' }) as unknown as ServiceStatus,
  )

beforeAll(async () => {
  for (const id of ['alpha', 'beta', 'gateway']) ports[id] = await freePort()
  await open('alpha')
  await open('beta')
  directory = new Directory({
    now: Date.now,
    fetchDefinitions: async (service) =>
      (await (await fetch(`http://127.0.0.1:${ports[service]}/definitions`)).json()) as ServiceDefinitions,
    onChange: () => undefined,
  })
  await directory.follow(statuses())
  const dispatch = new Dispatch({
    portsOf: (id) => [ports[id] as number],
    strategyOf: () => DEFAULT_BALANCING,
    now: () => performance.now(),
  })
  endpoint = mcpEndpoint({
    directory,
    meta: new MetaTools(directory),
    dispatch,
    sessions: new Sessions(new MemoryBus(), 'secret', Date.now),
    access: gatewayAccess,
    bearer: () => 'right',
    version: '1',
    timeoutMs: 10_000,
    now: Date.now,
  })
  const app = guardedApp({
    access: gatewayAccess,
    identity: {},
    readiness: () => undefined,
    hint: '',
    health: () => ({}),
    now: Date.now,
  })
  endpoint.mount(app)
  const gateway = createAdaptorServer({ fetch: app.fetch }) as Server
  servers.set('gateway', gateway)
  await listen(gateway, ports.gateway as number)
  url = `http://127.0.0.1:${ports.gateway}`
})
afterAll(async () => {
  for (const id of servers.keys()) await close(id)
})

async function connect(
  path: string,
  revision: '2026-07-28' | '2025-11-25',
  headers: Record<string, string> = {},
): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1' },
    { versionNegotiation: { mode: revision === '2026-07-28' ? { pin: revision } : 'legacy' } },
  )
  await client.connect(new StreamableHTTPClientTransport(new URL(path, url), { requestInit: { headers } }))
  return client
}

describe.each(['2026-07-28', '2025-11-25'] as const)('a client of %s', (revision) => {
  test('calls tools of several servers and receives their progress', async () => {
    const client = await connect('/mcp?tools=all', revision)
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(
      ['alpha', 'beta'].flatMap((id) => ['echo', 'count', 'change'].map((name) => `${id}__${name}`)),
    )
    expect(JSON.stringify(tools.map(({ outputSchema }) => outputSchema))).not.toContain('"description"')
    for (const id of ['alpha', 'beta'])
      expect(
        (await client.callTool({ name: `${id}__echo`, arguments: { text: 'ö' } })).structuredContent,
      ).toEqual({ text: 'ö', from: id })
    const heard: number[] = []
    const counted = await client.callTool(
      { name: 'alpha__count', arguments: { to: 4 } },
      { onprogress: ({ progress }) => heard.push(progress) },
    )
    expect(counted.structuredContent).toEqual({ counted: 4 })
    expect(heard).toEqual([1, 2, 3, 4])
    await client.close()
  })

  test('gets the refusal of a write without a token as a result', async () => {
    const client = await connect('/mcp', revision)
    const refused = await client.callTool({ name: 'alpha__change', arguments: {} })
    expect(refused).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('token-required') }],
    })
    await client.close()
  })

  test('resources, prompts and completions of all servers', async () => {
    const client = await connect('/mcp', revision)
    const { resources } = await client.listResources()
    expect(resources.map(({ uri }) => uri)).toEqual([
      'alpha://state',
      'shared://state',
      'beta://state',
      `kintsugi://beta/${encodeURIComponent('shared://state')}`,
    ])
    const read = async (uri: string) =>
      JSON.parse(((await client.readResource({ uri })).contents[0] as { text: string }).text)
    expect(await read('beta://state')).toEqual({ id: 'beta' })
    expect(await read('shared://state')).toEqual({ of: 'alpha' })
    expect(await read(resources[3]?.uri as string)).toEqual({ of: 'beta' })
    await expect(read('nobody://has')).rejects.toThrow('unknown resource')
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual([
      'alpha__greet',
      'beta__greet',
    ])
    const prompt = await client.getPrompt({ name: 'beta__greet', arguments: { who: 'Ada' } })
    expect(prompt.messages[0]?.content).toEqual({ type: 'text', text: 'Greet Ada from beta.' })
    const completed = await client.complete({
      ref: { type: 'ref/prompt', name: 'beta__greet' },
      argument: { name: 'who', value: 'a' },
    })
    expect(completed.completion.values).toEqual(['ada', 'alan'])
    await client.close()
  })

  test('lists the meta tools, and finds, describes and calls the others with them', async () => {
    const client = await connect('/mcp', revision)
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual([
      'search_tools',
      'describe_tool',
      'call_tool',
    ])
    const found = (
      await client.callTool({ name: 'search_tools', arguments: { query: 'echo a text after some time' } })
    ).structuredContent as {
      tools: { name: string; arguments: string }[]
    }
    expect(found.tools[0]).toMatchObject({
      name: 'alpha__echo',
      arguments: 'text: string, afterMs?: integer',
    })
    const described = (await client.callTool({ name: 'describe_tool', arguments: { name: 'beta__change' } }))
      .structuredContent as { _meta: unknown }
    expect(described._meta).toMatchObject({ 'kintsugi/effect': 'write' })
    const called = await client.callTool({
      name: 'call_tool',
      arguments: { name: 'beta__echo', arguments: { text: 'b' } },
    })
    expect(called.structuredContent).toEqual({ text: 'b', from: 'beta' })
    const wrong = await client.callTool({ name: 'call_tool', arguments: { name: 'beta__nothing' } })
    expect(wrong).toMatchObject({ isError: true, _meta: { 'kintsugi/error': { code: 'unknown-tool' } } })
    const bad = await client.callTool({ name: 'search_tools', arguments: { query: '' } })
    expect(bad).toMatchObject({
      isError: true,
      _meta: { 'kintsugi/error': { code: 'bad-argument', message: expect.stringContaining('query') } },
    })
    await client.close()
  })

  test('a single server is served under its own tool names', async () => {
    const client = await connect('/mcp/beta', revision)
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['echo', 'count', 'change'])
    expect((await client.callTool({ name: 'echo', arguments: { text: 'b' } })).structuredContent).toEqual({
      text: 'b',
      from: 'beta',
    })
    expect(
      (await client.getPrompt({ name: 'greet', arguments: { who: 'Ada' } })).messages[0]?.content,
    ).toMatchObject({ text: 'Greet Ada from beta.' })
    await client.close()
  })
})

test('a subscriber at the gateway is notified of changes of a resource', async () => {
  const watch = watchServer(
    { url: `http://127.0.0.1:${ports.alpha}/mcp` },
    { uris: ['alpha://state'], onUpdate: (uri) => endpoint.notify.resourceUpdated(uri) },
  )
  const client = await connect('/mcp', '2026-07-28')
  const notified: string[] = []
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    notified.push(params.uri)
  })
  await client.listen({ resourceSubscriptions: ['alpha://state'] })
  await expect
    .poll(() => {
      alphaState.notifyChange()
      return notified.length
    })
    .toBeGreaterThan(0)
  expect(new Set(notified)).toEqual(new Set(['alpha://state']))
  watch.close()
  await client.close()
})

test('a client that disconnects ends its call at the server', async () => {
  const client = await connect('/mcp', '2026-07-28')
  const before = seen.aborted
  const gone = new AbortController()
  const call = client
    .callTool({ name: 'alpha__count', arguments: { to: 100 } }, { signal: gone.signal })
    .catch((error) => error)
  await sleep(150)
  gone.abort()
  await call
  await expect.poll(() => seen.aborted).toBe(before + 1)
  await client.close()
})

const post = (body: unknown, headers: Record<string, string> = {}, path = '/mcp') =>
  fetch(new URL(path, url), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify(body),
  })
const envelope = (name: string, args: unknown = {}) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: {
    name,
    arguments: args,
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})
const modern = (name: string) => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': name,
})

const OPERATOR = { authorization: 'Bearer right' }

test('headers that contradict the body are refused', async () => {
  const right = await post(envelope('alpha__echo', { text: 'a' }), modern('alpha__echo'))
  expect(await right.json()).toMatchObject({
    id: 1,
    result: { resultType: 'complete', structuredContent: { text: 'a' } },
  })
  for (const headers of [
    { ...modern('alpha__echo'), 'mcp-name': 'alpha__change' },
    { ...modern('alpha__echo'), 'mcp-method': 'tools/list' },
    { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call' },
    { 'mcp-method': 'tools/call', 'mcp-name': 'alpha__echo' },
  ]) {
    const response = await post(envelope('alpha__echo', { text: 'a' }), headers)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code: -32020 } })
  }
})

test("a write needs the token in every form of the call, and the caller's token is never forwarded", async () => {
  const before = seen.changes
  seen.authorization.clear()
  const asked = [
    () => post(envelope('alpha__change'), modern('alpha__change')),
    () => post(envelope('call_tool', { name: 'alpha__change' }), modern('call_tool')),
    () => post(envelope('change'), modern('change'), '/mcp/alpha'),
    () =>
      post(
        { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'alpha__change', arguments: {} } },
        { 'mcp-protocol-version': '2025-11-25' },
      ),
    () =>
      post(
        [{ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'alpha__change', arguments: {} } }],
        { 'mcp-protocol-version': '2025-03-26' },
      ),
    () => post(envelope('alpha__change'), { ...modern('alpha__change'), 'mcp-name': 'alpha__echo' }),
  ]
  const statuses: number[] = []
  for (const ask of asked) {
    const response = await ask()
    statuses.push(response.status)
    // A single call is refused in its result, which the model reads.
    if (response.status === 200)
      expect(await response.json()).toMatchObject({
        result: {
          isError: true,
          content: [
            { text: expect.stringContaining('kintsugi token issue NAME --scope write:alpha__change') },
          ],
          _meta: { 'kintsugi/error': { code: 'token-required' } },
        },
      })
  }
  expect(statuses).toEqual([200, 200, 200, 200, 401, 401])
  expect(
    (await post(envelope('alpha__change'), { ...modern('alpha__change'), authorization: 'Bearer wrong' }))
      .status,
  ).toBe(401)
  expect(seen.changes).toBe(before)
  const allowed = await post(envelope('alpha__change'), {
    ...modern('alpha__change'),
    authorization: 'Bearer right',
  })
  expect(await allowed.json()).toMatchObject({ result: { structuredContent: { changes: before + 1 } } })
  // The gateway sends its own token, which is the same one in this test; a read without a token is forwarded without one.
  await post(envelope('alpha__echo', { text: 'a' }), modern('alpha__echo'))
  expect([...seen.authorization].sort()).toEqual(['Bearer right', null].sort())
})

test.each([
  ['a call', () => post(envelope('alpha__change'), { ...modern('alpha__change'), ...OPERATOR })],
  [
    'a call by the meta tool',
    () => post(envelope('call_tool', { name: 'alpha__change' }), { ...modern('call_tool'), ...OPERATOR }),
  ],
  [
    'a call at one server',
    () => post(envelope('change'), { ...modern('change'), ...OPERATOR }, '/mcp/alpha'),
  ],
  ['a call without a token', () => post(envelope('alpha__echo', { text: 'a' }), modern('alpha__echo'))],
  [
    'a call in a session of 2025',
    async () => {
      const version = { ...OPERATOR, 'mcp-protocol-version': '2025-11-25' }
      const clientInfo = { name: 't', version: '1' }
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
      const opened = await post({ jsonrpc: '2.0', id: 0, method: 'initialize', params }, version)
      const session = opened.headers.get('mcp-session-id') ?? ''
      expect(session).not.toBe('')
      checks.identified = []
      checks.authorised = []
      const call = { name: 'alpha__change', arguments: {} }
      return post(
        { jsonrpc: '2.0', id: 1, method: 'tools/call', params: call },
        { ...version, 'mcp-session-id': session },
      )
    },
  ],
])('%s is identified once and authorised once at the gateway', async (_name, call) => {
  checks.identified = []
  checks.authorised = []
  const answer = await (await call()).text()
  expect(answer).toContain('structuredContent')
  expect(checks.identified.filter((policy) => policy === gatewayAccess)).toHaveLength(1)
  expect(checks.authorised.filter((policy) => policy === gatewayAccess)).toHaveLength(1)
})

test('two hundred clients with the same request ids, delays and aborted calls: none receives the answer of another', async () => {
  let wrong = 0
  let answered = 0
  await Promise.all(
    Array.from({ length: 200 }, async (_, client) => {
      for (let round = 0; round < 20; round++) {
        const text = `${client}-${round}`
        const ends = new AbortController()
        if ((client + round) % 11 === 0) setTimeout(() => ends.abort(), 3)
        const call = post(
          envelope(client % 2 ? 'alpha__echo' : 'beta__echo', { text, afterMs: (client * 7 + round) % 9 }),
          modern(client % 2 ? 'alpha__echo' : 'beta__echo'),
        )
        const answer = (await Promise.race([
          call.then((response) => response.json()),
          new Promise((resolve) => ends.signal.addEventListener('abort', () => resolve(undefined))),
        ])) as { result?: { structuredContent?: { text: string } } } | undefined
        if (!answer) continue
        answered++
        if (answer.result?.structuredContent?.text !== text) wrong++
      }
    }),
  )
  expect(wrong).toBe(0)
  expect(answered).toBeGreaterThan(3_000)
})

test('a dead server affects neither lists nor other calls; a read of it is held until it is back', async () => {
  await close('beta')
  await directory.follow(statuses().map((status) => ({ ...status, pid: 2 })))
  const client = await connect('/mcp?tools=all', '2026-07-28')
  const listed = await client.listTools()
  expect(listed.tools).toHaveLength(6)
  expect(listed._meta?.['kintsugi/missing']).toMatchObject([{ service: 'beta' }])
  expect(
    (await client.callTool({ name: 'alpha__echo', arguments: { text: 'a' } })).structuredContent,
  ).toMatchObject({ from: 'alpha' })
  const held = client.callTool({ name: 'beta__echo', arguments: { text: 'b' } })
  await sleep(300)
  await open('beta')
  expect((await held).structuredContent).toMatchObject({ from: 'beta' })
  await client.close()
})

test("LangChain's adapter loads every tool and calls one", async () => {
  const { MultiServerMCPClient } = await import('@langchain/mcp-adapters')
  const client = new MultiServerMCPClient({
    mcpServers: { kintsugi: { transport: 'http', url: `${url}/mcp?tools=all` } },
    useStandardContentBlocks: true,
  })
  const tools = await client.getTools()
  expect(tools.map(({ name }) => name).sort()).toEqual(
    ['alpha', 'beta'].flatMap((id) => ['change', 'count', 'echo'].map((name) => `${id}__${name}`)),
  )
  const echo = tools.find(({ name }) => name === 'alpha__echo')
  expect(JSON.stringify(await echo?.invoke({ text: 'from a chain' }))).toContain('from a chain')
  await client.close()
})
