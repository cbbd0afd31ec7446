/** The single endpoint as a user sees it: clients with their own configurations, stdio, the REST API, connected servers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectMcp } from '../src/mcp/client.ts'
import { cli, Fleet, kintsugi } from './support/fleet.ts'

const fleet = new Fleet(12_000, ['--block-seconds', '1'])
beforeAll(async () => void (await fleet.start()))
afterAll(() => fleet.dispose())

describe('one endpoint for everything', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kintsugi-clients-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Connects as a client does with its configuration: starts the command, or opens the address. */
  async function connectAs(name: string, key: string, revision: 'pin' | 'legacy'): Promise<Client> {
    const file = join(folder, `${name}.json`)
    const outcome = await kintsugi(['connect', name, '--file', file, '--data', fleet.data])
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 })
    const entry = JSON.parse(readFileSync(file, 'utf8'))[key].kintsugi
    const client = new Client(
      { name, version: '1' },
      { versionNegotiation: { mode: revision === 'pin' ? { pin: '2026-07-28' } : 'legacy' } },
    )
    const transport = entry.url
      ? new StreamableHTTPClientTransport(new URL(entry.url))
      : new StdioClientTransport({ command: entry.command, args: entry.args, stderr: 'ignore' })
    await client.connect(transport)
    return client
  }

  test.each([
    ['claude', 'mcpServers'],
    ['claude-code', 'mcpServers'],
    ['cursor', 'mcpServers'],
    ['vscode', 'servers'],
  ])('%s connects with its own configuration and uses the fleet in both revisions', async (name, key) => {
    for (const revision of ['pin', 'legacy'] as const) {
      const client = await connectAs(name, key, revision)
      expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual([
        'search_tools',
        'describe_tool',
        'call_tool',
      ])
      const found = (
        await client.callTool({ name: 'search_tools', arguments: { query: 'what is ETH worth right now' } })
      ).structuredContent as { tools: { name: string }[] }
      expect(found.tools.map((tool) => tool.name)).toContain('mcp_price_feed_server__price_query')
      const called = await client.callTool({
        name: 'call_tool',
        arguments: { name: 'mcp_price_feed_server__price_query', arguments: { symbol: 'ETH' } },
      })
      expect((called.structuredContent as { price: number }).price).toBeGreaterThan(2_000)
      expect((await client.listResources()).resources.length).toBeGreaterThan(0)
      await client.close()
    }
  })

  test('the content of a configuration is kept, comments included; a file that is not JSON is not changed', async () => {
    const file = join(folder, 'mine.json')
    writeFileSync(
      file,
      '{\n  // my own\n  "theme": "dark",\n  "mcpServers": { "other": { "command": "x" }, },\n}\n',
    )
    expect(
      (await kintsugi(['connect', 'cursor', '--file', file, '--data', fleet.data, '--profile', 'trading']))
        .code,
    ).toBe(0)
    const text = readFileSync(file, 'utf8')
    for (const part of ['// my own', '"theme": "dark"', '"other"', `${12_000 + 8_000}/mcp?profile=trading`])
      expect(text).toContain(part)
    expect(text).not.toContain(fleet.token.trim())
    writeFileSync(file, '{ "mcpServers": ')
    const refused = await kintsugi(['connect', 'cursor', '--file', file, '--data', fleet.data])
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing was changed') })
    expect(readFileSync(file, 'utf8')).toBe('{ "mcpServers": ')
  })

  test('a token of the command line allows what its scopes name, at the gateway and at a service, until it is revoked', async () => {
    const token = async (...args: string[]) =>
      JSON.parse((await kintsugi(['token', ...args, '--data', fleet.data, '--json'])).stdout)
    const { token: narrow, grant } = await token(
      'issue',
      'ci',
      '--scope',
      'write:mcp_coordinator_server',
      '--hours',
      '1',
    )
    const bearer = { authorization: `Bearer ${narrow}` }
    const cancel = { type: 'cancel_task', id: 'none' }
    expect((await fleet.query(8077, cancel, bearer)).status).toBe(404)
    expect((await fleet.query(8098, { type: 'stop_server', service: 'dashboard' }, bearer)).status).toBe(403)
    const client = new Client(
      { name: 'test', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    )
    await client.connect(
      new StreamableHTTPClientTransport(new URL(fleet.url(8000, '/mcp')), {
        requestInit: { headers: bearer },
      }),
    )
    expect(
      await client.callTool({ name: 'mcp_coordinator_server__cancel_task', arguments: { id: 'none' } }),
    ).toMatchObject({
      isError: true,
      _meta: { 'kintsugi/error': { code: 'not-found' } },
    })
    expect(
      await client.callTool({ name: 'mcp_server_manager__stop_server', arguments: { service: 'dashboard' } }),
    ).toMatchObject({
      isError: true,
      _meta: { 'kintsugi/error': { code: 'insufficient-scope' } },
    })
    // No token grants more than its issuer holds.
    expect(
      (await fleet.query(8074, { type: 'issue_token', subject: 'eve', role: 'admin' }, bearer)).status,
    ).toBe(403)
    expect((await token('list')).find((each: { id: string }) => each.id === grant.id)).toMatchObject({
      subject: 'ci',
      state: 'valid',
    })
    await token('revoke', grant.id)
    await fleet.until(
      'it is refused',
      async () => (await fleet.query(8077, cancel, bearer)).status === 401,
      3_000,
    )
    await client.close().catch(() => undefined)
  })
})

