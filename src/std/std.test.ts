import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffDelay } from './backoff.ts'
import { KintsugiError, messageOf, toErrorReport } from './errors.ts'
import { decodeJson, encodeJson, toPlain } from './json.ts'
import { pareto, seededRandom } from './random.ts'

test('internal JSON keeps bigints; plain JSON has decimal strings', () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.string(), (value, text) => {
      const original = { value, list: [value, 1, null], text: `s${text}` }
      expect(decodeJson(encodeJson(original))).toEqual(original)
    }),
  )
  const hostile = decodeJson<object>('{"__proto__":{"a":"5n"},"constructor":"7n"}')
  expect(Object.entries(hostile)).toEqual([
    ['__proto__', { a: 5n }],
    ['constructor', 7n],
  ])
  expect(Object.getPrototypeOf(hostile)).toBe(Object.prototype)
  expect(decodeJson('["-1n","n","1n ","0x1n",null,[["2n"]],"3n"]')).toEqual([
    -1n,
    'n',
    '1n ',
    '0x1n',
    null,
    [[2n]],
    3n,
  ])
  expect(toPlain({ a: 12n, b: [3n], c: 'x' })).toEqual({ a: '12', b: ['3'], c: 'x' })
})

test('backoff: no delay, then doubling up to the maximum, less at most 20 % of jitter', () => {
  const backoff = { firstMs: 100, maxMs: 1_000 }
  expect([0, 1, 2, 3, 4, 9].map((attempt) => backoffDelay(attempt, backoff, () => 0))).toEqual([
    0, 100, 200, 400, 800, 1_000,
  ])
  expect(backoffDelay(2, backoff, () => 1)).toBe(160)
})

test('error reports keep code, message, hint, retry and data', () => {
  expect(
    toErrorReport(new KintsugiError('conflict', 'what', { hint: 'do', retry: 'now', data: { a: 1 } })),
  ).toEqual({
    code: 'conflict',
    message: 'what',
    hint: 'do',
    retry: 'now',
    data: { a: 1 },
  })
  expect(toErrorReport('thrown text')).toEqual({ code: 'internal', message: 'thrown text', retry: 'later' })
  expect(messageOf(new AggregateError([new Error('a'), new Error('b')]))).toBe('a; b')
})

test('the same seed gives the same numbers; Pareto numbers have the tail of their exponent', () => {
  const [first, second] = [seededRandom(42), seededRandom(42)]
  expect(Array.from({ length: 5 }, first)).toEqual(Array.from({ length: 5 }, second))
  const random = seededRandom(1)
  const draws = Array.from({ length: 20_000 }, () => pareto(random, 1, 1.2))
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(1)
  // P(X > 10) is 10^-1.2, about 6.3 %.
  expect(draws.filter((value) => value > 10).length / draws.length).toBeCloseTo(10 ** -1.2, 2)
})
