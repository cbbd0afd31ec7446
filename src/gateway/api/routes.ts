/** The REST API, the same on the coordination system and behind the dashboard. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { type Approvals, approvalPolicy, changeApprovalPolicy } from '../../engine/governance/approvals.ts'
import { type AccessPolicy, authorize } from '../../mcp/host/access.ts'
import type { AuditRecorder } from '../../ports/audit.ts'
import { KintsugiError } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import { parseShallow } from '../../std/shallow-json.ts'
import { traceOf } from '../../std/trace.ts'
import { approval, approvalPolicy as policyView } from '../../views/approvals.ts'
import { decisionRecord } from '../../views/decision-record.ts'
import { readStatus, type StatusSources } from '../../views/fleet-status.ts'
import { PROFIT_RANGES, paperTrade, trade } from '../../views/trades.ts'
import { toWire } from '../../views/view.ts'
import { openApi } from './openapi.ts'
import { readProfitSeries } from './profit-series.ts'

/** Sources of the API, and its access policy. */
export interface ApiOptions {
  access: AccessPolicy
  sources: StatusSources
  approvals: Approvals
  /** Records the decisions on approvals. */
  audit?: AuditRecorder
  mode: 'local' | 'paper'
  /** ms since 1970. */
  now(): number
}

const decision = z.strictObject({
  digest: z.string().regex(/^[0-9a-f]{64}$/, 'the digest of the approval that was shown'),
  approve: z.boolean(),
})
const policyChange = z.strictObject({
  tools: z
    .array(z.string().regex(/^(\*|[a-z0-9][A-Za-z0-9_-]{0,200})$/, '*, a server, or server__tool'))
    .max(200)
    .optional(),
  atClient: z.boolean().optional(),
  minutes: z.int().min(1).max(1_440).optional(),
})

/** Adds the REST API: status, books, decisions, approvals and restarts. */
export function apiRoutes(app: Hono, options: ApiOptions): void {
  const { sources, now } = options
  controlRoutes(app, options)
  const { ledger, manifest } = sources
  app.get('/openapi.json', (c) =>
    c.json(openApi(sources.version, new URL(c.req.url).pathname.replace(/\/openapi\.json$/, '') || '/')),
  )
  app.get('/status', async (c) => c.json(await readStatus(sources)))
  app.get('/servers', async (c) => c.json({ servers: (await readStatus(sources)).servers }))
  app.get('/agents', async (c) => c.json({ agents: (await readStatus(sources)).agents }))
  app.get('/trades', async (c) => {
    const genesis = c.req.query('chain') === 'current' ? manifest()?.genesis : undefined
    const trades = await ledger.trades({
      limit: whole(c.req.query('limit'), 'limit', 1, 10_000, 100),
      offset: whole(c.req.query('offset'), 'offset', 0, 10_000_000, 0),
      ...(genesis ? { genesis } : {}),
    })
    return c.json({ trades: trades.map((each) => toWire(trade, each)) })
  })
  app.get('/paper-trades', async (c) => {
    const page = {
      limit: whole(c.req.query('limit'), 'limit', 1, 10_000, 100),
      offset: whole(c.req.query('offset'), 'offset', 0, 10_000_000, 0),
    }
    return c.json({ trades: (await ledger.paperTrades(page)).map((each) => toWire(paperTrade, each)) })
  })
  app.get('/profit-series', async (c) => {
    const range = PROFIT_RANGES.find((each) => each === (c.req.query('range') ?? 'all'))
    if (range === undefined)
      throw new KintsugiError(
        'bad-argument',
        `range: expected ${PROFIT_RANGES.join(', ')} (got ${JSON.stringify(c.req.query('range'))})`,
      )
    return c.json(await readProfitSeries(ledger, range, now()))
  })
  app.get('/opportunities', async (c) => {
    const verdict = c.req.query('verdict')
    if (verdict !== undefined && verdict !== 'trade' && verdict !== 'refuse')
      throw new KintsugiError(
        'bad-argument',
        `verdict: expected trade or refuse (got ${JSON.stringify(verdict)})`,
      )
    const records = await ledger.decisions({
      limit: whole(c.req.query('limit'), 'limit', 1, 1_000, 50),
      offset: whole(c.req.query('offset'), 'offset', 0, 10_000_000, 0),
      ...(verdict ? { verdict } : {}),
    })
    return c.json({ opportunities: records.map((record) => toWire(decisionRecord, record, manifest())) })
  })
  app.get('/opportunities/:id', async (c) => {
    const record = await ledger.decision(c.req.param('id'))
    if (!record)
      throw new KintsugiError('not-found', `no decision is recorded for ${c.req.param('id').slice(0, 80)}`)
    return c.json({ opportunity: toWire(decisionRecord, record, manifest()), record: toPlain(record) })
  })
}

/** Approvals, their policy, and restarts. */
function controlRoutes(app: Hono, { access, sources, approvals, audit, mode, now }: ApiOptions): void {
  const { ledger, fleet } = sources
  app.get('/approvals', async (c) =>
    c.json({
      approvals: (await approvals.list()).map((each) => toWire(approval, each)),
      policy: toWire(policyView, await approvalPolicy(ledger, mode)),
    }),
  )
  app.post('/approvals/policy', async (c) => {
    authorize(access, c.get('caller'), {
      effect: 'spend',
      service: 'coordination_system',
    })
    const { tools, atClient, minutes } = read(policyChange, parseShallow(await c.req.text()))
    const change = {
      ...(tools ? { tools } : {}),
      ...(atClient === undefined ? {} : { atClient }),
      ...(minutes === undefined ? {} : { minutes }),
    }
    return c.json({ policy: await changeApprovalPolicy(ledger, mode, change) })
  })
  app.post('/approvals/:id', async (c) => {
    const caller = c.get('caller')
    const id = c.req.param('id')
    const pending = (await approvals.list()).find((each) => each.id === id)
    if (!pending)
      throw new KintsugiError(
        'not-found',
        `approval ${JSON.stringify(id.slice(0, 40))} does not exist or has expired`,
      )
    // A caller may approve only what it may do itself.
    authorize(access, caller, {
      effect: 'spend',
      service: pending.service,
      tool: pending.tool,
    })
    const { digest, approve } = read(decision, parseShallow(await c.req.text()))
    const approval = await approvals.decide(id, digest, approve, { name: caller.name })
    audit?.record({
      at: now(),
      who: caller.name,
      service: 'coordination_system',
      tool: approve ? 'approve' : 'refuse',
      effect: 'write',
      argumentsHash: digest,
      definitionHash: '',
      trace: traceOf(c.req.raw.headers.get('traceparent')),
      decision: 'allowed',
      outcome: 'ok',
      durationMs: null,
    })
    return c.json({ approval })
  })
  app.post('/restart/:service', async (c) => {
    const service = c.req.param('service')
    authorize(access, c.get('caller'), {
      effect: 'write',
      service,
    })
    return c.json({ restarting: await fleet.restart(service) })
  })
}

/** The validated body. Throws `bad-argument` with the field. */
function read<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new KintsugiError('bad-argument', `${issue?.path.join('.') || 'body'}: ${issue?.message}`)
}

/** A whole number from the query. Throws `bad-argument`. */
function whole(
  text: string | undefined,
  name: string,
  min: number,
  max: number,
  defaultValue: number,
): number {
  if (text === undefined) return defaultValue
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new KintsugiError(
      'bad-argument',
      `${name}: expected a whole number from ${min} to ${max} (got ${JSON.stringify(text.slice(0, 40))})`,
    )
  return value
}
