import { ProtocolError } from '@modelcontextprotocol/server'
import { expect, test } from 'vitest'
import { KintsugiError } from '../../std/errors.ts'
import { errorResponse, sessionNotFound } from './error-response.ts'
import type { JsonRpcRequest } from './target.ts'

const call: JsonRpcRequest = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'a__b' } }
const read: JsonRpcRequest = { jsonrpc: '2.0', id: 8, method: 'resources/read', params: { uri: 'a://x' } }
const failed = (message: JsonRpcRequest, modern = true, oauth = false) => ({ message, modern, oauth })
const unknown = new KintsugiError('not-found', 'unknown resource', { hint: 'list them' })

test("a tool's failure is a result that a model can read and a program can parse", async () => {
  const failure = new KintsugiError('service-unreachable', 'a does not answer', { hint: 'wait' })
  const body = await errorResponse(failed(call), failure).json()
  expect(body).toEqual({
    jsonrpc: '2.0',
    id: 7,
    result: {
      content: [{ type: 'text', text: 'service-unreachable: a does not answer (wait)' }],
      isError: true,
      _meta: { 'kintsugi/error': expect.objectContaining({ code: 'service-unreachable', retry: 'later' }) },
      resultType: 'complete',
    },
  })
  expect(await errorResponse(failed(call, false), failure).json()).not.toHaveProperty('result.resultType')
})

test('any other failure is a JSON-RPC error with its code, its report and its URI', async () => {
  expect(await errorResponse(failed(read), unknown).json()).toMatchObject({
    id: 8,
    error: { code: -32602, message: 'unknown resource', data: { code: 'not-found', uri: 'a://x' } },
  })
  expect(await errorResponse(failed(read), new Error('broken')).json()).toMatchObject({
    error: { code: -32603, message: 'broken' },
  })
})

test("the protocol's own errors keep their code; only clients of 2026 get them with 400", async () => {
  const error = new ProtocolError(-32021, 'a capability is missing', { required: {} })
  for (const [modern, status] of [
    [true, 400],
    [false, 200],
  ] as const) {
    const response = errorResponse(failed(call, modern), error)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: { code: -32021, data: { required: {} } } })
  }
})

test.each(['token-required', 'insufficient-scope'] as const)(
  '%s is left to HTTP if an issuer gives tokens',
  async (code) => {
    const refusal = new KintsugiError(code, 'no')
    expect(() => errorResponse(failed(call, true, true), refusal)).toThrow(refusal)
    expect(await errorResponse(failed(call), refusal).json()).toMatchObject({
      result: { isError: true, _meta: { 'kintsugi/error': { code } } },
    })
  },
)

test('an unknown session is answered with 404 and the code of the protocol', async () => {
  const response = sessionNotFound()
  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({ error: { code: -32001 } })
})
