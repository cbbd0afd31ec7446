import { expect, test } from 'vitest'
import { lists, listsTool, PROFILES, selectionOf, selects } from './tool-selection.ts'

const at = (path: string) => selectionOf(`http://localhost:8000${path}`)

test('an address selects tools', () => {
  expect(at('/mcp')).toEqual({ kind: 'search', pinned: [], includeTest: false })
  expect(at('/mcp?tools=search')).toEqual(at('/mcp'))
  expect(at('/mcp?tools=all')).toEqual({ kind: 'all', includeTest: false })
  expect(at('/mcp?tools=all&include=test')).toEqual({ kind: 'all', includeTest: true })
  expect(at('/mcp/my%2Dserver')).toEqual({ kind: 'server', server: 'my-server' })
  expect(at('/mcp?profile=operator')).toMatchObject({ kind: 'search', pinned: PROFILES.operator?.pinned })
})

test.each([
  ['/mcp?tools=some', 'tools: expected all or search (got "some")'],
  ['/mcp?include=all', 'include: expected test (got "all")'],
  ['/mcp?profile=toString', 'profile: expected one of default, trading, operator (got "toString")'],
])('%s is refused', (path, message) => {
  expect(() => at(path)).toThrow(message)
})

test('servers that only test the protocol are listed on request, and can always be used', () => {
  const listed = (path: string) => listsTool(at(path), 'mcp_server_base', 'mcp_server_base__test_x')
  expect(['/mcp', '/mcp?tools=all', '/mcp/other'].map(listed)).toEqual([false, false, false])
  expect(['/mcp?tools=all&include=test', '/mcp/mcp_server_base'].map(listed)).toEqual([true, true])
  expect(lists(at('/mcp'), 'mcp_server_base', 'mcp_server_base__test_prompt')).toBe(false)
  expect(selects(at('/mcp'), 'mcp_server_base', 'mcp_server_base__test_x')).toBe(true)
})

test('a profile lists what it pins, by name or by server', () => {
  const listed = (service: string, tool: string) =>
    listsTool(at('/mcp?profile=trading'), service, `${service}__${tool}`)
  expect(listed('mcp_price_feed_server', 'price_query')).toBe(true)
  expect(listed('mcp_price_feed_server', 'price_history')).toBe(false)
  expect(listed('mcp_arbitrage_server', 'anything')).toBe(true)
  expect(lists(at('/mcp?profile=trading'), 'mcp_price_feed_server', 'mcp_price_feed_server__p')).toBe(true)
})

test('a connected server is selected by the prefix of its items', () => {
  const files = at('/mcp/files')
  expect(selects(files, 'mcp_integration_bridge', 'files__read')).toBe(true)
  expect(selects(files, 'mcp_integration_bridge', 'memory__read')).toBe(false)
  expect(listsTool(files, 'mcp_integration_bridge', 'files__read')).toBe(true)
})
