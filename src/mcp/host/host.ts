/** Hosts a definition: its HTTP routes, its MCP endpoint and the pipeline that runs its calls. */
import { createHash, randomBytes } from 'node:crypto'
import type { Hono } from 'hono'
import type { AuditRecorder } from '../../ports/audit.ts'
import type { PortName, Ports } from '../../ports/ports.ts'
import type { Records } from '../../ports/records.ts'
import type { Telemetry } from '../../ports/telemetry.ts'
import { toPlain } from '../../std/json.ts'
import type { HostScope, RunningAgent, ServiceDefinition, State } from '../define.ts'
import { stateCodec } from '../elicitation.ts'
import { Definitions } from '../protocol/definitions.ts'
import { mcpEndpoint } from '../protocol/mcp-endpoint.ts'
import type { AccessPolicy, Caller } from './access.ts'
import { agentRoutes } from './agent-routes.ts'
import type { ApprovalDesk } from './approve.ts'
import { CallPipeline } from './call-pipeline.ts'
import type { CallObserver } from './call-recorder.ts'
import { exampleRoute } from './examples.ts'
import { guardedApp } from './http-app.ts'
import { mcpRoute } from './mcp-route.ts'
import { type ServiceMetrics, serviceMetrics } from './metrics.ts'
import { serviceRoutes } from './service-routes.ts'
import type { CallOptions, ToolOutput } from './tool-call.ts'

/** Everything that a service needs in addition to its definition and ports. */
export interface HostOptions {
  title: string
  category: string
  version: string
  access: AccessPolicy
  /** Initial limit of concurrent calls (MAX_CONCURRENT_OPERATIONS); it adapts to the load of the process. */
  maxConcurrent: number
  /** Maximum delay of the process's event loop, in ms. */
  loopDelayMs(): number
  /** Deadline of a call in ms (REQUEST_TIMEOUT). */
  timeoutMs: number
  /** ms since 1970. */
  now(): number
  /** Port of the service, for its card. */
  port: number
  /** Why the service is not ready; undefined if it is. */
  readiness(): Promise<string | undefined> | string | undefined
  /** The result of the definition's `state` or `start`. */
  state?: State | undefined
  agent?: RunningAgent
  /** Checks every answer against its tool's output schema: in tests and development. */
  checkAnswers?: boolean
  observer?: CallObserver
  /** Records every call. */
  audit?: AuditRecorder
  /** Collects spans and metrics. */
  telemetry?: Telemetry | undefined
  /** Policy and book of approvals; without it no call needs an approval. */
  approvals?: ApprovalDesk
  /** The records that all processes share. */
  records(): Promise<Records>
  /** Equal in every process of the fleet. Without it, a request state is valid in this process only. */
  secret?: string | undefined
  /** Injects faults into calls, for tests of a running fleet. */
  injectFault?<T>(work: () => T | Promise<T>): Promise<T>
}

/** A service that is hosted. */
export interface HostedService {
  app: Hono
  /** Authorizes and runs a call, as for a request of `caller`. Throws what the pipeline throws. */
  call(name: string, args: unknown, caller: Caller, options?: CallOptions): Promise<ToolOutput>
  /** Calls that run now. */
  inFlight(): number
  /** Stops watching resources and dynamic definitions. */
  stop(): void
}

/** Hosts a service. `ports` must hold the ports that the definition needs. */
export function host(
  definition: ServiceDefinition,
  ports: Pick<Ports, PortName>,
  options: HostOptions,
): HostedService {
  const { title, version, now } = options
  const service = definition.id
  const scope = scopeOf(definition, ports, options)
  const definitions = new Definitions(definition, scope, () => {
    endpoint.notify.toolsChanged()
    endpoint.notify.promptsChanged()
    endpoint.notify.resourcesChanged()
  })
  const metrics = serviceMetrics(service)
  const pipeline = new CallPipeline({ ...options, service, definitions, scope, metrics })
  const endpoint = mcpEndpoint({
    service,
    title,
    version,
    definitions,
    scope,
    stateCodec: stateCodec(stateKey(options.secret)),
    records: options.records,
    now,
    permit: pipeline.permit.bind(pipeline),
    run: pipeline.run.bind(pipeline),
  })
  const app = serviceApp(definition, definitions, pipeline, metrics, options)
  exampleRoute(app, definition, scope)
  mcpRoute(app, endpoint, pipeline, options.access)
  const stops = Object.entries(definition.resources ?? {}).flatMap(
    ([uri, resource]) => resource.watch?.(scope, () => endpoint.notify.resourceUpdated(uri)) ?? [],
  )
  return {
    app,
    call: async (name, args, caller, call = {}) =>
      pipeline.run({ ...call, args, permit: pipeline.permit(name, args, caller, call.traceparent ?? null) }),
    inFlight: () => pipeline.inFlight,
    stop: () => {
      for (const stop of stops) stop()
      definitions.stop()
    },
  }
}

/** The context of the definition's functions: only the ports that it needs, and its state. */
const scopeOf = (
  { needs }: ServiceDefinition,
  ports: Pick<Ports, PortName>,
  { state, agent, now }: HostOptions,
): HostScope => ({
  ...(Object.fromEntries(needs.map((need) => [need, ports[need]])) as unknown as Ports),
  state: (agent ?? state ?? {}) as never,
  now,
})

function serviceApp(
  definition: ServiceDefinition,
  definitions: Definitions,
  pipeline: CallPipeline,
  metrics: ServiceMetrics,
  options: HostOptions,
): Hono {
  const { access, title, version, category, port, agent, now, readiness } = options
  const startedAt = now()
  const uptimeSeconds = () => (now() - startedAt) / 1_000
  const identity = { service: definition.id, kind: definition.kind, title, version }
  const app = guardedApp({
    access,
    identity,
    readiness,
    now,
    hint: 'see /capabilities',
    health: () => ({
      uptimeSeconds: Math.round(uptimeSeconds()),
      ...(agent ? { state: toPlain(agent.state()) } : {}),
    }),
  })
  serviceRoutes(app, {
    definition,
    definitions,
    pipeline,
    metrics,
    agent,
    identity,
    category,
    port,
    uptimeSeconds,
  })
  if (agent) agentRoutes(app, definition, agent, options)
  return app
}

/** Key of the request states: derived from the fleet's secret, or random. */
const stateKey = (secret: string | undefined): Uint8Array =>
  secret === undefined ? randomBytes(32) : createHash('sha256').update(`request state of ${secret}`).digest()
