/** The one host: gives a definition its HTTP surface and its MCP endpoint. The only file that serves through the MCP SDK. */
import { createHash } from 'node:crypto'
import { createMcpHandler, Server } from '@modelcontextprotocol/server'
import type { Hono } from 'hono'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { AuditEntry, AuditRecorder } from '../ports/audit.ts'
import type { PortName, Ports } from '../ports/ports.ts'
import { AdaptiveLimit } from '../std/adaptive-limit.ts'
import { KintsugiError, toErrorReport } from '../std/errors.ts'
import { toPlain } from '../std/json.ts'
import { traceOf } from '../std/trace.ts'
import { type AccessPolicy, ANONYMOUS, authorize, type Caller, identify } from './access.ts'
import type { Context, Prompt, RunningAgent, ServiceDefinition, Tool } from './define.ts'
import { listTool, parseArguments, type PromptListing, type ServiceDefinitions, type ToolListing } from './schema.ts'
import { guardedApp, MOST_BODY_BYTES, refuseUnauthorizedCall, toolOutcome } from './surface.ts'

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
  /** Harm on purpose: what a slow dependency does to a call. */
  suffer?<T>(work: () => T | Promise<T>): Promise<T>
}

/** The limit of calls at once grows to at most this many times the setting, and shrinks while the event loop is this late. */
const MOST_GROWTH = 4
const STRAINED_MS = 150
const ADAPT_MS = 1_000
/** The protocol's own bound. */
const MOST_COMPLETIONS = 100

export interface HostedService {
  app: Hono
  tools: readonly ToolListing[]
  /** Runs a tool as a caller would. */
  call(name: string, given: unknown, caller: Caller, signal?: AbortSignal, progress?: Context<never>['progress'], trace?: string | null): Promise<Record<string, unknown>>
  inFlight(): number
  /** Ends what watches its resources. */
  stop(): void
}

