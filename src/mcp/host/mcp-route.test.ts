import { expect, test } from 'vitest'
import * as z from 'zod'
import { hostOptions } from '../../../test/support/host-options.ts'
import { MemoryAudit } from '../../../test/support/memory-audit.ts'
import { defineServer } from '../define.ts'
import { type AccessPolicy, LOOPBACK_NAMES } from './access.ts'
import { host } from './host.ts'

const server = defineServer({
  id: 'vault',
  needs: [],
  tools: ({ write }) => ({
    set: write({
      description: 'returns its caller',
      input: {},
      output: { caller: z.string() },
      examples: [{}],
      run: (_, { caller }) => ({ caller }),
    }),
  }),
})

/** A service that counts how often a token is verified, and how often its scopes are compared with a call. */
function counting(
  policy: Pick<AccessPolicy, 'required' | 'beyondLoopback' | 'oauth'> = {
    required: true,
    beyondLoopback: true,
  },
) {
  const counts = { identified: 0, authorized: 0 }
  const scopes = ['write']
  scopes.some = (matches) => {
    counts.authorized++
    return Array.prototype.some.call(scopes, matches)
  }
  const audit = new MemoryAudit()
  const service = host(
    server,
    {} as never,
    hostOptions({
      audit,
      access: {
        tokenHash: undefined,
        verify: async (token) => {
          counts.identified++
          return token === 'ada'
            ? { id: 'ada', subject: 'ada', scopes, expiresAt: Number.MAX_SAFE_INTEGER }
            : undefined
        },
        ...policy,
        hostnames: LOOPBACK_NAMES,
      },
    }),
  )
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await service.app.request(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {
        host: 'localhost',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  return { counts, audit, post }
}

const ADA = { authorization: 'Bearer ada' }
const call = (name: string) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: {} },
})
const modern = (name: string) => ({
  ...call(name),
  params: {
    name,
    arguments: {},
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})
const MODERN = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'set' }
const LEGACY = { 'mcp-protocol-version': '2025-11-25' }

test.each([
  ['/query', { type: 'set' }, {}],
  ['/mcp', call('set'), LEGACY],
  ['/mcp', modern('set'), MODERN],
])('a call at %s is identified once and authorized once: %j', async (path, body, headers) => {
  const { counts, post } = counting()
  const { status, text } = await post(path, body, { ...ADA, ...headers })
  expect([status, text]).toEqual([200, expect.stringContaining('"ada"')])
  expect(counts).toEqual({ identified: 1, authorized: 1 })
})

test.each([
  ['2025-11-25', call('set'), LEGACY],
  ['2026-07-28', modern('set'), MODERN],
])(
  'without a token, a call of %s is refused in its result with the command to run, and recorded once',
  async (_revision, body, headers) => {
    const { audit, post } = counting({ required: false, beyondLoopback: false })
    const { status, text } = await post('/mcp', body, headers)
    expect([status, text]).toEqual([200, expect.stringContaining('"isError":true')])
    expect(text).toContain('token-required')
    expect(text).toContain('kintsugi token issue NAME --scope write:vault__set')
    expect(audit.entries).toMatchObject([
      { who: 'anonymous', decision: 'refused', outcome: 'token-required' },
    ])
  },
)

test('without a token, a call at /mcp is HTTP 401 if an issuer gives tokens, and recorded as refused', async () => {
  const oauth = { issuer: 'https://issuer.example', resource: 'http://127.0.0.1:8000/mcp' }
  const { audit, post } = counting({ required: false, beyondLoopback: false, oauth })
  const refused = await post('/mcp', modern('set'), MODERN)
  expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([401, 'token-required'])
  expect(refused.headers.get('www-authenticate')).toContain('scope="write:vault__set", resource_metadata=')
  expect(audit.entries).toMatchObject([{ who: 'anonymous', decision: 'refused', outcome: 'token-required' }])
})

test('an invalid token is HTTP 401, for every path behind the app', async () => {
  const { post } = counting({ required: false, beyondLoopback: false })
  for (const path of ['/mcp', '/query', '/nothing'])
    expect((await post(path, modern('set'), { authorization: 'Bearer eve' })).status).toBe(401)
})

test('an unknown tool is refused by the protocol, not by the route', async () => {
  const { post } = counting()
  const { status, text } = await post('/mcp', call('nothing'), { ...ADA, ...LEGACY })
  expect([status, text]).toEqual([200, expect.stringContaining('unknown-tool')])
})

test.each(['GET', 'PUT'])('%s /query is HTTP 405 and names the method to use', async (method) => {
  const response = await host(server, {} as never, hostOptions({})).app.request('/query', {
    method,
    headers: { host: 'localhost' },
  })
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
  expect(await response.json()).toEqual({
    error: { code: 'bad-argument', message: `${method} /query: expected POST`, retry: 'never' },
  })
})
