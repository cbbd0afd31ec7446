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
  tool('cascade_restart', { keywords: 'unhealthy', acts: true }),
  tool('uptime', { description: 'Minutes for which services were unhealthy' }),
  tool('price_query', { tags: 'markets' }),
  tool('get_pnl'),
  tool('list_symbols'),
])
const names = (query: string, limit = 10) => index.search(query, limit).map(({ name }) => name.slice(3))

test('a tool that changes something follows all others, unless the query is a command or begins with its verb', () => {
  expect(names('which services are unhealthy')[0]).toBe('uptime')
  expect(names('which services are unhealthy').slice(1).sort()).toEqual([
    'cascade_restart',
    'restart_server',
    'scale_service',
  ])
  expect(names('services unhealthy', 1)).toEqual(['uptime'])
  expect(names('restart the unhealthy services')[0]).toBe('restart_server')
  // Not a verb that the search knows, but the tool's own.
  expect(names('cascade unhealthy services')[0]).toBe('cascade_restart')
  expect(names('unhealthy cascade services')[0]).toBe('uptime')
})

test('the tool of a connected server: its own verb counts, and reads that hardly match do not precede it', () => {
  const connected = new ToolIndex([
    tool('files__echo_note', { acts: true, description: 'Returns a note of the folder' }),
    tool('price_query', { parameters: 'the folder' }),
    tool('note_list'),
  ])
  const first = (query: string) => connected.search(query, 3)[0]?.name
  expect(first('echo the note')).toBe('s__files__echo_note')
  expect(first('note of the folder')).toBe('s__note_list')
  expect(connected.search('note of the folder', 3).map(({ name }) => name)[1]).toBe('s__files__echo_note')
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
