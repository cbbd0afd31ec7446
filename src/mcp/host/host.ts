/** The one host: gives a definition its HTTP surface and its MCP endpoint, and runs its calls. */
import { createHash, randomBytes } from 'node:crypto'
import type { Hono } from 'hono'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { AuditEntry, AuditRecorder } from '../../ports/audit.ts'
import type { ToolListing } from '../../ports/definitions.ts'
import type { PortName, Ports } from '../../ports/ports.ts'
import type { Records } from '../../ports/records.ts'
import type { Telemetry } from '../../ports/telemetry.ts'
import { AdaptiveLimit } from '../../std/adaptive-limit.ts'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import { parseShallow } from '../../std/shallow-json.ts'
import { currentTrace, nextTraceparent, traceOf, traceparentOf } from '../../std/trace.ts'
import { ToolContent } from '../content.ts'
import type { RunningAgent, ServiceDefinition, Tool } from '../define.ts'
import { InputNeeded, NOBODY, stateCodec } from '../elicitation.ts'
import { type CallOptions, Offer, protocolHandler } from '../protocol/mcp-endpoint.ts'
import { parseArguments } from '../schema.ts'
import { type AccessPolicy, authorize, type Caller, countCall, identify } from './access.ts'
import { type ApprovalDesk, approved } from './approve.ts'
import { guardedApp, readMessage, refuseUnauthorizedCall, serveRead } from './http-app.ts'
import { IDEMPOTENCY_HEADER, once } from './idempotency.ts'

/** Told of each call, for the record of what runs and the service's vitals. */
export interface CallObserver {
  begin(tool: string): void
  end(tool: string, ok: boolean, durationMs: number): void
}

export interface HostOptions {
  title: string
  category: string
  version: string
  access: AccessPolicy
  /** Calls that may run at once (MAX_CONCURRENT_OPERATIONS), to begin with: the limit follows what the process can take. */
  maxConcurrent: number
  /** How late the process's event loop runs, at worst, of late. */
  loopDelayMs(): number
  /** Default deadline of a call in ms (REQUEST_TIMEOUT). */
  timeoutMs: number
  now(): number
  /** The port it is reached at, for its card. */
  port: number
  /** Why it is not ready, or undefined. */
  readiness(): Promise<string | undefined> | string | undefined
  agent?: RunningAgent
  observer?: CallObserver
  /** Where every call is recorded. */
  audit?: AuditRecorder
  /** Who collects spans and metrics. */
  telemetry?: Telemetry | undefined
  /** Where calls that need a person wait for one. */
  approvals?: ApprovalDesk
  /** What processes share. */
  records(): Promise<Records>
  /** The same in every process of the fleet; absent, what a caller comes back with is good for this process alone. */
  secret?: string | undefined
  /** Harm on purpose: what a slow dependency does to a call. */
  suffer?<T>(work: () => T | Promise<T>): Promise<T>
}

/** The limit of calls at once grows to at most this many times the setting, and shrinks while the event loop is this late. */
const MAX_GROWTH = 4
const STRAINED_MS = 150
const ADAPT_MS = 1_000
/** States that callers came back with are remembered for as long as they would be good. */
const STATE_MS = 600_000

export interface HostedService {
  app: Hono
  tools: readonly ToolListing[]
  /** Runs a tool as a caller would. */
  call(
    name: string,
    given: unknown,
    caller: Caller,
    options?: CallOptions,
  ): Promise<Record<string, unknown> | ToolContent>
  inFlight(): number
  /** Ends what watches its resources. */
  stop(): void
}

