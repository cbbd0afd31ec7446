import { expect, test } from 'vitest'
import { MAX_DEPTH, parseShallow, tooDeep } from './shallow-json.ts'

test('the depth of nesting ignores brackets in strings, also after escapes', () => {
  const nested = (depth: number, inner = '1') =>
    `${'[{"a":'.repeat(depth / 2)}${inner}${'}]'.repeat(depth / 2)}`
  expect(tooDeep(nested(MAX_DEPTH))).toBe(false)
  expect(tooDeep(nested(MAX_DEPTH + 2))).toBe(true)
  expect(parseShallow(JSON.stringify({ text: '[{'.repeat(200), quote: '"[[[\\"', list: [1] }))).toMatchObject(
    { list: [1] },
  )
  expect(() => parseShallow('['.repeat(1_000))).toThrow('nested deeper')
  expect(() => parseShallow('nonsense')).toThrow('not JSON')
})