test('servers that only test the protocol are listed and found on request only; a misspelt tool is answered with a suggestion', async () => {
  const tested = (names: string[]) => names.filter((name) => name.startsWith('mcp_server_base__'))
  const listed = async (path: string) => {
    const client = await connectMcp({ url: fleet.url(8000, path), token: fleet.token })
    const names = (await client.listTools()).map(({ name }) => name)
    await client.close()
    return names
  }
  const all = await listed('/mcp?tools=all')
  const withTest = await listed('/mcp?tools=all&include=test')
  expect([tested(all).length, all.length > 50]).toEqual([0, true])
  expect(withTest.length - all.length).toBe(tested(withTest).length)
  expect(tested(withTest).length).toBeGreaterThan(10)
  const client = await connectMcp({ url: fleet.url(8000, '/mcp'), token: fleet.token })
  const found = (await client.callTool('search_tools', { query: 'test simple text tool', limit: 20 })) as {
    tools: { name: string }[]
  }
  expect(tested(found.tools.map(({ name }) => name))).toEqual([])
  await expect(client.callTool('price_quer', {})).rejects.toMatchObject({
    code: 'unknown-tool',
    hint: expect.stringContaining('did you mean mcp_price_feed_server__price_query?'),
  })
  await client.close()
})

test('over stdio a client of 2025 answers the question of a server', async () => {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: {} }, versionNegotiation: { mode: 'legacy' } },
  )
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada' } }))
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [cli, 'mcp', '--data', fleet.data],
      stderr: 'ignore',
    }),
  )
  const result = await client.callTool({
    name: 'mcp_server_base__test_input_required_result_elicitation',
    arguments: {},
  })
  expect(JSON.stringify(result.content)).toContain('Hello, Ada!')
  await client.close()
})

test('answers of the API match its OpenAPI document, at the gateway and behind the page', async () => {
  for (const [port, base] of [
    [8000, ''],
    [8080, '/api'],
  ] as const) {
    const document = await fleet.get<{
      paths: Record<
        string,
        { get?: { responses: { 200: { content: { 'application/json': { schema: object } } } } } }
      >
    }>(port, `${base}/openapi.json`)
    const ajv = new Ajv2020({ strict: false })
    ajv.addSchema(document, 'api')
    const readable = Object.entries(document.paths).filter(([path, { get }]) => get && !path.includes('{'))
    expect(readable.length).toBeGreaterThan(5)
    for (const [path, { get }] of readable) {
      const schema = JSON.parse(
        JSON.stringify(get?.responses[200].content['application/json'].schema).replaceAll(
          '#/components',
          'api#/components',
        ),
      )
      const valid = ajv.compile(schema)
      expect(valid(await fleet.get(port, `${base}${path}`)), `${path}: ${ajv.errorsText(valid.errors)}`).toBe(
        true,
      )
    }
  }
})