/** Builds the service. `ports` must hold what the definition needs. */
export function host(
  definition: ServiceDefinition,
  ports: Pick<Ports, PortName>,
  options: HostOptions,
): HostedService {
  const { access, now } = options
  const metrics = serviceMetrics(definition.id)
  const startedAt = now()
  const granted = Object.fromEntries(definition.needs.map((need) => [need, ports[need]])) as unknown as Ports
  const offer = new Offer(definition, granted, () => {
    handler.notify.toolsChanged()
    handler.notify.promptsChanged()
    handler.notify.resourcesChanged()
  })
  const hashes = new WeakMap<ToolListing, string>()
  const definitionHash = (name: string): string => {
    const listing = offer.listings.find((each) => each.name === name)
    if (!listing) return ''
    const known = hashes.get(listing) ?? sha256(JSON.stringify(listing))
    hashes.set(listing, known)
    return known
  }
  let inFlight = 0
  const concurrency = new AdaptiveLimit({
    first: options.maxConcurrent,
    least: Math.min(2, options.maxConcurrent),
    most: options.maxConcurrent * MAX_GROWTH,
  })
  let adaptedAt = 0
  /** After a call: a calm loop takes more, a late one less, at most once a second. */
  const adapt = (wasFull: boolean) => {
    if (options.loopDelayMs() > STRAINED_MS) {
      if (now() - adaptedAt < ADAPT_MS) return
      adaptedAt = now()
      concurrency.shrink()
    } else if (wasFull) concurrency.grow()
  }

  const entryOf = (
    name: string,
    { effect }: Tool,
    caller: Caller,
    given: unknown,
    trace: string | null,
  ): AuditEntry => ({
    trace,
    at: now(),
    who: caller.name,
    service: definition.id,
    tool: name,
    effect,
    argumentsHash: sha256(JSON.stringify(given) ?? ''),
    definitionHash: definitionHash(name),
    decision: 'allowed',
    outcome: null,
    durationMs: null,
  })

  /** A state is good for once: what changes something is not done twice with it. */
  const consume = async (state: string | undefined) => {
    if (state === undefined) return
    if (!(await (await options.records()).create('state', state, {}, now() + STATE_MS)))
      throw new KintsugiError('bad-argument', 'requestState: it was used already', {
        hint: 'begin the call anew',
      })
  }

  const call: HostedService['call'] = async (
    name,
    given,
    caller,
    { signal: outer, conversation = NOBODY, trace: cameFrom = null, onDetach, key, cameWith } = {},
  ) => {
    const tool = offer.tools.get(name)
    if (!tool) {
      throw new KintsugiError(
        'unknown-tool',
        `${definition.id} has no tool ${JSON.stringify(name.slice(0, 80))}`,
        { hint: `its tools: ${[...offer.tools.keys()].join(', ')}` },
      )
    }
    let entry = entryOf(name, tool, caller, given, traceOf(cameFrom))
    try {
      authorize(access, caller, wantedOf(definition.id, name, tool))
      countCall(caller, now())
    } catch (error) {
      options.audit?.record({ ...entry, decision: 'refused', outcome: toErrorReport(error).code })
      throw error
    }
    if (inFlight >= concurrency.value) {
      throw new KintsugiError('too-many-calls', `${definition.id} already runs ${inFlight} calls`, {
        retry: 'later',
        hint: 'try again in a moment, or raise MAX_CONCURRENT_OPERATIONS',
      })
    }
    const end = endOf(outer, name, options.timeoutMs)
    onDetach?.(end.detach)
    const started = performance.now()
    const operation = options.telemetry?.begin(
      'server',
      'tools/call',
      name,
      { 'server.address': definition.id },
      cameFrom,
    )
    const trace = operation?.traceparent ?? nextTraceparent(cameFrom)
    let outcome = 'ok'
    inFlight++
    try {
      options.observer?.begin(name)
      const input = parseArguments(name, tool, given)
      const context = {
        ...granted,
        ...conversation,
        signal: end.signal,
        caller: caller.name,
        scopes: caller.scopes,
        now,
      }
      const run = async () => {
        const approvedBy =
          options.approvals &&
          (await approved(options.approvals, {
            service: definition.id,
            name,
            tool,
            given,
            input,
            caller,
            context,
          }))
        if (approvedBy !== undefined) entry = { ...entry, approvedBy }
        if (tool.effect !== 'read') await consume(cameWith)
        // What may move value is written down before it happens, or does not happen.
        if (tool.effect === 'spend') await options.audit?.recordNow({ ...entry, decision: 'begins' })
        return currentTrace.run(trace, () => tool.run(input, context))
      }
      const keyed = {
        service: definition.id,
        tool: name,
        caller: caller.name,
        given,
        repeatable: tool.idempotent === true,
      }
      const attempt = async () =>
        key === undefined || tool.effect === 'read'
          ? run()
          : once(await options.records(), { key, ...keyed }, now(), run)
      const work = options.suffer ? options.suffer(attempt) : attempt()
      const result = await Promise.race([work, end.reached])
      if (tool.effect === 'read') await consume(cameWith)
      return result instanceof ToolContent ? result : (toPlain(result) as Record<string, unknown>)
    } catch (error) {
      outcome = error instanceof InputNeeded ? 'input-needed' : toErrorReport(error).code
      throw error
    } finally {
      end.release()
      adapt(inFlight >= concurrency.value)
      inFlight--
      operation?.end(outcome === 'ok' || outcome === 'input-needed' ? undefined : outcome)
      const durationMs = performance.now() - started
      // A refusal of a bad call is an answer; what only the service is to blame for is an error.
      options.observer?.end(name, outcome !== 'internal', durationMs)
      options.audit?.record({
        ...entry,
        at: now(),
        outcome,
        durationMs: Math.round(durationMs * 1_000) / 1_000,
      })
      metrics.calls.inc({ tool: name, outcome })
      metrics.duration.observe({ tool: name }, durationMs / 1_000)
    }
  }

  const identity = {
    service: definition.id,
    kind: definition.kind,
    title: options.title,
    version: options.version,
  }
  const app = guardedApp({
    access,
    identity,
    readiness: options.readiness,
    hint: 'see /capabilities',
    health: () => ({
      uptimeSeconds: Math.round((now() - startedAt) / 1_000),
      ...(options.agent ? { state: toPlain(options.agent.state()) } : {}),
    }),
  })
  app.get('/metrics', async (c) => {
    metrics.inFlight.set(inFlight)
    metrics.uptime.set((now() - startedAt) / 1_000)
    return c.text(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType })
  })
  app.get('/capabilities', (c) =>
    c.json({
      ...identity,
      category: options.category,
      port: options.port,
      needs: definition.needs,
      tools: offer.listings.map(({ name, description, _meta }) => ({
        name,
        description,
        effect: _meta['kintsugi/effect'],
      })),
      protocols: {
        mcp: ['2026-07-28', '2025-11-25'],
        http: [
          '/health',
          '/ready',
          '/metrics',
          '/capabilities',
          '/tools',
          '/definitions',
          '/query',
          ...(options.agent
            ? [
                '/decisions',
                '/coordinate',
                '/.well-known/agent-card.json',
                ...Object.keys(options.agent.endpoints ?? {}).map(
                  (address) => address.split(' ')[1] as string,
                ),
              ]
            : []),
        ],
      },
      ...(definition.kind === 'agent' ? { duty: definition.duty } : {}),
    }),
  )
  app.get('/tools', (c) => c.json({ tools: offer.listings }))
  app.get('/definitions', (c) => c.json(offer.definitions))
  app.post('/query', async (c) => {
    const body = await readJson(c.req.raw)
    const { type, ...given } = body
    if (typeof type !== 'string') {
      throw new KintsugiError(
        'bad-argument',
        `type: expected the name of a tool as a string (got ${type === undefined ? 'nothing' : JSON.stringify(type).slice(0, 60)})`,
        {
          hint: `one of ${[...offer.tools.keys()].join(', ')}`,
          data: { fields: [{ field: 'type', expected: 'the name of a tool', got: String(type) }] },
        },
      )
    }
    const result = await call(type, given, await identify(access, c.req.raw.headers), {
      signal: c.req.raw.signal,
      trace: traceparentOf(c.req.raw.headers.get('traceparent')),
      key: c.req.raw.headers.get(IDEMPOTENCY_HEADER) ?? undefined,
    })
    return c.json({
      result:
        result instanceof ToolContent
          ? { content: result.blocks, ...(result.structured ? { structuredContent: result.structured } : {}) }
          : result,
    })
  })
  if (options.agent) agentRoutes(app, definition, options, options.agent)

  const handler = protocolHandler(definition, granted, () => offer, {
    title: options.title,
    version: options.version,
    access,
    stateCodec: stateCodec(
      options.secret === undefined
        ? randomBytes(32)
        : createHash('sha256').update(`request state of ${options.secret}`).digest(),
    ),
    records: options.records,
    now,
    call,
  })
  // Who subscribes is told once for each change, and reads again.
  const stops = Object.entries(definition.resources ?? {}).flatMap(
    ([uri, resource]) => resource.watch?.(granted, () => handler.notify.resourceUpdated(uri)) ?? [],
  )
  app.all('/mcp', async (c) => {
    const { raw: request } = c.req
    if (request.method !== 'POST') {
      await identify(access, request.headers)
      return handler.fetch(request)
    }
    const message = await readMessage(request)
    await refuseUnauthorizedCall(
      request,
      message.body,
      access,
      (name) => {
        const tool = offer.tools.get(name)
        return tool && wantedOf(definition.id, name, tool)
      },
      (name, caller, given, code) =>
        options.audit?.record({
          ...entryOf(
            name,
            offer.tools.get(name) as Tool,
            caller,
            given,
            traceOf(request.headers.get('traceparent')),
          ),
          decision: 'refused',
          outcome: code,
        }),
    )
    return serveRead(handler, request, message)
  })

  const stop = () => {
    for (const each of stops) each()
    offer.stop()
  }
  return { app, tools: offer.listings, call, inFlight: () => inFlight, stop }
}

