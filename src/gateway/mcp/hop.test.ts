/** The content that the gateway forwards to a service, and the content that it removes. */
import { expect, test } from 'vitest'
import { ANONYMOUS } from '../../mcp/host/access.ts'
import type { GatewayCall } from './gateway-call.ts'
import { hopBody, hopHeaders } from './hop.ts'
import type { Target } from './target.ts'

const ada = { name: 'ada', scopes: ['write:vault'] }
const target: Target = {
  service: 'vault',
  what: 'pay',
  effect: 'spend',
  guarded: false,
  params: { name: 'pay', arguments: { region: 'eu' } },
  name: 'pay',
  schema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
}
const callOf = (change: Partial<GatewayCall> & { headers?: Record<string, string> } = {}): GatewayCall => ({
  request: new Request('http://localhost/mcp', { headers: change.headers ?? {} }),
  env: undefined,
  caller: ada,
  message: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'vault__pay' } },
  modern: true,
  session: undefined,
  ...change,
})

test("the gateway's token and the caller's name are forwarded; the caller's token, cookies and address are not", () => {
  const headers = hopHeaders(
    callOf({
      headers: {
        authorization: 'Bearer of-ada',
        cookie: 'a=b',
        'x-forwarded-for': '10.0.0.1',
        'x-kintsugi-caller': 'operator',
        'x-kintsugi-scopes': 'spend',
        'mcp-session-id': 'secret',
        accept: 'application/json',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'vault__pay',
        'mcp-param-region': 'eu',
        tracestate: 'x=1',
        'idempotency-key': 'once',
      },
    }),
    target,
    'of-the-gateway',
  )
  expect(headers).toEqual({
    'content-type': 'application/json',
    accept: 'application/json',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'pay',
    'mcp-param-region': 'eu',
    tracestate: 'x=1',
    'idempotency-key': 'once',
    authorization: 'Bearer of-the-gateway',
    'x-kintsugi-caller': 'ada',
    'x-kintsugi-scopes': 'write:vault',
  })
})

test('an anonymous caller gets no token and no name', () => {
  const headers = hopHeaders(
    callOf({ caller: ANONYMOUS, headers: { 'x-kintsugi-caller': 'operator' } }),
    target,
    'svc',
  )
  expect(headers).toEqual({ 'content-type': 'application/json', 'mcp-name': 'pay' })
})

test("the caller's token is never forwarded, not even if the gateway has none of its own", () => {
  const headers = { authorization: 'Bearer of-ada' }
  for (const caller of [ada, ANONYMOUS])
    expect(hopHeaders(callOf({ caller, headers }), target, undefined)).not.toHaveProperty('authorization')
})

test('headers are added for a client of 2025, and for one that uses the meta tool', () => {
  expect(hopHeaders(callOf({ modern: false }), target, undefined)).toMatchObject({
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-param-region': 'eu',
  })
  const message = { ...callOf().message, params: { name: 'call_tool' } }
  expect(hopHeaders(callOf({ message }), target, undefined)).toMatchObject({ 'mcp-param-region': 'eu' })
  expect(hopHeaders(callOf(), target, undefined)).not.toHaveProperty('mcp-param-region')
})

test("the adapter's headers are used if present", () => {
  const env = { incoming: { headers: { accept: 'text/plain', cookie: 'a=b', 'set-cookie': ['c'] } } }
  expect(hopHeaders(callOf({ env, caller: ANONYMOUS, headers: { accept: 'x' } }), target, undefined)).toEqual(
    {
      'content-type': 'application/json',
      accept: 'text/plain',
      'mcp-name': 'pay',
    },
  )
})

test('in the body the client is the gateway; everything else is as the client sent it', () => {
  const message = { jsonrpc: '2.0', id: 'seven', method: 'tools/call' }
  const params = {
    name: 'pay',
    _meta: { progressToken: 3, 'io.modelcontextprotocol/clientInfo': { name: 'x' } },
  }
  expect(JSON.parse(hopBody(message, params, '9'))).toEqual({
    ...message,
    params: {
      name: 'pay',
      _meta: { progressToken: 3, 'io.modelcontextprotocol/clientInfo': { name: 'kintsugi', version: '9' } },
    },
  })
})
