import { expect, test } from 'vitest'
import { statusOf } from '../mcp/host/access.ts'
import { CODES, isCode } from './codes.ts'
import { errorFromReport, KintsugiError, toErrorReport } from './errors.ts'

// Frozen here, not imported: clients rely on these.
test.each([
  ['bad-argument', 400, 'never'],
  ['token-required', 401, 'never'],
  ['insufficient-scope', 403, 'never'],
  ['not-found', 404, 'never'],
  ['too-large', 413, 'never'],
  ['too-many-calls', 429, 'later'],
  ['nothing-pays', 422, 'later'],
  ['not-ready', 503, 'later'],
  ['market-not-ready', 503, 'later'],
  ['stopping', 503, 'later'],
  ['signer-unreachable', 503, 'later'],
  ['relay-unreachable', 503, 'later'],
  ['engine-unreachable', 503, 'later'],
  ['quota-used-up', 503, 'later'],
  ['not-running', 503, 'later'],
  ['deadline-exceeded', 504, 'later'],
  ['internal', 500, 'later'],
] as const)('%s is answered with status %i and retry %s', (code, status, retry) => {
  expect(statusOf(code)).toBe(status)
  expect(new KintsugiError(code, 'x').retry).toBe(retry)
})

test('an unreachable or unready dependency is always 503, so that clients wait and retry', () => {
  const codes = Object.keys(CODES).filter((code) => /-unreachable$|not-ready$/.test(code))
  expect(codes.length).toBeGreaterThan(8)
  for (const code of codes) expect([code, statusOf(code)]).toEqual([code, 503])
})

test('each code has a meaning of one sentence', () => {
  for (const [code, { meaning }] of Object.entries(CODES)) {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/)
    expect(meaning).toMatch(/^[A-Z].*\.$/)
  }
})

test('a report survives the way through another process; a foreign code becomes tool-failed', () => {
  const report = toErrorReport(new KintsugiError('no-loan', 'none', { hint: 'try less', data: { a: 1 } }))
  expect(toErrorReport(errorFromReport(report))).toEqual(report)
  expect(errorFromReport({ ...report, code: 'theirs' }).code).toBe('tool-failed')
  expect(isCode('toString')).toBe(false)
})
