/** The REST API, the same on the coordination system and behind the dashboard. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { type Approvals, approvalPolicy, changeApprovalPolicy } from '../../engine/governance/approvals.ts'
import { type AccessPolicy, authorize } from '../../mcp/host/access.ts'
import { clientOf } from '../../mcp/host/http-app.ts'
import { describeIssues, problemText } from '../../mcp/issues.ts'
import type { AuditRecorder } from '../../ports/audit.ts'
import { KintsugiError } from '../../std/errors.ts'
import { plainJson } from '../../std/json.ts'
import { parseShallow } from '../../std/shallow-json.ts'
import { traceOf } from '../../std/trace.ts'
import { Turns } from '../../std/turns.ts'
import { approval, approvalPolicy as policyView } from '../../views/approvals.ts'
import { decisionRecord } from '../../views/decision-record.ts'
import { readStatus, type StatusSources } from '../../views/fleet-status.ts'
import { tradingHalt } from '../../views/halt.ts'
import { PROFIT_RANGES, paperTrade, profitSeries, trade } from '../../views/trades.ts'
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

const haltRequest = z.strictObject({ reason: z.string().trim().min(1).max(500).default('no reason given') })
const resumeRequest = z.strictObject({ haltedAt: z.number().min(0) })
/** The server whose tools do the same: a scope on it covers both ways. */
const RISK = 'mcp_risk_manager_server'

/** The answer of a route; amounts may be `bigint`. */
type Handler = (c: Context, parameters: ParameterValues) => unknown
/** Adds a route, named as in `API_ROUTES`; its parameters are checked before `answer` runs. */
type AddRoute = (route: string, answer: Handler) => void

const JSON_HEADERS = { 'content-type': 'application/json' }
/** Reads of one process that run at once, and that wait. */
const READS = { max: 2, maxWaiting: 32, maxClientWaiting: 16 }

/** Adds the REST API: status, books, decisions, approvals and restarts. */
export function apiRoutes(app: Hono, options: ApiOptions): void {
  const reads = new Turns(READS)
  const add: AddRoute = (route, answer) => {
    const [method = '', path = ''] = route.split(' ')
    app.on(method, path, async (c) => {
      const parameters = readParameters(route, c.req)
      const respond = async () => c.body(plainJson(await answer(c, parameters)), 200, JSON_HEADERS)
      return method === 'GET' ? reads.run(clientOf(c), respond) : respond()
    })
  }
  controlRoutes(add, options)
  haltRoutes(add, options)
  const { sources } = options
  add('GET /openapi.json', (c) => openApi(sources.version, c.req.path.replace(/\/openapi\.json$/, '') || '/'))
  add('GET /status', () => readStatus(sources))
  add('GET /servers', async () => ({ servers: (await readStatus(sources)).servers }))
  add('GET /agents', async () => ({ agents: (await readStatus(sources)).agents }))
  bookRoutes(add, options)
}