const wantedOf = (service: string, tool: string, { effect, guarded }: Tool) => ({
  service,
  tool,
  effect,
  guarded,
})

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function agentRoutes(
  app: Hono,
  definition: ServiceDefinition,
  options: HostOptions,
  agent: RunningAgent,
): void {
  app.get('/decisions', async (c) => {
    const limit = Number(c.req.query('limit') ?? 20)
    if (!Number.isInteger(limit) || limit < 1 || limit > 200)
      throw new KintsugiError(
        'bad-argument',
        `limit: expected a whole number from 1 to 200 (got ${JSON.stringify(c.req.query('limit'))})`,
      )
    return c.json({ decisions: toPlain(await agent.decisions(limit)) })
  })
  app.post('/coordinate', async (c) => {
    authorize({ ...options.access, required: true }, await identify(options.access, c.req.raw.headers), {
      effect: 'write',
      service: definition.id,
    })
    const body = await readJson(c.req.raw)
    if (!agent.coordinate) throw new KintsugiError('not-supported', `${definition.id} takes no tasks`)
    if (typeof body.description !== 'string' || body.description === '')
      throw new KintsugiError('bad-argument', 'description: expected what to do, as text (got nothing)')
    return c.json({
      result: toPlain(
        await agent.coordinate({
          description: body.description,
          arguments: (body.arguments as Record<string, unknown>) ?? {},
        }),
      ),
    })
  })
  for (const [address, answer] of Object.entries(agent.endpoints ?? {})) {
    const [method, path] = address.split(' ') as ['GET' | 'POST', string]
    app.on(method, path, async (c) => {
      if (method === 'GET') return c.json(toPlain(await answer(c.req.query())) as Record<string, unknown>)
      authorize({ ...options.access, required: true }, await identify(options.access, c.req.raw.headers), {
        effect: 'write',
        service: definition.id,
      })
      return c.json(toPlain(await answer(await readJson(c.req.raw))) as Record<string, unknown>)
    })
  }
  app.get('/.well-known/agent-card.json', (c) =>
    c.json({
      protocolVersion: '1.0',
      name: options.title,
      description: definition.kind === 'agent' ? definition.duty : '',
      version: options.version,
      supportedInterfaces: [
        {
          url: `http://127.0.0.1:${options.port}/coordinate`,
          protocolBinding: 'HTTP+JSON',
          protocolVersion: '1.0',
        },
      ],
      capabilities: { streaming: false, pushNotifications: false },
      defaultInputModes: ['application/json'],
      defaultOutputModes: ['application/json'],
      skills: Object.entries(definition.tools).map(([name, tool]) => ({
        id: name,
        name: name.replaceAll('_', ' '),
        description: tool.description,
        tags: [tool.effect],
      })),
    }),
  )
}