describe('connected servers', () => {
  test('the tools of an approved server are listed until it is disconnected', async () => {
    const program = createRequire(import.meta.url).resolve(
      '@modelcontextprotocol/server-everything/dist/index.js',
    )
    const client = await connectMcp({ url: fleet.url(8000, '/mcp?tools=all'), token: fleet.token })
    const bridge = (tool: string, args: Record<string, unknown>) =>
      client.callTool(`mcp_integration_bridge__${tool}`, args)
    const approving = async (work: () => Promise<unknown>) => {
      const refused = await work().catch((error) => error)
      expect(refused).toMatchObject({ code: 'approval-needed' })
      const { approvals } = JSON.parse(
        (await kintsugi(['approvals', '--data', fleet.data, '--json'])).stdout,
      ) as { approvals: { id: string; state: string }[] }
      const { id } = approvals.find(({ state }) => state === 'pending') as { id: string }
      expect((await kintsugi(['approve', id, '--yes', '--data', fleet.data])).stdout).toContain('approved')
      await work()
    }
    const listed = async () =>
      (await client.listTools()).filter(({ name }) => name.startsWith('everything__')).map(({ name }) => name)
    // Starting a program needs an approval.
    await approving(() =>
      bridge('connect_server', { name: 'everything', command: process.execPath, args: [program, 'stdio'] }),
    )
    expect(await listed()).toEqual([])
    await approving(() => bridge('approve_definition', { server: 'everything' }))
    await fleet.until('its tools', async () => (await listed()).includes('everything__echo'))
    const direct = new Client({ name: 'test', version: '1' })
    await direct.connect(
      new StreamableHTTPClientTransport(new URL(fleet.url(8000, '/mcp/everything')), {
        requestInit: { headers: { authorization: `Bearer ${fleet.token}` } },
      }),
    )
    expect((await direct.listTools()).tools.map(({ name }) => name)).toContain('echo')
    expect(
      JSON.stringify((await direct.callTool({ name: 'echo', arguments: { message: 'over there' } })).content),
    ).toContain('over there')
    const { prompts } = await direct.listPrompts()
    expect(prompts.map(({ name }) => name)).toContain('simple-prompt')
    expect((await direct.getPrompt({ name: 'simple-prompt' })).messages.length).toBeGreaterThan(0)
    const { resources } = await direct.listResources()
    const uri = resources[0]?.uri as string
    expect((await direct.readResource({ uri })).contents[0]).toMatchObject({ uri })
    await direct.close()
    const found = (await client.callTool('search_tools', { query: 'echo a message back' })) as {
      tools: { name: string }[]
    }
    expect(found.tools.map(({ name }) => name)).toContain('everything__echo')
    // A tool approved as `spend` cannot be called as a write.
    const { definitions } = (await bridge('list_connected_definitions', {
      server: 'everything',
      kind: 'tool',
      limit: 100,
    })) as { definitions: { name: string; hash: string }[] }
    const hash = definitions.find(({ name }) => name === 'echo')?.hash
    const echoed = { server: 'everything', tool: 'echo', arguments: { message: 'again' } }
    expect(JSON.stringify(await bridge('call_connected_tool', echoed))).toContain('again')
    await approving(() =>
      bridge('approve_definition', { server: 'everything', name: 'echo', hash, effect: 'spend' }),
    )
    await expect(bridge('call_connected_tool', echoed)).rejects.toMatchObject({
      code: 'refused',
      hint: expect.stringContaining('everything__echo'),
    })
    await bridge('disconnect_server', { server: 'everything' })
    await fleet.until('its end', async () => (await listed()).length === 0)
    await client.close()
  })
})
