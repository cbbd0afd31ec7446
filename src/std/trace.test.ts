import { expect, test } from 'vitest'
import { nextTraceparent, traceOf } from './trace.ts'

test('a trace continues from hop to hop, and an invalid traceparent starts a new one', () => {
  const first = nextTraceparent(undefined)
  expect(first).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  const second = nextTraceparent(first)
  expect(traceOf(second)).toBe(traceOf(first))
  expect(second).not.toBe(first)
  for (const nonsense of [
    '',
    'x',
    7,
    null,
    `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`,
    `ff-${'a'.repeat(32)}-${'1'.repeat(16)}-01`,
  ])
    expect(traceOf(nonsense)).toBeNull()
})
