/** Questions of servers to their clients, and calls that continue as tasks: at a service, and through any of several gateways. */
import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdaptorServer } from '@hono/node-server'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DEFAULT_BALANCING, Dispatch } from '../src/adapters/dispatch/dispatcher.ts'
import { Directory } from '../src/gateway/mcp/directory.ts'
import { mcpEndpoint } from '../src/gateway/mcp/endpoint.ts'
import { MetaTools } from '../src/gateway/mcp/meta-tools.ts'
import { Sessions } from '../src/gateway/mcp/sessions.ts'
import { defineServer } from '../src/mcp/define.ts'
import { elicit, entered } from '../src/mcp/elicitation.ts'
import { hashToken, LOOPBACK_NAMES } from '../src/mcp/host/access.ts'
import { host } from '../src/mcp/host/host.ts'
import { guardedApp } from '../src/mcp/host/http-app.ts'
import type { ServiceDefinitions } from '../src/ports/definitions.ts'
import type { ServiceStatus } from '../src/ports/fleet.ts'
import base from '../src/servers/development/mcp_server_base.ts'
import { hostOptions } from './support/host-options.ts'
import { freePort } from './support/local-chain.ts'
import { MemoryBus } from './support/memory-bus.ts'
import { MemoryRecords } from './support/memory-records.ts'

const TOKENS: Readonly<Record<string, string>> = { ada: 'of-ada', bob: 'of-bob' }
const access = {
  tokenHash: hashToken('right'),
  service: (token: string) => (token === 'svc' ? 'gateway' : undefined),
  verify: async (token: string) => {
    const subject = Object.keys(TOKENS).find((name) => TOKENS[name] === token)
    return subject === undefined
      ? undefined
      : { id: subject, subject, scopes: ['write'], expiresAt: Number.MAX_SAFE_INTEGER }
  },
  required: false,
  beyondLoopback: false,
  hostnames: LOOPBACK_NAMES,
}
const sure = z.object({ sure: z.boolean() })
const done: string[] = []
const careful = defineServer({
  id: 'careful',
  needs: [],
  tools: ({ write }) => ({
    erase: write({
      description: 'Erases something after a confirmation.',
      input: { what: z.string() },
      output: { erased: z.boolean() },
      examples: [{ what: 'nothing' }],
      run: async ({ what }, { ask }) => {
        const answers = await ask({
          sure: elicit({
            message: `Erase ${what}?`,
            requestedSchema: {
              type: 'object',
              properties: { sure: { type: 'boolean' } },
              required: ['sure'],
            },
          }),
        })
        const answer = entered(answers.sure, sure)
        if (answer === undefined || answer === 'declined' || !answer.sure) return { erased: false }
        done.push(what)
        return { erased: true }
      },
    }),
  }),
})

let clock = 0
const now = () => Date.now() + clock
const records = new MemoryRecords(now)
const bus = new MemoryBus()
const ports: Record<string, number> = {}
const servers: Server[] = []
const listen = async (
  fetch: (request: Request, env: never) => Response | Promise<Response>,
  port: number,
) => {
  const server = createAdaptorServer({ fetch: fetch as never }) as Server
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
}

beforeAll(async () => {
  for (const id of ['mcp_server_base', 'careful', 'first', 'second']) ports[id] = await freePort()
  for (const definition of [base, careful]) {
    const service = host(
      definition,
      {} as never,
      hostOptions({
        access,
        now,
        records: async () => records,
        secret: 'shared',
        port: ports[definition.id] as number,
      }),
    )
    await listen(service.app.fetch, ports[definition.id] as number)
  }
  for (const id of ['first', 'second']) {
    const directory = new Directory({
      now,
      fetchDefinitions: async (service) =>
        (await (await fetch(`http://127.0.0.1:${ports[service]}/definitions`)).json()) as ServiceDefinitions,
      onChange: () => undefined,
    })
    await directory.follow(
      ['mcp_server_base', 'careful'].map(
        (service) =>
          ({
            id: service,
            kind: 'server',
            pid: 1,
            port: ports[service],
            status: 'healthy',
          }) as unknown as ServiceStatus,
      ),
    )
    const dispatch = new Dispatch({
      portsOf: (service) => [ports[service] as number],
      strategyOf: () => DEFAULT_BALANCING,
      now: () => performance.now(),
    })
    const endpoint = mcpEndpoint({
      directory,
      meta: new MetaTools(directory),
      dispatch,
      sessions: new Sessions(bus, 'shared', Date.now),
      access,
      bearer: () => 'svc',
      version: '1',
      timeoutMs: 10_000,
      now,
    })
    const app = guardedApp({
      access,
      identity: {},
      readiness: () => undefined,
      hint: '',
      health: () => ({}),
      now: Date.now,
    })
    endpoint.mount(app)
    await listen(app.fetch, ports[id] as number)
  }
})
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
})

const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } }
const url = (gateway: string, path = '/mcp') => `http://127.0.0.1:${ports[gateway]}${path}`

