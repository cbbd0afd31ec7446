/** Parameters of the REST API: only those of the OpenAPI document, once each, within their range. */
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { InMemoryLedger } from '../../../test/support/in-memory-ledger.ts'
import { toErrorReport } from '../../std/errors.ts'
import { apiRoutes } from './routes.ts'

async function request(path: string, init?: RequestInit) {
  const app = new Hono()
  app.onError((error, c) => c.json(toErrorReport(error), 400))
  app.use(async (c, next) => {
    c.set('caller', { name: 'operator', scopes: ['spend'] })
    await next()
  })
  const sources = { ledger: new InMemoryLedger(), manifest: () => undefined }
  const approvals = { list: async () => [] }
  apiRoutes(app, { access: {}, sources, approvals, mode: 'local', now: () => 1_800_000_000_000 } as never)
  const response = await app.request(path, init)
  const { code, message, hint } = (await response.json()) as Record<string, string>
  return { status: response.status, code, message, hint }
}

test.each([
  ['/trades?foo=1', 'foo: unknown parameter', 'parameters: limit, offset, chain'],
  ['/trades?limt=1', 'limt: unknown parameter', 'did you mean limit?'],
  ['/status?limit=1', 'limit: unknown parameter', 'this path has no parameters'],
  ['/openapi.json?x', 'x: unknown parameter', 'this path has no parameters'],
  ['/trades?chain=polygon', 'chain: expected current (got "polygon")', undefined],
  ['/trades?limit=2&limit=3', 'limit: expected one value (got "2", "3")', undefined],
  ['/paper-trades?limit=-1', 'limit: expected a whole number from 1 to 500 (got "-1")', undefined],
  ['/opportunities?limit=101', 'limit: expected a whole number from 1 to 100 (got "101")', undefined],
  ['/opportunities?offset=', 'offset: expected a whole number from 0 to 10000000 (got "")', undefined],
  ['/opportunities?verdict=no', 'verdict: expected trade, refuse (got "no")', undefined],
  ['/profit-series?range=7d', 'range: expected 1h, 24h, all (got "7d")', undefined],
  ['/opportunities/%00', String.raw`id: expected text without NUL characters (got "\u0000")`, undefined],
])('%s is refused: %s', async (path, message, hint) => {
  expect(await request(path)).toEqual({ status: 400, code: 'bad-argument', message, hint })
})

test.each(['/approvals/a%00b', '/restart/a%00b'])('NUL in the path of POST %s is refused', async (path) => {
  const refused = await request(path, { method: 'POST', body: '{}' })
  expect(refused).toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('without NUL characters'),
  })
})

test.each(['/trades?limit=2&offset=0&chain=current', '/opportunities?verdict=trade', '/profit-series'])(
  '%s is served',
  async (path) => {
    expect((await request(path)).status).toBe(200)
  },
)

test.each([
  ['/approvals/policy', '{"minutes":0}', 'minutes: expected at least 1 (got 0)'],
  ['/approvals/policy', '{"minute":5}', 'minute: unknown field, did you mean minutes? (got 5)'],
  ['/approvals/policy', '{"tools":["?"]}', 'tools.0: *, a server, or server__tool (got "?")'],
])('POST %s with %s is refused in plain words', async (path, body, message) => {
  const refused = await request(path, { method: 'POST', body })
  expect(refused).toMatchObject({ code: 'bad-argument', message })
})
