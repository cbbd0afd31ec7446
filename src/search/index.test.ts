import { expect, test } from 'vitest'
import { type SearchableTool, ToolIndex } from './index.ts'

const tool = (name: string, change: Partial<SearchableTool> = {}): SearchableTool => ({
  name: `s__${name}`,
  service: 's',
  tool: name,
  description: '',
  keywords: '',
  parameters: '',
  tags: '',
  acts: false,
  ...change,
})
const index = new ToolIndex([
  tool('scale_service', { keywords: 'unhealthy services', acts: true }),
  tool('restart_server', { keywords: 'unhealthy', acts: true }),
  tool('uptime', { description: 'Minutes for which services were unhealthy' }),
  tool('price_query', { tags: 'markets' }),
  tool('get_pnl'),
  tool('list_symbols'),
])
const names = (query: string, limit = 10) => index.search(query, limit).map(({ name }) => name.slice(3))

test('a tool that changes something follows all others, unless the query is a command or begins with its verb', () => {
  expect(names('which services are unhealthy')[0]).toBe('uptime')
  expect(names('which services are unhealthy').slice(1).sort()).toEqual(['restart_server', 'scale_service'])
  expect(names('services unhealthy', 1)).toEqual(['uptime'])
  expect(names('restart the unhealthy services')[0]).toBe('restart_server')
  expect(names('scale unhealthy services')[0]).toBe('scale_service')
})

test('words match by stem, prefix, typing error, synonym and tag', () => {
  for (const query of ['prices', 'pric', 'what is it worth', 'markets'])
    expect([query, names(query)[0]]).toEqual([query, 'price_query'])
  expect(names('earnings')[0]).toBe('get_pnl')
  expect(names('sumbols')[0]).toBe('list_symbols')
})

test('at most as many as requested, best first; nothing for nothing', () => {
  const found = index.search('unhealthy services', 2)
  expect(found).toHaveLength(2)
  expect(['', 'the of', 'asdfgh'].flatMap((query) => index.search(query, 5))).toEqual([])
})