/** Booked trades, paper trades, profit, and decisions. */
function bookRoutes(add: AddRoute, { sources, now }: ApiOptions): void {
  const { ledger, manifest } = sources
  add('GET /trades', async (c, parameters) => {
    const genesis = parameters.text('chain') === 'current' ? manifest()?.genesis : undefined
    const filter = genesis ? { genesis } : {}
    const page = pageOf(parameters)
    const [trades, total] = await Promise.all([
      ledger.trades({ ...page, ...filter }),
      ledger.countTrades(filter),
    ])
    return { trades: trades.map((each) => trade.of(each)), ...position(c, page, trades.length, total) }
  })
  add('GET /paper-trades', async (c, parameters) => {
    const page = pageOf(parameters)
    const [trades, total] = await Promise.all([ledger.paperTrades(page), ledger.countPaperTrades()])
    return { trades: trades.map((each) => paperTrade.of(each)), ...position(c, page, trades.length, total) }
  })
  add('GET /profit-series', async (_c, { text }) => {
    const range = PROFIT_RANGES.find((each) => each === text('range')) ?? 'all'
    return profitSeries.of(await readProfitSeries(ledger, range, now()))
  })
  add('GET /opportunities', async (c, parameters) => {
    const verdict = parameters.text('verdict')
    const filter = verdict === 'trade' || verdict === 'refuse' ? ({ verdict } as const) : {}
    const page = pageOf(parameters)
    const [records, total] = await Promise.all([
      ledger.decisions({ ...page, ...filter }),
      ledger.countDecisions(filter),
    ])
    const opportunities = records.map((record) => decisionRecord.of(record, manifest()))
    return { opportunities, ...position(c, page, records.length, total) }
  })
  add('GET /opportunities/:id', async (_c, { inPath }) => {
    const id = inPath('id')
    const record = await ledger.decision(id)
    if (!record) throw new KintsugiError('not-found', `no decision is recorded for ${id.slice(0, 80)}`)
    return { opportunity: decisionRecord.of(record, manifest()), record }
  })
}

const pageOf = ({ whole }: ParameterValues) => ({ limit: whole('limit'), offset: whole('offset') })

/** Where a page of `length` items lies: the number of all items, and the path of the page after it. */
function position(
  c: Context,
  { offset }: { readonly offset: number },
  length: number,
  total: number,
): { total: number; next: string | null } {
  const end = offset + length
  if (length === 0 || end >= total) return { total, next: null }
  const query = new URLSearchParams({ ...c.req.query(), offset: String(end) })
  return { total, next: `${c.req.path}?${query}` }
}

/** Approvals, their policy, and restarts. */
function controlRoutes(add: AddRoute, { access, sources, approvals, audit, mode, now }: ApiOptions): void {
  const { ledger, fleet } = sources
  add('GET /approvals', async () => ({
    approvals: (await approvals.list()).map((each) => approval.of(each)),
    policy: policyView.of(await approvalPolicy(ledger, mode)),
  }))
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
    return { policy: await changeApprovalPolicy(ledger, mode, change) }
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
    return { approval }
  })
  add('POST /restart/:service', async (c, { inPath }) => {
    const service = inPath('service')
    authorize(access, c.get('caller'), {
      effect: 'write',
      service,
    })
    return { restarting: await fleet.restart(service) }
  })
}

/** Halting and resuming. To resume, the caller names the halt that it saw. */
function haltRoutes(add: AddRoute, { access, sources: { halt }, audit, now }: ApiOptions): void {
  const record = (c: Context, tool: string) =>
    audit?.record({
      at: now(),
      who: c.get('caller').name,
      service: 'coordination_system',
      tool,
      effect: 'write',
      argumentsHash: '',
      definitionHash: '',
      trace: traceOf(c.req.raw.headers.get('traceparent')),
      decision: 'allowed',
      outcome: 'ok',
      durationMs: null,
    })
  add('POST /halt', async (c) => {
    authorize(access, c.get('caller'), { effect: 'write', service: RISK, tool: 'halt_trading' })
    const text = await c.req.text()
    const { reason } = read(haltRequest, text.trim() === '' ? {} : parseShallow(text))
    const halted = halt.halt(c.get('caller').name, reason)
    record(c, 'halt')
    return { halt: tradingHalt.of(halted) }
  })
  add('POST /resume', async (c) => {
    authorize(access, c.get('caller'), { effect: 'write', service: RISK, tool: 'resume_trading' })
    const { haltedAt } = read(resumeRequest, parseShallow(await c.req.text()))
    const ended = halt.resume(haltedAt)
    record(c, 'resume')
    return { ended: tradingHalt.of(ended) }
  })
}

/** The validated body. Throws `bad-argument` with the field. */
function read<S extends z.ZodObject>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const problems = describeIssues(parsed.error, body, Object.keys(schema.shape))
  throw new KintsugiError('bad-argument', problemText(problems), { data: { fields: problems } })
}
