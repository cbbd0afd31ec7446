/** HTTP routes of every service: metrics, capabilities, definitions and calls with `POST /query`. */
import type { Hono } from 'hono'
import { KintsugiError } from '../../std/errors.ts'
import { traceparentOf } from '../../std/trace.ts'
import { ToolContent } from '../content.ts'
import type { RunningAgent, ServiceDefinition } from '../define.ts'
import type { Definitions } from '../protocol/definitions.ts'
import type { CallPipeline } from './call-pipeline.ts'
import { IDEMPOTENCY_HEADER } from './idempotency.ts'
import { metricsResponse, type ServiceMetrics } from './metrics.ts'
import { readJsonObject } from './request-body.ts'

/** The definitions and calls behind the routes of a service. */
export interface ServiceRouteOptions {
  readonly definition: ServiceDefinition
  readonly definitions: Definitions
  readonly pipeline: CallPipeline
  readonly metrics: ServiceMetrics
  readonly agent: RunningAgent | undefined
  /** Fields of `/capabilities` that name the service. */
  readonly identity: Record<string, unknown>
  readonly category: string
  readonly port: number
  uptimeSeconds(): number
}

/** Adds the routes to an app made by `guardedApp`. */
export function serviceRoutes(app: Hono, options: ServiceRouteOptions): void {
  const { definitions, pipeline, metrics, uptimeSeconds } = options
  app.get('/metrics', () => {
    metrics.inFlight.set(pipeline.inFlight)
    metrics.uptime.set(uptimeSeconds())
    return metricsResponse(metrics)
  })
  app.get('/capabilities', (c) => c.json(capabilities(options)))
  app.get('/tools', (c) => c.json({ tools: definitions.listing.tools }))
  app.get('/definitions', (c) => c.json(definitions.listing))
  app.post('/query', async (c) => {
    const { raw: request } = c.req
    const { type, ...args } = await readJsonObject(request)
    if (typeof type !== 'string') throw notATool(type, definitions)
    const traceparent = traceparentOf(request.headers.get('traceparent'))
    const output = await pipeline.run({
      permit: pipeline.permit(type, args, c.var.caller, traceparent),
      args,
      signal: request.signal,
      traceparent,
      idempotencyKey: request.headers.get(IDEMPOTENCY_HEADER) ?? undefined,
    })
    if (!(output instanceof ToolContent)) return c.json({ result: output })
    const { blocks: content, structured } = output
    return c.json({ result: { content, ...(structured ? { structuredContent: structured } : {}) } })
  })
  app.all('/query', (c) => {
    const message = `${c.req.method} /query: expected POST`
    return c.json({ error: { code: 'bad-argument', message, retry: 'never' } }, 405, { allow: 'POST' })
  })
}

function notATool(type: unknown, { tools }: Definitions): KintsugiError {
  const got = type === undefined ? 'nothing' : JSON.stringify(type).slice(0, 60)
  return new KintsugiError('bad-argument', `type: expected the name of a tool as a string (got ${got})`, {
    hint: `one of ${[...tools.keys()].join(', ')}`,
    data: { fields: [{ field: 'type', expected: 'the name of a tool', got: String(type) }] },
  })
}

function capabilities({ definition, definitions, agent, identity, category, port }: ServiceRouteOptions) {
  const agentPaths = agent
    ? [
        '/decisions',
        '/coordinate',
        '/.well-known/agent-card.json',
        ...Object.keys(agent.endpoints ?? {}).map((address) => address.split(' ')[1] as string),
      ]
    : []
  return {
    ...identity,
    category,
    port,
    needs: definition.needs,
    tools: definitions.listing.tools.map(({ name, description, _meta }) => ({
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
        ...agentPaths,
      ],
    },
    ...(definition.kind === 'agent' ? { duty: definition.duty } : {}),
  }
}
