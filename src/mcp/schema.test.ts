import { expect, test } from 'vitest'
import * as z from 'zod'
import { harness } from '../../test/support/harness.ts'
import { defineServer } from './define.ts'
import { amount, at, maybeAt, page, paged, paginate, rounded, time, token, tokenAmount } from './fields.ts'
import { toToolResult } from './host/tool-result.ts'
import { checkAnswer, listTool } from './schema.ts'
import { summaryOf } from './summary.ts'

const server = defineServer({
  id: 'test_server',
  needs: ['market'],
  tools: ({ read, write, spend }) => ({
    sell: read({
      description: 'sells',
      input: {
        from: token(),
        amount: amount('from'),
        policy: z
          .object({ min: z.int().default(1), more: z.array(z.object({ a: z.int() })).default([]) })
          .optional(),
      },
      output: { raw: z.bigint().or(z.string()), policy: z.unknown() },
      examples: [{ from: 'WETH', amount: '1 WETH' }],
      run: ({ amount: raw, policy }) => ({ raw, policy: policy ?? null }),
    }),
    priced: read({
      description: 'answers with an amount',
      input: { limit: z.int().min(1) },
      output: { amount: tokenAmount() },
      examples: [{ limit: 1 }],
      run: (_input, { market }) => ({ amount: market.amount(market.manifest.numeraire, 1n) }),
    }),
    lie: read({
      description: 'answers against its schema',
      input: { extra: z.boolean().default(false) },
      output: { count: z.int(), inner: z.object({ name: z.string() }) },
      examples: [{}],
      run: ({ extra }) =>
        ({ count: extra ? 1 : 'one', inner: { name: 'n', ...(extra ? { undeclared: 1 } : {}) } }) as never,
    }),
    stop: write({
      description: 'stops',
      destructive: true,
      input: {},
      output: {},
      examples: [{}],
      run: () => ({}),
    }),
    set: write({
      description: 'sets',
      idempotent: true,
      input: {},
      output: {},
      examples: [{}],
      run: () => ({}),
    }),
    connect: write({
      description: 'connects',
      openWorld: true,
      input: {},
      output: {},
      examples: [{}],
      run: () => ({}),
    }),
    pay: spend({ description: 'pays', input: {}, output: {}, examples: [{}], run: () => ({}) }),
  }),
})

test.each([
  ['1500000000000000000', '1500000000000000000'],
  ['1.5', '1500000000000000000'],
  ['1.5 WETH', '1500000000000000000'],
  ['2 ETH', '2000000000000000000'],
  ['2ETH', '2000000000000000000'],
  [' 7 ', '7'],
])('%s of WETH is %s in smallest units', async (text, raw) => {
  const { call } = await harness(server)
  expect((await call('sell', { from: 'WETH', amount: text })).raw).toBe(raw)
  const usdc = text.includes('ETH') ? undefined : (await call('sell', { from: 'USDC', amount: text })).raw
  if (text === '1.5') expect(usdc).toBe('1500000')
})

test.each([
  ['1.5 USDC', 'expected an amount of WETH'],
  ['0.0000000000000000001', 'at most 18 decimals'],
  ['-1', 'expected smallest units'],
  ['ten', 'expected smallest units'],
  ['1e18', 'expected an amount of WETH: smallest units'],
  ['0', 'expected more than 0'],
  ['10.', 'expected smallest units'],
])('%s of WETH is refused, naming the field: %s', async (text, message) => {
  const { refusal } = await harness(server)
  const error = await refusal('sell', { from: 'WETH', amount: text })
  expect([error.code, error.message]).toEqual(['bad-argument', expect.stringContaining('amount')])
  expect(error.message).toContain(message)
})

test('an amount without a token that is known is refused, not misread', async () => {
  const { refusal } = await harness(server)
  expect((await refusal('sell', { from: 'NOPE', amount: '1 ETH' })).code).toBe('unknown-symbol')
  expect((await refusal('sell', { from: 7, amount: '1 ETH' })).code).toBe('bad-argument')
})

test('inputs are strict at every depth: a nested typo is named, with a suggestion at the top', async () => {
  const { refusal, call } = await harness(server)
  const ok = { from: 'WETH', amount: '1' }
  expect((await refusal('sell', { ...ok, policy: { mn: 5 } })).message).toContain('policy.mn: unknown field')
  expect((await refusal('sell', { ...ok, policy: { more: [{ a: 1, b: 2 }] } })).message).toContain(
    'policy.more.0.b',
  )
  expect((await refusal('sell', { ...ok, frm: 'WETH' })).message).toContain('did you mean from?')
  expect((await call('sell', { ...ok, policy: { min: 5 } })).policy).toEqual({ min: 5, more: [] })
  const { inputSchema } = listTool('sell', server.tools.sell as never)
  const policy = (inputSchema.properties as Record<string, Record<string, unknown>>).policy
  expect([inputSchema.additionalProperties, policy?.additionalProperties]).toEqual([false, false])
})