/** Builds the service. `ports` must hold what the definition needs. */
export function host(definition: ServiceDefinition, ports: Pick<Ports, PortName>, options: HostOptions): HostedService {
  const { access, now } = options
  const tools = new Map<string, Tool>(Object.entries(definition.tools))
  const resources = Object.entries(definition.resources ?? {})
  const listings = [...tools].map(([name, tool]) => listTool(name, tool))
  const prompts = Object.entries(definition.prompts ?? {})
  const definitions = definitionsOf(definition, listings)
  const definitionHashes = new Map(listings.map((listing) => [listing.name, sha256(JSON.stringify(listing))]))
  const metrics = serviceMetrics(definition.id)
  const startedAt = now()
  const granted = Object.fromEntries(definition.needs.map((need) => [need, ports[need]])) as unknown as Ports
  let inFlight = 0
  const concurrency = new AdaptiveLimit({ first: options.maxConcurrent, least: Math.min(2, options.maxConcurrent), most: options.maxConcurrent * MOST_GROWTH })
  let adaptedAt = 0
  /** After a call: a calm loop takes more, a late one less, at most once a second. */
  const adapt = (wasFull: boolean) => {
    if (options.loopDelayMs() > STRAINED_MS) {
      if (now() - adaptedAt < ADAPT_MS) return
      adaptedAt = now()
      concurrency.shrink()
    } else if (wasFull) concurrency.grow()
  }

  const entryOf = (name: string, { effect }: Tool, caller: Caller, given: unknown, trace: string | null): AuditEntry => ({
    trace,
    at: now(),
    who: caller.name,
    service: definition.id,
    tool: name,
    effect,
    argumentsHash: sha256(JSON.stringify(given) ?? ''),
    definitionHash: definitionHashes.get(name) ?? '',
    decision: 'allowed',
    outcome: null,
    durationMs: null,
  })

  const call: HostedService['call'] = async (name, given, caller, outer, progress = () => undefined, trace = null) => {
    const tool = tools.get(name)
    if (!tool) {
      throw new KintsugiError('unknown-tool', `${definition.id} has no tool ${JSON.stringify(name.slice(0, 80))}`, { hint: `its tools: ${[...tools.keys()].join(', ')}` })
    }
    const entry = entryOf(name, tool, caller, given, trace)
    try {
      authorize(access, caller, wantedOf(definition.id, name, tool))
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
    const timeout = AbortSignal.timeout(options.timeoutMs)
    const signal = outer ? AbortSignal.any([outer, timeout]) : timeout
    const started = performance.now()
    let outcome = 'ok'
    inFlight++
    try {
      options.observer?.begin(name)
      const input = parseArguments(name, tool, given)
      // What may move value is written down before it happens, or does not happen.
      if (tool.effect === 'spend') await options.audit?.recordNow({ ...entry, decision: 'begins' })
      const run = () => tool.run(input, { ...granted, signal, caller: caller.name, scopes: caller.scopes, now, progress })
      const work = options.suffer ? options.suffer(run) : Promise.resolve(run())
      const result = await Promise.race([work, aborted(signal, timeout, name, options.timeoutMs)])
      return toPlain(result) as Record<string, unknown>
    } catch (error) {
      outcome = toErrorReport(error).code
      throw error
    } finally {
      adapt(inFlight >= concurrency.value)
      inFlight--
      const durationMs = performance.now() - started
      // A refusal of a bad call is an answer; what only the service is to blame for is an error.
      options.observer?.end(name, outcome !== 'internal', durationMs)
      options.audit?.record({ ...entry, at: now(), outcome, durationMs: Math.round(durationMs * 1_000) / 1_000 })
      metrics.calls.inc({ tool: name, outcome })
      metrics.duration.observe({ tool: name }, durationMs / 1_000)
    }
  }

  const identity = { service: definition.id, kind: definition.kind, title: options.title, version: options.version }
  const app = guardedApp({
    access,
    identity,
    readiness: options.readiness,
    hint: 'see /capabilities',
    health: () => ({ uptimeSeconds: Math.round((now() - startedAt) / 1_000), ...(options.agent ? { state: toPlain(options.agent.state()) } : {}) }),
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
      tools: listings.map(({ name, description, _meta }) => ({ name, description, effect: _meta['kintsugi/effect'] })),
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
            ? ['/decisions', '/coordinate', '/.well-known/agent-card.json', ...Object.keys(options.agent.endpoints ?? {}).map((address) => address.split(' ')[1] as string)]
            : []),
        ],
      },
      ...(definition.kind === 'agent' ? { duty: definition.duty } : {}),
    }),
  )
  app.get('/tools', (c) => c.json({ tools: listings }))
  app.get('/definitions', (c) => c.json(definitions))
  app.post('/query', async (c) => {
    const body = await readJson(c.req.raw)
    const { type, ...given } = body
    if (typeof type !== 'string') {
      throw new KintsugiError('bad-argument', `type: expected the name of a tool as a string (got ${type === undefined ? 'nothing' : JSON.stringify(type).slice(0, 60)})`, {
        hint: `one of ${[...tools.keys()].join(', ')}`,
        data: { fields: [{ field: 'type', expected: 'the name of a tool', got: String(type) }] },
      })
    }
    return c.json({ result: await call(type, given, await identify(access, c.req.raw.headers), c.req.raw.signal, undefined, traceOf(c.req.raw.headers.get('traceparent'))) })
  })
  if (options.agent) agentRoutes(app, definition, options, options.agent)

  const handler = createMcpHandler(
    (request) => {
      const server = new Server(
        { name: definition.id, version: options.version, title: options.title },
        {
          capabilities: {
            tools: {},
            ...(resources.length > 0 ? { resources: { subscribe: definitions.watched.length > 0 } } : {}),
            ...(prompts.length > 0 ? { prompts: {}, completions: {} } : {}),
          },
        },
      )
      server.setRequestHandler('tools/list', () => ({ tools: listings as never, ttlMs: 60_000, cacheScope: 'public' as never }))
      server.setRequestHandler('tools/call', async ({ params }, context) => {
        const caller = request.requestInfo ? await identify(access, request.requestInfo.headers) : ANONYMOUS
        const token = params._meta?.progressToken
        const progress: Context<never>['progress'] = (done, total, message) => {
          if (token === undefined) return
          void context.mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken: token, progress: done, ...(total === undefined ? {} : { total }), ...(message === undefined ? {} : { message }) },
          })
        }
        return toolOutcome(() =>
          call(params.name, params.arguments ?? {}, caller, context.mcpReq.signal, progress, traceOf(request.requestInfo?.headers.get('traceparent') ?? params._meta?.traceparent)),
        )
      })
      if (resources.length > 0) {
        server.setRequestHandler('resources/list', () => ({ resources: definitions.resources, ttlMs: 60_000, cacheScope: 'public' as never }))
        server.setRequestHandler('resources/read', async ({ params }) => {
          const resource = resources.find(([uri]) => uri === params.uri)?.[1]
          if (!resource) throw new KintsugiError('not-found', `there is no resource ${params.uri}`, { hint: resources.map(([uri]) => uri).join(', ') })
          return { contents: [{ uri: params.uri, mimeType: 'application/json', text: JSON.stringify(toPlain(await resource.read({ ...granted, now }))) }] }
        })
      }
      if (prompts.length > 0) servePrompts(server, prompts, granted, now)
      return server
    },
    { maxRequestBodySize: MOST_BODY_BYTES },
  )
  // Who subscribes is told once for each change, and reads again.
  const stops = resources.flatMap(([uri, resource]) => resource.watch?.(granted, () => handler.notify.resourceUpdated(uri)) ?? [])
  app.all('/mcp', async (c) => {
    await refuseUnauthorizedCall(
      c.req.raw,
      access,
      (name) => {
        const tool = tools.get(name)
        return tool && wantedOf(definition.id, name, tool)
      },
      (name, caller, given, code) =>
        options.audit?.record({ ...entryOf(name, tools.get(name) as Tool, caller, given, traceOf(c.req.raw.headers.get('traceparent'))), decision: 'refused', outcome: code }),
    )
    return handler.fetch(c.req.raw)
  })

  const stop = () => {
    for (const each of stops) each()
  }
  return { app, tools: listings, call, inFlight: () => inFlight, stop }
}