/** One request of the 2026 revision over HTTP. */
async function ask(
  gateway: string,
  method: string,
  params: Record<string, unknown>,
  { token, capabilities = { elicitation: {} } }: { token?: string; capabilities?: unknown } = {},
) {
  const name = params.name ?? params.taskId
  const response = await fetch(url(gateway), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(name === undefined ? {} : { 'mcp-name': String(name) }),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': capabilities,
        },
      },
    }),
  })
  return (await response.json()) as {
    result?: Record<string, never> & {
      requestState?: string
      taskId?: string
      resultType?: string
      status?: string
    }
    error?: { code: number; message: string }
  }
}

async function person(
  gateway: string,
  revision: '2026-07-28' | '2025-11-25',
  answer: (message: string) => unknown,
  token?: string,
): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1' },
    {
      capabilities: { elicitation: {} },
      versionNegotiation: { mode: revision === '2026-07-28' ? { pin: revision } : 'legacy' },
    },
  )
  client.setRequestHandler('elicitation/create', ({ params }) => answer(params.message) as never)
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url(gateway)), {
      requestInit: token ? { headers: { authorization: `Bearer ${token}` } } : {},
    }),
  )
  return client
}
const textOf = (result: { content?: unknown }) => (result.content as { text: string }[])[0]?.text

describe.each(['2026-07-28', '2025-11-25'] as const)('a person at a client of %s', (revision) => {
  test('answers the questions of a tool, round after round', async () => {
    const asked: string[] = []
    const client = await person('first', revision, (message) => {
      asked.push(message)
      return {
        action: 'accept',
        content: message.startsWith('Step 1') ? { name: 'Ada' } : { color: 'green' },
      }
    })
    const result = await client.callTool({
      name: 'mcp_server_base__test_input_required_result_multi_round',
      arguments: {},
    })
    expect(textOf(result)).toBe('Ada answered: action=accept, content={"color":"green"}')
    expect(asked).toEqual(['Step 1: What is your name?', 'Step 2: What is your favorite color?'])
    await client.close()
  })

  test('may decline, and nothing changes', async () => {
    const client = await person('first', revision, () => ({ action: 'decline' }), TOKENS.ada)
    expect(
      (await client.callTool({ name: 'careful__erase', arguments: { what: `everything of ${revision}` } }))
        .structuredContent,
    ).toEqual({ erased: false })
    expect(done).not.toContain(`everything of ${revision}`)
    await client.close()
  })
})

test('a 2025 client may answer at another gateway than the one that asked', async () => {
  // Behind one address, each request of a session may reach another gateway.
  let turn = 0
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: {} }, versionNegotiation: { mode: 'legacy' } },
  )
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Grace' } }))
  const reached = new Set<string>()
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url('first')), {
      fetch: (address, init) => {
        const gateway = turn++ % 2 === 0 ? 'first' : 'second'
        if (init?.method === 'POST') reached.add(gateway)
        return fetch(String(address).replace(String(ports.first), String(ports[gateway])), init)
      },
    }),
  )
  for (let round = 0; round < 4; round++)
    expect(
      textOf(
        await client.callTool({
          name: 'mcp_server_base__test_input_required_result_elicitation',
          arguments: {},
        }),
      ),
    ).toBe('Hello, Grace!')
  expect(reached.size).toBe(2)
  await client.close()
})

test('a 2025 client without a session receives the reason why it cannot be asked; an ended session is not found', async () => {
  const post = (headers: Record<string, string>, body: unknown) =>
    fetch(url('first'), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...(body as object) }),
    })
  const call = {
    method: 'tools/call',
    params: { name: 'mcp_server_base__test_elicitation', arguments: { message: 'Who?' } },
  }
  const alone = (await (await post({}, call)).json()) as { error: { message: string } }
  expect(alone.error.message).toContain('receives requests only within a session')
  const begun = await post(
    {},
    {
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
    },
  )
  const session = begun.headers.get('mcp-session-id') as string
  await begun.text()
  const within = (await (await post({ 'mcp-session-id': session }, call)).json()) as {
    error: { message: string }
  }
  expect(within.error.message).toContain('did not declare the requested capability at initialization')
  // The id of a session does not make its holder the owner.
  expect(
    (await post({ 'mcp-session-id': session, authorization: `Bearer ${TOKENS.bob}` }, call)).status,
  ).toBe(404)
  expect(
    (await fetch(url('second'), { method: 'DELETE', headers: { 'mcp-session-id': session } })).status,
  ).toBe(204)
  expect((await post({ 'mcp-session-id': session }, call)).status).toBe(404)
  expect((await post({ 'mcp-session-id': `${session}x` }, call)).status).toBe(404)
})

