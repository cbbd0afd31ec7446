/** Every service of a running fleet, through its own port and the gateway: routes, examples, refusals, headers, both revisions of MCP. */
import { statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectMcp } from '../src/mcp/client.ts'
import type { ExampleListing } from '../src/mcp/host/examples.ts'
import type { ToolListing } from '../src/ports/definitions.ts'
import { Fleet, kintsugi } from './support/fleet.ts'

const fleet = new Fleet(12_000, ['--block-seconds', '1'])

beforeAll(async () => {
  await fleet.start()
  await fleet.until('a trade', async () => (await fleet.trades()).length > 0)
})
afterAll(() => fleet.dispose())

/** Answers of a tool that needs an approval. A refused one, such as by an earlier `kintsugi test`, is refused until it expires. */
const APPROVAL_CODES: readonly (string | undefined)[] = ['approval-needed', 'approval-refused']

/** A model reads an answer whole: no read tool exceeds this at its example. */
const MAX_ANSWER_CHARACTERS = 4_096

const bodyOf = async (response: Response) =>
  (await response.json()) as { result?: unknown; error?: { code: string; message: string } }

/** Servers and agents with their catalogue ports. */
const services = async (): Promise<[string, number][]> => {
  const { servers, agents } = await fleet.status()
  return Object.entries({ ...servers, ...agents }).map(([id, { port }]) => [
    id,
    (port as number) - fleet.offset,
  ])
}

/** The faults in a tool's answers to its declared calls. A tool that needs an approval may answer that instead. */
async function problemsOf(port: number, tool: ToolListing): Promise<string[]> {
  const { name, annotations } = tool
  const answer = async (args: Record<string, unknown>) =>
    bodyOf(await fleet.query(port, { ...args, type: name }, { authorization: `Bearer ${fleet.token}` }))
  const call = async (args: Record<string, unknown>) => (await answer(args)).error
  // Looked up for each tool: a call of the one before may have changed what there is.
  const calls = (await fleet.get<ExampleListing>(port, '/examples')).tools[name]
  // Tools that come and go while the service runs declare no calls.
  if (!calls) return []
  if ('error' in calls) return [`no arguments: ${JSON.stringify(calls)}`]
  const approvable = tool._meta['kintsugi/approvable']
  const problems: string[] = []
  for (const args of calls.examples) {
    const { error, result } = await answer(args)
    if (error && !(approvable && APPROVAL_CODES.includes(error.code)))
      problems.push(`${JSON.stringify(args)} fails: ${error.code}: ${error.message}`)
    const size = JSON.stringify(result ?? {}).length
    if (annotations.readOnlyHint && size > MAX_ANSWER_CHARACTERS)
      problems.push(`${JSON.stringify(args)} answers ${size} characters`)
  }
  for (const { arguments: args, code } of calls.refusals) {
    const found = (await call(args))?.code
    if (found !== code && !(approvable && APPROVAL_CODES.includes(found)))
      problems.push(`${JSON.stringify(args)}: expected ${code}, got ${found ?? 'an answer'}`)
  }
  const undeclared = await call({ ...calls.examples[0], nonsense: 1 })
  if (undeclared?.code !== 'bad-argument' || !undeclared.message.includes('nonsense'))
    problems.push(`an undeclared field: ${JSON.stringify(undeclared)}`)
  return problems
}

