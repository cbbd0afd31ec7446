import { expect, test } from 'vitest'
import { allows, mayGrant, parseScope, ROLES } from './scopes.ts'

const call = (effect: 'read' | 'write' | 'spend', service = 'a', tool = 't') => ({ effect, service, tool })

test('a scope covers its effect and narrower ones, for the server or tool that it names only', () => {
  expect(allows(['read'], call('read'))).toBe(true)
  expect(allows(['read'], call('write'))).toBe(false)
  expect(allows(['spend'], call('write'))).toBe(true)
  expect(allows(['write:a'], call('read', 'a', 'x'))).toBe(true)
  expect(allows(['write:a'], call('write', 'b'))).toBe(false)
  expect(allows(['write:a__t'], call('write'))).toBe(true)
  expect(allows(['write:a__t'], call('write', 'a', 'other'))).toBe(false)
  expect(allows(['write:a__t'], { effect: 'write', service: 'a' })).toBe(false)
  expect(allows([], call('read'))).toBe(false)
  for (const nonsense of ['', '*', 'READ', 'read:', 'read:__t', 'admin', 'read:a__', 'write:a b'])
    expect(allows([nonsense], call('read'))).toBe(false)
})

test('server ids with hyphens and tools with underscores are distinguished', () => {
  expect(parseScope('read:mcp-health-check__health_history')).toEqual({
    effect: 'read',
    service: 'mcp-health-check',
    tool: 'health_history',
  })
  expect(parseScope('write:mcp_server_manager')).toEqual({
    effect: 'write',
    service: 'mcp_server_manager',
    tool: undefined,
  })
  expect(() => parseScope('everything')).toThrow(/expected read, write or spend/)
})

test('no token grants more than its issuer holds', () => {
  expect(mayGrant(['write'], ['read', 'write:a', 'write:a__t'])).toBe(true)
  expect(mayGrant(['write'], ['spend:a'])).toBe(false)
  expect(mayGrant(['write:a'], ['write'])).toBe(false)
  expect(mayGrant(['write:a__t'], ['write:a'])).toBe(false)
  for (const { scopes } of Object.values(ROLES))
    expect(mayGrant(ROLES.admin?.scopes ?? [], scopes)).toBe(true)
})
