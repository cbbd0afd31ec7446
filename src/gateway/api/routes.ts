/** The REST API, the same on the coordination system and behind the dashboard. */
import { Hono } from 'hono'
import { type AccessPolicy, authorize, checkOrigin, identify, statusOf } from '../../mcp/access.ts'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import { opportunityView, statusView, tradeView, type ViewSources } from '../views.ts'

export interface ApiOptions {
  id: string
  access: AccessPolicy
  sources: ViewSources
  readiness(): Promise<string | undefined>
  now(): number
  startedAt: number
}

/** An app with the checks that every address gets, health and readiness, and nothing else yet. */
export function guardedApp({ id, access, readiness, now, startedAt, sources }: ApiOptions): Hono {
  const app = new Hono()
  app.onError((error, c) => {
    const report = toErrorReport(error)
    if (report.code === 'token-required' || report.code === 'bad-token') c.header('WWW-Authenticate', 'Bearer realm="kintsugi"')
    return c.json({ error: report }, statusOf(report.code))
  })
  app.notFound((c) => c.json({ error: { code: 'not-found', message: `no such address: ${c.req.path.slice(0, 200)}`, hint: 'see docs/api.md', retry: 'never' } }, 404))
  app.use(async (c, next) => {
    checkOrigin(access, c.req.raw.headers)
    await next()
  })
  app.get('/health', (c) => c.json({ status: 'ok', service: id, kind: 'main', version: sources.version, uptimeSeconds: Math.round((now() - startedAt) / 1_000) }))
  app.get('/ready', async (c) => {
    const reason = await readiness()
    return reason === undefined ? c.json({ ready: true, service: id }) : c.json({ ready: false, reason, service: id }, 503)
  })
  app.use(async (c, next) => {
    authorize(access, identify(access, c.req.raw.headers))
    await next()
  })
  return app
}

/** Adds what can be read, and the restart. */
export function apiRoutes(app: Hono, { access, sources }: ApiOptions): void {
  const { ledger, fleet, manifest } = sources
  app.get('/status', async (c) => c.json(await statusView(sources)))
  app.get('/servers', async (c) => c.json({ servers: (await statusView(sources)).servers }))
  app.get('/agents', async (c) => c.json({ agents: (await statusView(sources)).agents }))
  app.get('/trades', async (c) => {
    const genesis = c.req.query('chain') === 'current' ? manifest()?.genesis : undefined
    const trades = await ledger.trades({
      limit: whole(c.req.query('limit'), 'limit', 1, 10_000, 100),
      offset: whole(c.req.query('offset'), 'offset', 0, 10_000_000, 0),
      ...(genesis ? { genesis } : {}),
    })
    return c.json({ trades: trades.map(tradeView) })
  })
  app.get('/opportunities', async (c) => {
    const verdict = c.req.query('verdict')
    if (verdict !== undefined && verdict !== 'trade' && verdict !== 'refuse')
      throw new KintsugiError('bad-argument', `verdict: expected trade or refuse (got ${JSON.stringify(verdict)})`)
    const records = await ledger.decisions({
      limit: whole(c.req.query('limit'), 'limit', 1, 1_000, 50),
      offset: whole(c.req.query('offset'), 'offset', 0, 10_000_000, 0),
      ...(verdict ? { verdict } : {}),
    })
    return c.json({ opportunities: records.map((record) => opportunityView(record, manifest())) })
  })
  app.get('/opportunities/:id', async (c) => {
    const record = await ledger.decision(c.req.param('id'))
    if (!record) throw new KintsugiError('not-found', `no decision is recorded for ${c.req.param('id').slice(0, 80)}`)
    return c.json({ opportunity: opportunityView(record, manifest()), record: toPlain(record) })
  })
  app.post('/restart/:service', async (c) => {
    authorize({ ...access, required: true }, identify(access, c.req.raw.headers))
    return c.json({ restarting: await fleet.restart(c.req.param('service')) })
  })
}

function whole(text: string | undefined, name: string, least: number, most: number, usual: number): number {
  if (text === undefined) return usual
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new KintsugiError('bad-argument', `${name}: expected a whole number from ${least} to ${most} (got ${JSON.stringify(text.slice(0, 40))})`)
  return value
}