describe('every service', () => {
  test('answers health, ready, metrics, capabilities and tools', async () => {
    for (const [id, port] of await services()) {
      await fleet.until(`${id} is ready`, async () => (await fetch(fleet.url(port, '/ready'))).ok, 5_000)
      for (const path of ['/health', '/capabilities']) {
        const response = await fetch(fleet.url(port, path))
        expect(response.status, `${id} ${path}: ${await response.text()}`).toBe(200)
      }
      expect(await (await fetch(fleet.url(port, '/metrics'))).text()).toContain('kintsugi_uptime_seconds')
      const { tools } = await fleet.get<{ tools: ToolListing[] }>(port, '/tools')
      expect(tools.length).toBeGreaterThan(0)
    }
  })

  test('main services answer metrics, and a scrape of the fleet reports no failed service', async () => {
    for (const [id, { port }] of Object.entries((await fleet.status()).main)) {
      const metrics = await (await fetch(fleet.url((port as number) - fleet.offset, '/metrics'))).text()
      expect(metrics, id).toContain('kintsugi_uptime_seconds')
    }
    const query = { type: 'query_metrics', metric: 'kintsugi_uptime_seconds' }
    expect(await bodyOf(await fleet.query(8088, query))).toMatchObject({ result: { failed: [] } })
  })

  test('every example succeeds, every refusal fails with its code, an undeclared field is named', async () => {
    const problems: string[] = []
    for (const [id, port] of await services()) {
      const { tools } = await fleet.get<{ tools: ToolListing[] }>(port, '/tools')
      for (const tool of tools)
        problems.push(...(await problemsOf(port, tool)).map((problem) => `${id}__${tool.name}: ${problem}`))
    }
    expect(problems).toEqual([])
  })

  test('a tool that needs a token refuses anonymous calls, and every tool refuses a wrong token', async () => {
    for (const [id, port] of await services()) {
      const { tools } = await fleet.get<{ tools: ToolListing[] }>(port, '/tools')
      for (const { name, _meta } of tools) {
        const call = { ..._meta['kintsugi/example'], type: name }
        if (_meta['kintsugi/effect'] !== 'read' || _meta['kintsugi/guarded'])
          expect((await fleet.query(port, call)).status, `${id} ${name}`).toBe(401)
        expect((await fleet.query(port, call, { authorization: 'Bearer wrong' })).status).toBe(401)
      }
    }
  })

  test('foreign Host and Origin headers get 403, ours get through', async () => {
    const status = await fleet.status()
    const raw = (port: number, headers: string[]) =>
      new Promise<number>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () =>
          socket.write(`GET /health HTTP/1.1\r\n${headers.join('\r\n')}\r\nConnection: close\r\n\r\n`),
        )
        let text = ''
        socket
          .on('data', (chunk) => (text += chunk))
          .on('close', () => resolve(Number(text.split(' ')[1] ?? 0)))
          .on('error', reject)
      })
    for (const service of Object.values({ ...status.servers, ...status.agents, ...status.main })) {
      const port = service.port as number
      for (const host of ['localhost', `127.0.0.1:${port}`, '[::1]', `LOCALHOST:${port}`])
        expect(await raw(port, [`Host: ${host}`]), `Host ${host}`).toBe(200)
      for (const host of ['evil.com', '127.0.0.1.evil.com', `evil.com:${port}`, 'localhost.evil.com', '']) {
        const code = await raw(port, host === '' ? ['X-No: host'] : [`Host: ${host}`])
        expect(code >= 400 && code < 500, `Host ${host || '(none)'} gave ${code}`).toBe(true)
      }
      for (const origin of [
        'http://evil.com',
        'null',
        'http://127.0.0.1.evil.com',
        'https://localhost.evil.com',
      ])
        expect(await raw(port, ['Host: localhost', `Origin: ${origin}`]), `Origin ${origin}`).toBe(403)
      expect(await raw(port, ['Host: localhost', `Origin: http://localhost:${port}`])).toBe(200)
    }
  })

  test('both revisions of MCP are served, at a service and at the gateway', async () => {
    for (const [port, tool] of [
      [8091, 'price_query'],
      [8000, 'mcp_price_feed_server__price_query'],
    ] as const) {
      const modern = await connectMcp({ url: fleet.url(port, '/mcp') })
      expect(modern.protocolVersion).toBe('2026-07-28')
      expect((await modern.listTools()).map((listed) => listed.name)).toContain(
        port === 8000 ? 'search_tools' : tool,
      )
      expect((await modern.callTool(tool, { symbol: 'ETH' })).price).toBeGreaterThan(2_000)
      await expect(modern.callTool(tool, { symbol: 'NOPE' })).rejects.toMatchObject({
        code: 'unknown-symbol',
      })
      await modern.close()
      const legacy = async (method: string, params: object) => {
        const response = await fetch(fleet.url(port, '/mcp'), {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'mcp-protocol-version': '2025-11-25',
          },
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
        })
        const text = await response.text()
        return JSON.parse(text.startsWith('{') ? text : (/data: (.*)/.exec(text)?.[1] ?? '{}'))
      }
      expect(
        (
          await legacy('initialize', {
            protocolVersion: '2025-11-25',
            capabilities: {},
            clientInfo: { name: 't', version: '1' },
          })
        ).result.protocolVersion,
      ).toBe('2025-11-25')
      expect(
        (await legacy('tools/call', { name: tool, arguments: { symbol: 'ETH' } })).result.structuredContent
          .price,
      ).toBeGreaterThan(2_000)
    }
  })

  test('a write needs the token at the gateway too, and never gets through without', async () => {
    const call = (headers: Record<string, string>) =>
      fetch(fleet.url(8000, '/mcp'), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2025-11-25',
          ...headers,
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name: 'mcp_coordinator_server__cancel_task', arguments: { id: 'none' } },
        }),
      })
    const refused = await call({})
    expect([refused.status, await refused.text()]).toEqual([200, expect.stringContaining('token-required')])
    expect((await call({ authorization: 'Bearer nonsense' })).status).toBe(401)
    expect((await call({ authorization: `Bearer ${fleet.token}` })).status).toBe(200)
    expect((await fetch(fleet.url(8000, '/restart/dashboard'), { method: 'POST' })).status).toBe(401)
    expect(statSync(join(fleet.data, 'token')).mode & 0o777).toBe(0o600)
  })
})

