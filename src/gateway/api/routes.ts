/** The REST API, the same on the coordination system and behind the dashboard. */
import type { Hono } from 'hono'
import { type AccessPolicy, authorize, identify } from '../../mcp/access.ts'
import { KintsugiError } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import { opportunityView, paperTradeView, statusView, tradeView, type ViewSources } from '../views.ts'

export interface ApiOptions {
  access: AccessPolicy
  sources: ViewSources
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
  app.get('/paper-trades', async (c) => {
    const page = { limit: whole(c.req.query('limit'), 'limit', 1, 10_000, 100), offset: whole(c.req.query('offset'), 'offset', 0, 10_000_000, 0) }
    return c.json({ trades: (await ledger.paperTrades(page)).map(paperTradeView) })
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
    const service = c.req.param('service')
    authorize({ ...access, required: true }, await identify(access, c.req.raw.headers), { effect: 'write', service })
    return c.json({ restarting: await fleet.restart(service) })
  })
}

function whole(text: string | undefined, name: string, least: number, most: number, usual: number): number {
  if (text === undefined) return usual
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new KintsugiError('bad-argument', `${name}: expected a whole number from ${least} to ${most} (got ${JSON.stringify(text.slice(0, 40))})`)
  return value
}
