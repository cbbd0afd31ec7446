import { beforeEach, expect, test, vi } from 'vitest'
import { definitionsOf, listingOf, toolListing } from '../../../test/support/definitions.ts'
import { type Harness, harness, World } from '../../../test/support/harness.ts'
import type { ServiceDefinitions } from '../../ports/definitions.ts'
import { ToolIndex } from '../../search/index.ts'
import server from './organize_mcp_servers.ts'

const PRICES = definitionsOf({
  tools: [
    toolListing('price_query', {
      description: 'The price of a token.',
      inputSchema: {
        type: 'object',
        properties: { token: { type: 'string' }, at: { type: 'integer' } },
        required: ['token'],
      },
    }),
    toolListing('list_symbols'),
  ],
  keywords: { list_symbols: 'which coins exist' },
})
const MANAGER = definitionsOf({
  tools: [listingOf('restart_server', 'write'), toolListing('server_status')],
})
const BASE = definitionsOf({ tools: [toolListing('test_price')] })

let world: World
let h: Harness
const publish = (services: Record<string, ServiceDefinitions>) =>
  world.bus.set(
    'gateway:definitions',
    Object.fromEntries(
      Object.entries(services).map(([id, definitions]) => [id, { process: '1', definitions }]),
    ),
  )
const fleet = { mcp_price_feed_server: PRICES, mcp_server_manager: MANAGER, mcp_server_base: BASE }
beforeEach(async () => {
  world = new World()
  h = await harness(server, { world })
  await publish(fleet)
})
const names = async (query: string, more = {}) =>
  (await h.call('search_tools', { query, ...more })).tools.map(({ name }: { name: string }) => name)

test('search_tools: by name, description and keywords; tools that test the protocol only by their group', async () => {
  const { tools, searched, total } = await h.call('search_tools', { query: 'price' })
  expect([searched, total]).toEqual([4, 2])
  expect(tools[0]).toMatchObject({
    name: 'mcp_price_feed_server__price_query',
    description: 'The price of a token.',
    arguments: 'token: string, at?: integer',
    effect: 'read',
  })
  expect((await names('which coins exist'))[0]).toBe('mcp_price_feed_server__list_symbols')
  expect(await names('price', { group: 'development' })).toEqual(['mcp_server_base__test_price'])
  expect(await names('price', { group: 'nowhere' })).toEqual([])
})

test('search_tools: a write comes first only for a command', async () => {
  const restart = 'mcp_server_manager__restart_server'
  expect((await names('server')).indexOf(restart)).toBe(1)
  expect((await names('which server needs a restart'))[0]).toBe('mcp_server_manager__server_status')
  expect((await names('restart a server')).indexOf(restart)).toBe(0)
  expect(await h.call('search_tools', { query: 'server', limit: 1 })).toMatchObject({
    total: 4,
    nextOffset: 1,
  })
})

test('search_tools: an index is kept until a definition or a tag changes', async () => {
  const searches = vi.spyOn(ToolIndex.prototype, 'search')
  const used = async () => {
    await names('price')
    return searches.mock.contexts.at(-1)
  }
  const first = await used()
  expect(await used()).toBe(first)
  await h.call('tag_server', { server: 'mcp_price_feed_server', tags: ['quotes'] })
  const second = await used()
  expect(second).not.toBe(first)
  await publish({ ...fleet, mcp_server_manager: definitionsOf({ tools: [toolListing('price_alert')] }) })
  expect(await used()).not.toBe(second)
  expect(await names('price')).toContain('mcp_server_manager__price_alert')
  searches.mockRestore()
})

test('tag_server: tags are found, make groups and are published; an empty list removes them', async () => {
  const published: unknown[] = []
  world.bus.subscribe('server-tags', (tags) => published.push(tags))
  const tag = (server: string, tags: string[]) => h.call('tag_server', { server, tags })
  expect(await tag('mcp_price_feed_server', ['quotes', 'quotes', 'live'])).toEqual({
    server: 'mcp_price_feed_server',
    tags: ['quotes', 'live'],
  })
  await tag('mcp_server_manager', ['live'])
  expect(published).toEqual([
    { mcp_price_feed_server: ['quotes', 'live'] },
    { mcp_price_feed_server: ['quotes', 'live'], mcp_server_manager: ['live'] },
  ])
  expect(await names('status', { group: 'quotes' })).toEqual([])
  expect(await names('server status', { group: 'live' })).toContain('mcp_server_manager__server_status')
  expect((await names('quotes')).sort()).toEqual([
    'mcp_price_feed_server__list_symbols',
    'mcp_price_feed_server__price_query',
  ])
  await tag('mcp_price_feed_server', [])
  expect(await world.ledger.setting('server-tags')).toEqual({ mcp_server_manager: ['live'] })
  expect((await h.refusal('tag_server', { server: 'mcp_price_feed_serve', tags: [] })).hint).toContain(
    'mcp_price_feed_server',
  )
})

test('list_groups: categories of the catalogue first, then tags, with their servers and tools', async () => {
  const trading = { group: 'trading', kind: 'category', servers: ['mcp_price_feed_server'], tools: 2 }
  const { groups } = await h.call('list_groups')
  expect(groups).toContainEqual(trading)
  expect(groups.map(({ tools }: { tools: number }) => tools).sort()).toEqual([1, 2, 2])
  for (const id of ['mcp_price_feed_server', 'mcp_server_base'])
    await h.call('tag_server', { server: id, tags: ['a-first'] })
  const tagged = (await h.call('list_groups')).groups
  expect(tagged.at(-1)).toEqual({
    group: 'a-first',
    kind: 'tag',
    servers: ['mcp_price_feed_server', 'mcp_server_base'],
    tools: 3,
  })
  expect(tagged).toContainEqual(trading)
})

test('tool_schema: the listing under its full name; a misspelt name gets a suggestion', async () => {
  const schema = async (name: string) => (await h.call('tool_schema', { name })).definition
  expect(await schema('mcp_price_feed_server__price_query')).toEqual({
    ...PRICES.tools[0],
    name: 'mcp_price_feed_server__price_query',
  })
  expect((await schema('mcp_server_manager__restart_server'))._meta['kintsugi/effect']).toBe('write')
  expect(await h.refusal('tool_schema', { name: 'price_qurey' })).toMatchObject({
    code: 'unknown-tool',
    hint: expect.stringContaining('mcp_price_feed_server__price_query'),
  })
  for (const name of ['constructor', 'toString', '__proto__'])
    expect((await h.refusal('tool_schema', { name })).code).toBe('unknown-tool')
})

test('before a gateway published definitions, the service is not ready, and every tool refuses until later', async () => {
  const early = await harness(server)
  const { unready } = early.state as { unready(): string | undefined }
  const reason = () => unready.call(early.state)
  expect(reason()).toContain('coordination_system has not published them')
  for (const [tool, args] of [
    ['search_tools', { query: 'x' }],
    ['list_groups', {}],
    ['tool_schema', { name: 'x' }],
    ['tag_server', { server: 'x', tags: [] }],
  ] as const)
    expect(await early.refusal(tool, args)).toMatchObject({ code: 'not-ready', retry: 'later' })
  await early.world.bus.set('gateway:definitions', {})
  expect(reason()).toBeUndefined()
  expect(await early.call('list_groups')).toMatchObject({ groups: [] })
})

test('published definitions stay available while the bus is away', async () => {
  vi.spyOn(world.bus, 'get').mockRejectedValue(new Error('away'))
  expect(await names('which coins exist')).toContain('mcp_price_feed_server__list_symbols')
})