const wantedOf = (service: string, tool: string, { effect, guarded }: Tool) => ({ service, tool, effect, guarded })

function servePrompts(server: Server, prompts: readonly (readonly [string, Prompt])[], granted: Ports, now: () => number): void {
  const find = (name: string) => {
    const prompt = prompts.find(([known]) => known === name)?.[1]
    if (!prompt) throw new KintsugiError('not-found', `there is no prompt ${name.slice(0, 80)}`, { hint: prompts.map(([known]) => known).join(', ') })
    return prompt
  }
  server.setRequestHandler('prompts/list', () => ({ prompts: prompts.map(([name, prompt]) => listPrompt(name, prompt)), ttlMs: 60_000, cacheScope: 'public' as never }))
  server.setRequestHandler('prompts/get', async ({ params }) => {
    const prompt = find(params.name)
    const given = params.arguments ?? {}
    const missing = prompt.arguments.find(({ name, required }) => required && given[name] === undefined)
    if (missing) throw new KintsugiError('bad-argument', `${missing.name}: expected ${missing.description} (got nothing)`)
    const text = await prompt.render(given, { ...granted, now })
    return { description: prompt.description, messages: [{ role: 'user' as const, content: { type: 'text' as const, text } }] }
  })
  server.setRequestHandler('completion/complete', async ({ params }) => {
    const argument = params.ref.type === 'ref/prompt' ? find(params.ref.name).arguments.find(({ name }) => name === params.argument.name) : undefined
    const values = (await argument?.complete?.(granted, params.argument.value)) ?? []
    return { completion: { values: values.slice(0, MOST_COMPLETIONS), total: values.length, hasMore: values.length > MOST_COMPLETIONS } }
  })
}

