/**
 * The coordination system: every tool behind one endpoint, the REST and WebSocket API, the state of the
 * fleet.
 */
import type { Hono } from 'hono'
import { Dispatch } from '../adapters/dispatch/dispatcher.ts'
import { Approvals } from '../engine/governance/approvals.ts'
import { AuditSink } from '../engine/governance/audit-sink.ts'
import { defineMain, type MainContext } from '../mcp/define.ts'
import { DEFINITIONS_KEY, TAGS_SETTING } from '../mcp/tool-search.ts'
import type { ServerTags, ServiceDefinitions } from '../ports/definitions.ts'
import type { Ports } from '../ports/ports.ts'
import { apiRoutes } from './api/routes.ts'
import { eventStream } from './events.ts'
import { followInstances } from './instances.ts'
import { Directory } from './mcp/directory.ts'
import { type McpEndpoint, mcpEndpoint } from './mcp/endpoint.ts'
import { MetaTools } from './mcp/meta-tools.ts'
import { Sessions } from './mcp/sessions.ts'
import { PublishedState } from './published-state.ts'
import { ServiceWatches } from './service-watches.ts'
import { mainApp, viewSources } from './sources.ts'

const DEFINITIONS_TIMEOUT_MS = 2_000
/** How often new services are looked for to subscribe to; calls have priority during the first second. */
const WATCH_INTERVAL_MS = 1_000
const HTTP_ROUTES = [
  '/health',
  '/ready',
  '/metrics',
  '/status',
  '/servers',
  '/agents',
  '/trades',
  '/paper-trades',
  '/profit-series',
  '/opportunities',
  '/opportunities/{id}',
  '/openapi.json',
  '/approvals',
  '/approvals/{id}',
  '/approvals/policy',
  '/restart/{service}',
  '/halt',
  '/resume',
  '/events',
  '/tools',
  '/mcp',
  '/mcp/{server}',
]

export default defineMain({
  id: 'coordination_system',
  needs: ['fleet', 'ledger', 'chain', 'bus', 'audit', 'records', 'halt'],
  start: async (ports, context) => {
    const { access, now, mode } = context
    const sources = viewSources(ports, context)
    const app = mainApp('coordination_system', context)
    const audit = new AuditSink({
      open: async () => ports.audit,
      onNote: (note) => context.log.warn({}, note),
    })
    apiRoutes(app, { access, sources, approvals: new Approvals(ports.records, now), audit, mode, now })
    const gateway = await openGateway(ports, context, audit)
    gateway.endpoint.mount(app)
    directoryRoutes(app, gateway.directory, context.plan.version)
    const events = eventStream(ports.bus, sources, access)
    return {
      app,
      upgrade: events.upgrade,
      unready: () => (gateway.directory.gathered ? undefined : 'collecting tool definitions'),
      stop: () => {
        gateway.stop()
        void audit.stop()
        events.stop()
      },
    }
  },
})

interface Gateway {
  readonly directory: Directory
  readonly endpoint: McpEndpoint
  stop(): void
}

/** The MCP endpoint with all that keeps it up to date: definitions, instances, tags, subscriptions. */
async function openGateway(
  ports: Pick<Ports, 'fleet' | 'ledger' | 'bus'>,
  context: MainContext,
  audit: AuditSink,
): Promise<Gateway> {
  const { bus } = ports
  const { access, secret, bearer, plan, now, telemetry, requestTimeoutMs: timeoutMs } = context
  let onChange: (what: 'tools' | 'resources' | 'prompts') => void = () => undefined
  const directory = new Directory({
    now,
    fetchDefinitions: (service) => fetchDefinitions(plan.ports[service], bearer()),
    onChange: (what) => onChange(what),
  })
  const remembered = await bus.get(DEFINITIONS_KEY).catch(() => undefined)
  if (remembered) directory.recall(remembered)
  const instances = await followInstances(ports, context, (services) => {
    void directory.follow(services)
    return !directory.gathered
  })
  const dispatch = new Dispatch({ ...instances, now })
  const meta = new MetaTools(directory)
  const sessions = new Sessions(bus, secret, now)
  const { version } = plan
  const serving = { access, bearer, version, timeoutMs, now, audit, telemetry }
  const endpoint = mcpEndpoint({ directory, meta, dispatch, sessions, ...serving })
  const watches = new ServiceWatches({
    directory,
    urlOf: (service) => `http://127.0.0.1:${plan.ports[service]}/mcp`,
    bearer,
    onUpdate: endpoint.notify.resourceUpdated,
  })
  const published = new PublishedState({ bus, dispatch, directory, now })
  const watching = setInterval(() => watches.update(), WATCH_INTERVAL_MS)
  onChange = (what) => {
    if (what === 'tools') endpoint.notify.toolsChanged()
    else if (what === 'resources') endpoint.notify.resourcesChanged()
    else endpoint.notify.promptsChanged()
    published.definitionsChanged()
  }
  const stops = [
    followTags(ports, meta),
    () => published.stop(),
    () => clearInterval(watching),
    () => sessions.stop(),
    () => watches.close(),
    () => instances.stop(),
  ]
  return {
    directory,
    endpoint,
    stop: () => {
      for (const stop of stops) stop()
    },
  }
}

async function fetchDefinitions(
  port: number | undefined,
  token: string | undefined,
): Promise<ServiceDefinitions> {
  const response = await fetch(`http://127.0.0.1:${port}/definitions`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(DEFINITIONS_TIMEOUT_MS),
  })
  if (!response.ok) throw new Error(`/definitions: expected status 200 (got ${response.status})`)
  return (await response.json()) as ServiceDefinitions
}

/** Keeps the tags of the search up to date. Returns how to stop. */
function followTags({ bus, ledger }: Pick<Ports, 'bus' | 'ledger'>, meta: MetaTools): () => void {
  ledger.setting<ServerTags>(TAGS_SETTING).then(
    (tags) => {
      if (tags) meta.tags = tags
    },
    () => undefined,
  )
  return bus.subscribe(TAGS_SETTING, (tags) => {
    meta.tags = tags
  })
}

function directoryRoutes(app: Hono, directory: Directory, version: string): void {
  app.get('/tools', (c) =>
    c.json({
      tools: [...directory.tools.values()].map(({ listing }) => listing),
      missing: directory.missing,
    }),
  )
  app.get('/capabilities', (c) =>
    c.json({ service: 'coordination_system', kind: 'main', version, http: HTTP_ROUTES }),
  )
  app.get('/', (c) => c.redirect('/status'))
}