const JSON_HINT = 'send a JSON object such as {"type": "price_query", "symbol": "ETH"}'

async function readJson(request: Request): Promise<Record<string, unknown>> {
  const value = parseShallow(await request.text(), JSON_HINT)
  if (value !== null && typeof value === 'object' && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new KintsugiError('bad-json', 'the body is JSON but not an object', { hint: JSON_HINT })
}

/** When a call is over: its caller goes away, or its time is up; once it is a task, when that one is cancelled. */
function endOf(outer: AbortSignal | undefined, name: string, timeoutMs: number) {
  const ends = new AbortController()
  const reached = Promise.withResolvers<never>()
  reached.promise.catch(() => undefined)
  const end = (error: KintsugiError) => {
    ends.abort(error)
    reached.reject(error)
  }
  const cancelled = () => end(new KintsugiError('cancelled', `${name} was cancelled by its caller`))
  const timer = setTimeout(
    () =>
      end(
        new KintsugiError('deadline-exceeded', `${name} did not finish within ${timeoutMs} ms`, {
          retry: 'later',
          hint: 'raise REQUEST_TIMEOUT, or ask for less',
        }),
      ),
    timeoutMs,
  )
  const release = () => {
    clearTimeout(timer)
    outer?.removeEventListener('abort', cancelled)
  }
  if (outer?.aborted) cancelled()
  else outer?.addEventListener('abort', cancelled, { once: true })
  const detach = (by: AbortSignal) => {
    release()
    by.addEventListener('abort', cancelled, { once: true })
  }
  return { signal: ends.signal, reached: reached.promise, release, detach }
}

function serviceMetrics(service: string) {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  const registers = [registry]
  return {
    registry,
    calls: new Counter({
      name: 'kintsugi_tool_calls_total',
      help: 'Tool calls by outcome',
      labelNames: ['tool', 'outcome'],
      registers,
    }),
    duration: new Histogram({
      name: 'kintsugi_tool_duration_seconds',
      help: 'Duration of tool calls',
      labelNames: ['tool'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    }),
    inFlight: new Gauge({ name: 'kintsugi_calls_in_flight', help: 'Tool calls running now', registers }),
    uptime: new Gauge({
      name: 'kintsugi_uptime_seconds',
      help: 'Seconds since the service started',
      registers,
    }),
  }
}