describe('a request state', () => {
  const erase = (what: string, more: Record<string, unknown> = {}) => ({
    name: 'careful__erase',
    arguments: { what },
    ...more,
  })
  const yes = { sure: { action: 'accept', content: { sure: true } } }

  test('resumes the same call of the same caller, at any gateway, once', async () => {
    const { result } = await ask('first', 'tools/call', erase('a'), { token: TOKENS.ada as string })
    const round = erase('a', { inputResponses: yes, requestState: result?.requestState })
    expect((await ask('second', 'tools/call', round, { token: TOKENS.ada as string })).result).toMatchObject({
      structuredContent: { erased: true },
    })
    const replayed = await ask('first', 'tools/call', round, { token: TOKENS.ada as string })
    expect(replayed.result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('used already') }],
    })
    expect(done.filter((what) => what === 'a')).toHaveLength(1)
  })

  test('is refused if it was altered, or belongs to another caller or to other arguments', async () => {
    const { result } = await ask('first', 'tools/call', erase('b'), { token: TOKENS.ada as string })
    const state = result?.requestState as string
    const middle = Math.floor(state.length / 2)
    const flipped = `${state.slice(0, middle)}${state[middle] === 'A' ? 'B' : 'A'}${state.slice(middle + 1)}`
    const attempts: [Record<string, unknown>, string][] = [
      [erase('b', { inputResponses: yes, requestState: flipped }), TOKENS.ada as string],
      [erase('b', { inputResponses: yes, requestState: state }), TOKENS.bob as string],
      [erase('c', { inputResponses: yes, requestState: state }), TOKENS.ada as string],
      [erase('b', { inputResponses: yes, requestState: 'nonsense' }), TOKENS.ada as string],
    ]
    for (const [round, token] of attempts)
      expect((await ask('first', 'tools/call', round, { token })).error?.code).toBe(-32602)
    expect(done.filter((what) => what !== 'a')).toEqual([])
  })
})

describe('tasks', () => {
  const status = async (gateway: string, taskId: string, token?: string) =>
    ask(gateway, 'tasks/get', { taskId }, { capabilities: TASKS, ...(token === undefined ? {} : { token }) })
  const begin = async (tool: string, args: Record<string, unknown> = {}, token?: string) =>
    (
      await ask(
        'first',
        'tools/call',
        { name: `mcp_server_base__${tool}`, arguments: args },
        { capabilities: { ...TASKS, elicitation: {} }, ...(token === undefined ? {} : { token }) },
      )
    ).result as { taskId: string; resultType: string }

  test('a long call becomes a task, and any gateway returns its status', async () => {
    const task = await begin('slow_compute', { seconds: 0.5, label: 'sum' })
    expect(task.resultType).toBe('task')
    expect((await status('second', task.taskId)).result).toMatchObject({ status: 'working' })
    await expect
      .poll(async () => (await status('second', task.taskId)).result?.status, { timeout: 5_000 })
      .toBe('completed')
    expect((await status('first', task.taskId)).result).toMatchObject({
      result: { content: [{ text: 'sum: done after 0.5 s' }] },
    })
  })

  test('a task waits for answers, and accepts them one by one', async () => {
    const { taskId } = await begin('multi_input')
    await expect
      .poll(async () => (await status('first', taskId)).result?.status, { timeout: 5_000 })
      .toBe('input_required')
    const answer = (name: string) => ({ action: 'accept', content: { name } })
    await ask(
      'second',
      'tasks/update',
      { taskId, inputResponses: { first: answer('Ada'), never: answer('asked') } },
      { capabilities: TASKS },
    )
    expect((await status('first', taskId)).result).toMatchObject({
      status: 'input_required',
      inputRequests: { second: expect.anything() },
    })
    await ask(
      'first',
      'tasks/update',
      { taskId, inputResponses: { second: answer('Grace') } },
      { capabilities: TASKS },
    )
    await expect
      .poll(async () => (await status('second', taskId)).result, { timeout: 5_000 })
      .toMatchObject({ status: 'completed', result: { content: [{ text: 'Ada and Grace' }] } })
  })

  test('a task can be cancelled; it is unknown to other callers', async () => {
    const { taskId } = await begin('slow_compute', { seconds: 30 }, TOKENS.ada)
    for (const method of ['tasks/get', 'tasks/cancel'])
      expect(
        (await ask('first', method, { taskId }, { capabilities: TASKS, token: TOKENS.bob as string })).error
          ?.code,
      ).toBe(-32602)
    expect((await status('first', taskId, TOKENS.ada)).result).toMatchObject({ status: 'working' })
    await ask('second', 'tasks/cancel', { taskId }, { capabilities: TASKS, token: TOKENS.ada as string })
    expect((await status('first', taskId, TOKENS.ada)).result).toMatchObject({ status: 'cancelled' })
    await sleep(600)
    expect((await status('first', taskId, TOKENS.ada)).result).toMatchObject({ status: 'cancelled' })
  })

  test('a task whose process ended is reported as failed', async () => {
    const { taskId } = await begin('slow_compute', { seconds: 1 })
    clock = 20_000
    const before = await status('first', taskId)
    clock = 0
    expect(before.result).toMatchObject({
      status: 'failed',
      error: { message: expect.stringContaining('the process that ran it ended') },
    })
  })
})