function listPrompt(name: string, prompt: Prompt): PromptListing {
  return { name, title: prompt.title, description: prompt.description, arguments: prompt.arguments.map(({ complete: _, ...argument }) => argument) }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function definitionsOf({ tools, resources = {}, prompts = {} }: ServiceDefinition, listings: ToolListing[]): ServiceDefinitions {
  const all = {
    tools: listings,
    keywords: Object.fromEntries(Object.entries(tools).flatMap(([name, { keywords }]) => (keywords === undefined ? [] : [[name, keywords]]))),
    resources: Object.entries(resources).map(([uri, { title, description }]) => ({ uri, name: title, title, description, mimeType: 'application/json' })),
    resourceTemplates: [],
    prompts: Object.entries(prompts).map(([name, prompt]) => listPrompt(name, prompt)),
    watched: Object.entries(resources).flatMap(([uri, { watch }]) => (watch ? [uri] : [])),
  }
  return { ...all, hash: sha256(JSON.stringify(all)) }
}

function agentRoutes(app: Hono, definition: ServiceDefinition, options: HostOptions, agent: RunningAgent): void {
  app.get('/decisions', async (c) => {
    const limit = Number(c.req.query('limit') ?? 20)
    if (!Number.isInteger(limit) || limit < 1 || limit > 200)
      throw new KintsugiError('bad-argument', `limit: expected a whole number from 1 to 200 (got ${JSON.stringify(c.req.query('limit'))})`)
    return c.json({ decisions: toPlain(await agent.decisions(limit)) })
  })
  app.post('/coordinate', async (c) => {
    authorize({ ...options.access, required: true }, await identify(options.access, c.req.raw.headers), { effect: 'write', service: definition.id })
    const body = await readJson(c.req.raw)
    if (!agent.coordinate) throw new KintsugiError('not-supported', `${definition.id} takes no tasks`)
    if (typeof body.description !== 'string' || body.description === '') throw new KintsugiError('bad-argument', 'description: expected what to do, as text (got nothing)')
    return c.json({ result: toPlain(await agent.coordinate({ description: body.description, arguments: (body.arguments as Record<string, unknown>) ?? {} })) })
  })
  for (const [address, answer] of Object.entries(agent.endpoints ?? {})) {
    const [method, path] = address.split(' ') as ['GET' | 'POST', string]
    app.on(method, path, async (c) => {
      if (method === 'GET') return c.json(toPlain(await answer(c.req.query())) as Record<string, unknown>)
      authorize({ ...options.access, required: true }, await identify(options.access, c.req.raw.headers), { effect: 'write', service: definition.id })
      return c.json(toPlain(await answer(await readJson(c.req.raw))) as Record<string, unknown>)
    })
  }
  app.get('/.well-known/agent-card.json', (c) =>
    c.json({
      protocolVersion: '1.0',
      name: options.title,
      description: definition.kind === 'agent' ? definition.duty : '',
      version: options.version,
      supportedInterfaces: [{ url: `http://127.0.0.1:${options.port}/coordinate`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' }],
      capabilities: { streaming: false, pushNotifications: false },
      defaultInputModes: ['application/json'],
      defaultOutputModes: ['application/json'],
      skills: Object.entries(definition.tools).map(([name, tool]) => ({ id: name, name: name.replaceAll('_', ' '), description: tool.description, tags: [tool.effect] })),
    }),
  )
}

async function readJson(request: Request): Promise<Record<string, unknown>> {
  const text = await request.text()
  try {
    const value: unknown = JSON.parse(text)
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    throw new KintsugiError('bad-json', `the body is not JSON (it begins with ${JSON.stringify(text.slice(0, 40))})`, {
      hint: 'send a JSON object such as {"type": "price_query", "symbol": "ETH"}',
    })
  }
  throw new KintsugiError('bad-json', 'the body is JSON but not an object', { hint: 'send a JSON object such as {"type": "price_query", "symbol": "ETH"}' })
}

function aborted(signal: AbortSignal, timeout: AbortSignal, name: string, timeoutMs: number): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () =>
      reject(
        timeout.aborted
          ? new KintsugiError('deadline-exceeded', `${name} did not finish within ${timeoutMs} ms`, { retry: 'later', hint: 'raise REQUEST_TIMEOUT, or ask for less' })
          : new KintsugiError('cancelled', `${name} was cancelled by its caller`),
      )
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

function serviceMetrics(service: string) {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  const registers = [registry]
  return {
    registry,
    calls: new Counter({ name: 'kintsugi_tool_calls_total', help: 'Tool calls by outcome', labelNames: ['tool', 'outcome'], registers }),
    duration: new Histogram({
      name: 'kintsugi_tool_duration_seconds',
      help: 'Duration of tool calls',
      labelNames: ['tool'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    }),
    inFlight: new Gauge({ name: 'kintsugi_calls_in_flight', help: 'Tool calls running now', registers }),
    uptime: new Gauge({ name: 'kintsugi_uptime_seconds', help: 'Seconds since the service started', registers }),
  }
}
