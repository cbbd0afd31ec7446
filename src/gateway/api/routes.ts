/** The REST API, the same on the coordination system and behind the dashboard. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { type Approvals, approvalPolicy, changeApprovalPolicy } from '../../engine/governance/approvals.ts'
import { type AccessPolicy, authorize } from '../../mcp/host/access.ts'
import { describeIssues, problemText } from '../../mcp/issues.ts'
import type { AuditRecorder } from '../../ports/audit.ts'
import { KintsugiError } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import { parseShallow } from '../../std/shallow-json.ts'
import { traceOf } from '../../std/trace.ts'
import { approval, approvalPolicy as policyView } from '../../views/approvals.ts'
import { decisionRecord } from '../../views/decision-record.ts'
import { readStatus, type StatusSources } from '../../views/fleet-status.ts'
import { PROFIT_RANGES, paperTrade, profitSeries, trade } from '../../views/trades.ts'
import { toWire } from '../../views/view.ts'
import { openApi } from './openapi.ts'
import { type ParameterValues, readParameters } from './parameters.ts'
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

type Handler = (c: Context, parameters: ParameterValues) => Response | Promise<Response>
/** Adds a route, named as in `API_ROUTES`; its parameters are checked before `answer` runs. */
type AddRoute = (route: string, answer: Handler) => void

/** Adds the REST API: status, books, decisions, approvals and restarts. */
export function apiRoutes(app: Hono, options: ApiOptions): void {
  const add: AddRoute = (route, answer) => {
    const [method = '', path = ''] = route.split(' ')
    app.on(method, path, (c) => answer(c, readParameters(route, c.req)))
  }
  controlRoutes(add, options)
  const { sources } = options
  add('GET /openapi.json', (c) =>
    c.json(openApi(sources.version, new URL(c.req.url).pathname.replace(/\/openapi\.json$/, '') || '/')),
  )
  add('GET /status', async (c) => c.json(await readStatus(sources)))
  add('GET /servers', async (c) => c.json({ servers: (await readStatus(sources)).servers }))
  add('GET /agents', async (c) => c.json({ agents: (await readStatus(sources)).agents }))
  bookRoutes(add, options)
}

/** Booked trades, paper trades, profit, and decisions. */
function bookRoutes(add: AddRoute, { sources, now }: ApiOptions): void {
  const { ledger, manifest } = sources
  const page = ({ whole }: ParameterValues) => ({ limit: whole('limit'), offset: whole('offset') })
  add('GET /trades', async (c, parameters) => {
    const genesis = parameters.text('chain') === 'current' ? manifest()?.genesis : undefined
    const trades = await ledger.trades({ ...page(parameters), ...(genesis ? { genesis } : {}) })
    return c.json({ trades: trades.map((each) => toWire(trade, each)) })
  })
  add('GET /paper-trades', async (c, parameters) =>
    c.json({ trades: (await ledger.paperTrades(page(parameters))).map((each) => toWire(paperTrade, each)) }),
  )
  add('GET /profit-series', async (c, { text }) => {
    const range = PROFIT_RANGES.find((each) => each === text('range')) ?? 'all'
    return c.json(toWire(profitSeries, await readProfitSeries(ledger, range, now())))
  })
  add('GET /opportunities', async (c, parameters) => {
    const verdict = parameters.text('verdict')
    const records = await ledger.decisions({
      ...page(parameters),
      ...(verdict === 'trade' || verdict === 'refuse' ? { verdict } : {}),
    })
    return c.json({ opportunities: records.map((record) => toWire(decisionRecord, record, manifest())) })
  })
  add('GET /opportunities/:id', async (c, { inPath }) => {
    const id = inPath('id')
    const record = await ledger.decision(id)
    if (!record) throw new KintsugiError('not-found', `no decision is recorded for ${id.slice(0, 80)}`)
    return c.json({ opportunity: toWire(decisionRecord, record, manifest()), record: toPlain(record) })
  })
}

/** Approvals, their policy, and restarts. */
function controlRoutes(add: AddRoute, { access, sources, approvals, audit, mode, now }: ApiOptions): void {
  const { ledger, fleet } = sources
  add('GET /approvals', async (c) =>
    c.json({
      approvals: (await approvals.list()).map((each) => toWire(approval, each)),
      policy: toWire(policyView, await approvalPolicy(ledger, mode)),
    }),
  )
  add('POST /approvals/policy', async (c) => {
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
  add('POST /approvals/:id', async (c, { inPath }) => {
    const caller = c.get('caller')
    const id = inPath('id')
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
  add('POST /restart/:service', async (c, { inPath }) => {
    const service = inPath('service')
    authorize(access, c.get('caller'), {
      effect: 'write',
      service,
    })
    return c.json({ restarting: await fleet.restart(service) })
  })
}

/** The validated body. Throws `bad-argument` with the field. */
function read<S extends z.ZodObject>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const problems = describeIssues(parsed.error, body, Object.keys(schema.shape))
  throw new KintsugiError('bad-argument', problemText(problems), { data: { fields: problems } })
}
