import { expect, test } from 'vitest'
import { headersAgree, revisionOf } from './revision.ts'
import type { JsonRpcRequest } from './target.ts'

const modern: JsonRpcRequest = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: {
    name: 'a__b',
    arguments: {},
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
}
const right = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'a__b' }
const legacy: JsonRpcRequest = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'a__b' } }

test('the envelope and the headers decide the revision', () => {
  expect(revisionOf(new Headers(right), modern)).toBe('modern')
  expect(revisionOf(new Headers({ 'mcp-protocol-version': '2025-11-25' }), legacy)).toBe('legacy')
  expect(revisionOf(new Headers(), legacy)).toBe('legacy')
})

test('a modern body with headers that contradict it is never taken for legacy', () => {
  for (const headers of [
    { ...right, 'mcp-name': 'a__other' },
    { ...right, 'mcp-method': 'tools/list' },
  ])
    expect(revisionOf(new Headers(headers), modern)).not.toBe('legacy')
})

test.each([
  [right, true],
  [{ ...right, 'mcp-name': ' a__b ' }, true],
  [{ ...right, 'mcp-name': 'a__other' }, false],
  [{ ...right, 'mcp-method': 'tools/list' }, false],
  [{ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call' }, false],
  [{ 'mcp-method': 'tools/call', 'mcp-name': 'a__b' }, false],
])('headers %j agree: %s', (headers, expected) => {
  expect(headersAgree(new Headers(headers), modern)).toBe(expected)
})

test('a method that names nothing needs no Mcp-Name', () => {
  const headers = new Headers({ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' })
  expect(headersAgree(headers, { jsonrpc: '2.0', id: 1, method: 'tools/list' })).toBe(true)
})