describe('after the hub was killed', () => {
  /** The answers of every read tool's examples through the gateway that are no success. */
  async function failedReads(only: (id: string) => boolean = () => true): Promise<string[]> {
    const failed: string[] = []
    for (const [id, port] of (await services()).filter(([service]) => only(service))) {
      const client = await connectMcp({ url: fleet.url(8000, `/mcp/${id}`), token: fleet.token })
      // The client learns which arguments it repeats in headers.
      await client.listTools()
      const { tools } = await fleet.get<{ tools: ToolListing[] }>(port, '/tools')
      for (const { name } of tools.filter(({ _meta }) => _meta['kintsugi/effect'] === 'read')) {
        const calls = (await fleet.get<ExampleListing>(port, '/examples')).tools[name]
        for (const args of calls && 'examples' in calls ? calls.examples : [])
          await client
            .callTool(name, args)
            .catch((error) => failed.push(`${id}__${name} ${JSON.stringify(args)}: ${error.message}`))
      }
      await client.close()
    }
    return failed
  }
  const kill = async (id: string) => {
    const { servers, infrastructure } = await fleet.status()
    const pid = ({ ...servers, ...infrastructure }[id] as { pid: number }).pid
    process.kill(pid, 'SIGKILL')
    await fleet.until(`a new process of ${id}, and everything healthy`, async () => {
      const status = await fleet.status()
      const now = { ...status.servers, ...status.infrastructure }[id]
      return now?.pid !== null && now?.pid !== pid && status.healthy
    })
  }

  test('every read tool answers, and so do those of a service that starts later', {
    timeout: 120_000,
  }, async () => {
    const steps = [{ service: 'mcp_price_feed_server', tool: 'list_symbols' }]
    const task = { type: 'coordinate', description: 'read by an example', steps, wait: true }
    const bearer = { authorization: `Bearer ${fleet.token}` }
    expect((await fleet.query(8077, task, bearer)).status).toBe(200)
    await kill('hub')
    expect(await failedReads()).toEqual([])
    // It has never seen what the gateway wrote to the first hub.
    await kill('organize_mcp_servers')
    expect(await failedReads((id) => id === 'organize_mcp_servers')).toEqual([])
  })
})

describe('logs', () => {
  type Line = { service?: string; unit?: string; process?: string; level: string; pid?: number; msg: string }
  const logs = async (name: string): Promise<Line[]> => {
    const { code, stdout } = await kintsugi(['logs', name, '--json', '-n', '1000', '--data', fleet.data])
    expect(code).toBe(0)
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  test('a service has its lines, of each process it ran in; a spare that became its cell keeps none', async () => {
    const lines = await logs('organize_mcp_servers')
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(line.service).toBe('organize_mcp_servers')
    const ofCell = await logs('coordination')
    expect(new Set(ofCell.map(({ process }) => process)).size).toBeGreaterThan(1)
    expect(fleet.log('spare')).not.toContain('"service":')
  })

  test('the supervisor logs a failure as a warning or an error, and a recovery as information', async () => {
    const lines = await logs('supervisor')
    const levelsOf = (text: RegExp) =>
      new Set(lines.filter(({ msg }) => text.test(msg)).map((line) => line.level))
    expect([...levelsOf(/^recovered/)]).toEqual(['info'])
    expect(['warn', 'error']).toEqual(expect.arrayContaining([...levelsOf(/^(exited|killed)/)]))
    expect(levelsOf(/^(exited|killed)/).size).toBeGreaterThan(0)
  })
})