test('an answer that does not match its schema, or has undeclared fields, is a fault', async () => {
  const { refusal } = await harness(server)
  expect((await refusal('lie')).message).toContain('count')
  expect((await refusal('lie', { extra: true })).message).toContain('inner.undeclared')
  expect(() =>
    checkAnswer('lie', server.tools.lie as never, { count: 1, inner: { name: 'n' } }),
  ).not.toThrow()
})

test('annotations come from declared facts', () => {
  const hints = (name: string) => Object.values(listTool(name, server.tools[name] as never).annotations)
  // readOnly, destructive, idempotent, openWorld
  expect(hints('sell')).toEqual([true, false, true, false])
  expect(hints('stop')).toEqual([false, true, false, false])
  expect(hints('set')).toEqual([false, false, true, false])
  expect(hints('connect')).toEqual([false, false, false, true])
  expect(hints('pay')).toEqual([false, true, false, true])
})

test('pages cover a list once, and say how long it is', () => {
  const all = [1, 2, 3, 4, 5]
  expect(paginate('items', all, { limit: 2, offset: 0 })).toEqual({ total: 5, nextOffset: 2, items: [1, 2] })
  expect(paginate('items', all, { limit: 2, offset: 4 })).toEqual({ total: 5, nextOffset: null, items: [5] })
  expect(paginate('items', all, { limit: 2, offset: 9 })).toEqual({ total: 5, nextOffset: null, items: [] })
  const schema = z.object({ ...page(10, 3), ...paged('items', z.int()) })
  expect(schema.safeParse({ ...paginate('items', all, { limit: 2, offset: 0 }) }).data).toMatchObject({
    limit: 3,
    offset: 0,
  })
})

test('times are milliseconds and ISO text; numbers carry no float noise', () => {
  expect(at('seen', 1_795_507_200_000.4)).toEqual({
    seen: 1_795_507_200_000,
    seenIso: '2026-11-24T08:00:00.000Z',
  })
  expect(maybeAt('seen', null)).toEqual({ seen: null, seenIso: null })
  expect(z.object(time('seen')).safeParse(at('seen', 5)).success).toBe(true)
  expect([rounded(2264.3439999995753), rounded(0.1 + 0.2), rounded(1e-9 / 3)]).toEqual([
    2264.34, 0.3, 3.33333e-10,
  ])
})

test('the text of an answer is the answer itself if it is short, and a summary if it is long', () => {
  expect(summaryOf({ price: 5 })).toBe('{"price":5}')
  const rows = Array.from({ length: 100 }, (_, index) => ({ index, name: `row ${index}` }))
  const text = summaryOf({ total: 100, rows, empty: [] })
  expect(text).toContain('total: 100')
  expect(text).toContain('rows: 100\n- index: 0, name: row 0\n- index: 1, name: row 1')
  expect(text).toContain('- and 90 more')
  expect(text).toContain('empty: none')
  expect(text.length).toBeLessThan(500)
})

test('published schemas carry no bounds of safe integers, and answers no patterns', () => {
  const sell = JSON.stringify(listTool('sell', server.tools.sell as never))
  expect(sell).not.toContain(String(Number.MAX_SAFE_INTEGER))
  // The pattern of an amount helps who writes one; the minimum of a field stays.
  expect(sell).toContain('"pattern"')
  const { outputSchema } = listTool('priced', server.tools.priced as never)
  expect(JSON.stringify(outputSchema)).not.toContain('pattern')
})

test('problems are worded plainly: the field, what was expected, what it got', async () => {
  const { refusal } = await harness(server)
  const message = async (args: Record<string, unknown>) => (await refusal('sell', args)).message
  expect(await message({ from: 'WETH', amount: 10 })).toContain('amount: expected text (got 10)')
  expect(await message({ amount: '1' })).toContain('from: missing; expected text (got nothing)')
  expect(await message({ from: '', amount: '1' })).toContain('from: expected at least 1 characters (got "")')
  expect((await refusal('priced', { limit: 0 })).message).toContain('limit: expected at least 1 (got 0)')
  expect((await refusal('priced', { limit: 1.5 })).message).toContain(
    'limit: expected a whole number (got 1.5)',
  )
  expect(await message({ from: 'WE\0TH', amount: '1' })).toContain('from: expected text without NUL')
  const nested = await refusal('sell', { from: 'WETH', amount: '1', policy: { more: [{ a: 'x' }] } })
  expect(nested.message).toContain('policy.more.0.a: expected a number (got "x")')
  expect(nested.data).toEqual({
    fields: [{ field: 'policy.more.0.a', expected: 'expected a number', got: '"x"' }],
  })
})

test('an integer that was probably meant in whole tokens is pointed out, in answers too', async () => {
  const { hosted } = await harness(server)
  const caller = { name: 'spec', scopes: ['read'] }
  const text = async (amount: string) => {
    const result = await toToolResult(() => hosted.call('sell', { from: 'WETH', amount }, caller))
    return (result.content as { text: string }[])[0]?.text
  }
  expect(await text('10')).toContain(
    '10 smallest units of WETH are 0.00000000000000001 WETH; for whole tokens write "10 WETH"',
  )
  expect(await text('10 WETH')).not.toContain('Note')
})
