/** Service names: accepted forms, and suggestions. */
import { expect, test } from 'vitest'
import { serviceNamed } from './service-name.ts'

const known = ['mcp_price_feed_server', 'real_time_price_mcp', 'mcp-health-check', 'hub', 'hub_mirror']

test('exact names, - for _, and parts that fit one service only are accepted', () => {
  expect(serviceNamed('hub', known)).toBe('hub')
  expect(serviceNamed('mcp_health_check', known)).toBe('mcp-health-check')
  expect(serviceNamed('PRICE-FEED', known)).toBe('mcp_price_feed_server')
})

test('an ambiguous part and an unknown name are refused with a few suggestions', () => {
  expect(() => serviceNamed('price', known)).toThrow(
    'the service name "price" is ambiguous: mcp_price_feed_server, real_time_price_mcp',
  )
  expect(() => serviceNamed('mcp_price_fed_server', known)).toThrow(
    /^unknown service "mcp_price_fed_server"; did you mean mcp_price_feed_server/,
  )
  expect(() => serviceNamed('xyz', known)).toThrow(/^unknown service "xyz"$/)
  const many = Array.from({ length: 30 }, (_, index) => `server_${index}`)
  expect(() => serviceNamed('server_', many)).toThrow(/: server_0, server_1, server_2, and 27 more$/)
})
