import { expect, test } from 'vitest'
import { META_LISTINGS, parseMeta } from './meta-tools.ts'

const name = 'mcp_price_feed_server__price_query'

test.each([
  [{ symbol: 'ETH' }, { symbol: 'ETH' }],
  ['{"symbol":"ETH"}', { symbol: 'ETH' }],
  [' {"a": {"b": [1]}} ', { a: { b: [1] } }],
  ['{}', {}],
  [undefined, {}],
])('call_tool accepts arguments %o as the object %o', (given, expected) => {
  expect(parseMeta('call_tool', { name, arguments: given })).toEqual({ name, arguments: expected })
})

test.each(['ETH', '[1]', '"ETH"', '{"symbol":', 'null', 5, [1], null])(
  'call_tool refuses arguments %o, which are no object',
  (given) => {
    expect(() => parseMeta('call_tool', { name, arguments: given })).toThrow(/^arguments: /)
  },
)

test('the listing of call_tool still offers arguments as an object', () => {
  const listing = META_LISTINGS.find((each) => each.name === 'call_tool')
  expect(listing?.inputSchema.properties).toMatchObject({ arguments: { type: 'object' } })
})

test.each([
  ['search_tools', { query: '' }, 'query: expected at least 1 characters (got "")'],
  ['search_tools', { query: 'a', limit: 99 }, 'limit: expected at most 20 (got 99)'],
  ['search_tools', {}, 'query: missing; expected text (got nothing)'],
  ['call_tool', { name, argument: {} }, 'argument: unknown field, did you mean arguments? (got {})'],
  ['call_tool', { name, arguments: 'ETH' }, 'arguments: expected an object (got "ETH")'],
] as const)('%s with %o is refused in plain words', (tool, given, message) => {
  expect(() => parseMeta(tool, given)).toThrow(message)
})
