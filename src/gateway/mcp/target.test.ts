/** The service to which a request is sent. */
import { expect, test } from 'vitest'
import { definitionsOf, directoryOf, listingOf } from '../../../test/support/definitions.ts'
import { MetaTools, unknownTool } from './meta-tools.ts'
import { targetOf } from './target.ts'
import { selectionOf } from './tool-selection.ts'

const item = { title: 't', description: 'd' }
const mimeType = 'text/plain'
const directory = directoryOf({
  vault: definitionsOf({
    tools: [listingOf('pay', 'spend'), listingOf('look', 'read')],
    prompts: [{ ...item, name: 'greet', arguments: [] }],
    resources: [{ ...item, name: 'state', uri: 'vault://state', mimeType }],
    resourceTemplates: [{ ...item, name: 'entry', uriTemplate: 'vault://entry/{id}', mimeType }],
  }),
  zoo: definitionsOf({ resources: [{ ...item, name: 'state', uri: 'vault://state', mimeType }] }),
})
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
const withTasks = { [CAPABILITIES]: { extensions: { 'io.modelcontextprotocol/tasks': {} } } }
const locate = (method: string, params: Record<string, unknown>, path = '/mcp') =>
  targetOf({ jsonrpc: '2.0', id: 1, method, params }, selectionOf(`http://localhost${path}`), directory)

test('a tool by its full name, by its own name at its server, and by the meta tool', () => {
  const expected = {
    service: 'vault',
    what: 'pay',
    effect: 'spend',
    guarded: false,
    params: { name: 'pay', arguments: { to: 'ada' } },
    name: 'pay',
    schema: { type: 'object' },
  }
  const args = { to: 'ada' }
  expect(locate('tools/call', { name: 'vault__pay', arguments: args })).toEqual(expected)
  expect(locate('tools/call', { name: 'pay', arguments: args }, '/mcp/vault')).toEqual(expected)
  expect(
    locate('tools/call', { name: 'call_tool', arguments: { name: 'vault__pay', arguments: args } }),
  ).toEqual(expected)
})

test('search, descriptions and lists are answered by the gateway', () => {
  for (const name of ['search_tools', 'describe_tool'])
    expect(locate('tools/call', { name, arguments: {} })).toBeUndefined()
  for (const method of ['tools/list', 'initialize', 'toString']) expect(locate(method, {})).toBeUndefined()
})

test('a meta tool is a tool like any other at a single server', () => {
  expect(() => locate('tools/call', { name: 'call_tool' }, '/mcp/vault')).toThrow('unknown tool')
})

test('prompts, resources, templates and completions', () => {
  const read = { service: 'vault', effect: 'read', guarded: false }
  expect(locate('prompts/get', { name: 'vault__greet' })).toEqual({
    ...read,
    what: 'prompts/get',
    params: { name: 'greet' },
    name: 'greet',
  })
  expect(locate('resources/read', { uri: 'vault://entry/7' })).toMatchObject({
    service: 'vault',
    name: 'vault://entry/7',
  })
  const second = 'kintsugi://zoo/vault%3A%2F%2Fstate'
  expect(locate('resources/read', { uri: second })).toMatchObject({ service: 'zoo', name: 'vault://state' })
  expect(locate('resources/read', { uri: 'vault://state' }, '/mcp/zoo')).toMatchObject({ service: 'zoo' })
  const prompt = { ref: { type: 'ref/prompt', name: 'vault__greet' } }
  expect(locate('completion/complete', prompt)).toMatchObject({
    params: { ref: { type: 'ref/prompt', name: 'greet' } },
    name: undefined,
  })
  const template = { ref: { type: 'ref/resource', uri: 'vault://entry/{id}' } }
  expect(locate('completion/complete', template)).toMatchObject({ service: 'vault' })
})

test.each([
  ['tools/call', { name: 'vault__nothing' }, 'unknown-tool'],
  ['tools/call', { name: 'call_tool', arguments: {} }, 'bad-argument'],
  ['prompts/get', { name: 'vault__nothing' }, 'not-found'],
  ['resources/read', { uri: 'nobody://has' }, 'not-found'],
  ['completion/complete', { ref: { type: 'ref/resource', uri: 'nobody://{x}' } }, 'not-found'],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'x' } }, 'not-found'],
  ['tasks/get', { taskId: 'nothing', _meta: withTasks }, 'not-found'],
] as const)('%s of something unknown: %j is refused with %s', (method, params, code) => {
  expect(() => locate(method, params)).toThrow(expect.objectContaining({ code }))
})

test("a task goes to the service that its id names, and is unknown at another server's address", () => {
  const taskId = 'vault.00000000-0000-0000-0000-000000000001'
  const params = { taskId, _meta: withTasks }
  for (const path of ['/mcp', '/mcp/vault'])
    expect(locate('tasks/get', params, path)).toMatchObject({ service: 'vault', name: taskId })
  expect(() => locate('tasks/get', params, '/mcp/zoo')).toThrow(
    expect.objectContaining({ code: 'not-found' }),
  )
})

test('a client without support for tasks gets the error of the protocol', () => {
  expect(() => locate('tasks/get', { taskId: 'x' })).toThrow(expect.objectContaining({ code: -32021 }))
})

test('an unknown tool is answered with the most similar names', () => {
  expect(unknownTool('pay', directory)).toMatchObject({
    code: 'unknown-tool',
    message: 'unknown tool "pay"',
    hint: expect.stringContaining('did you mean vault__pay?'),
  })
  expect(unknownTool('vault__paj', directory).hint).toContain('did you mean vault__pay?')
  for (const name of ['constructor', 'toString', '__proto__']) {
    const call = { name: 'call_tool', arguments: { name, arguments: {} } }
    for (const params of [{ name }, call])
      expect(() => locate('tools/call', params)).toThrow(expect.objectContaining({ code: 'unknown-tool' }))
    expect(() => new MetaTools(directory).describe(name)).toThrow(
      expect.objectContaining({ code: 'unknown-tool' }),
    )
  }
  expect(unknownTool('something else', directory).hint).not.toContain('did you mean')
})
