/** The coordination system: every tool behind one endpoint, the REST and WebSocket API, the state of the fleet. */
import { Dispatch } from '../adapters/dispatch/dispatcher.ts'
import { Approvals } from '../engine/governance/approvals.ts'
import { AuditSink } from '../engine/governance/audit-sink.ts'
import { type Watch, watchServer } from '../mcp/client.ts'
import { defineMain } from '../mcp/define.ts'
import { DEFINITIONS_KEY, TAGS_SETTING } from '../mcp/tool-search.ts'
import type { ServerTags, ServiceDefinitions } from '../ports/definitions.ts'
import { apiRoutes } from './api/routes.ts'
import { eventStream } from './events.ts'
import { followInstances } from './instances.ts'
import { Directory } from './mcp/directory.ts'
import { type McpEndpoint, mcpEndpoint } from './mcp/endpoint.ts'
import { MetaTools } from './mcp/meta-tools.ts'
import { Sessions } from './mcp/sessions.ts'
import { mainApp, viewSources } from './sources.ts'

const TELL_MS = 1_000
const ASK_MS = 2_000
const REMEMBER_MS = 86_400_000

export default defineMain({
  id: 'coordination_system',
  needs: ['fleet', 'ledger', 'chain', 'bus', 'audit', 'records'],
  start: async (ports, context) => {
    const { bus } = ports
    const { access, secret, bearer, plan, now } = context
    const sources = viewSources(ports, context)
    const app = mainApp('coordination_system', context)
    const audit = new AuditSink({
      open: async () => ports.audit,
      onNote: (note) => context.log.warn({}, note),
    })
    apiRoutes(app, {
      access,
      sources,
      approvals: new Approvals(ports.records, now),
      audit,
      mode: context.mode,
    })
    let endpoint: McpEndpoint | undefined
    let changed = false
    const own = (): Record<string, string> => {
      const token = bearer()
      return token === undefined ? {} : { authorization: `Bearer ${token}` }
    }
    const directory = new Directory({
      now,
      ask: async (service) => {
        const response = await fetch(`http://127.0.0.1:${plan.ports[service]}/definitions`, {
          headers: own(),
          signal: AbortSignal.timeout(ASK_MS),
        })
        if (!response.ok) throw new Error(`it answered ${response.status}`)
        return (await response.json()) as ServiceDefinitions
      },
      onChange: (what) => {
        if (what === 'tools') endpoint?.notify.toolsChanged()
        else if (what === 'resources') endpoint?.notify.resourcesChanged()
        else endpoint?.notify.promptsChanged()
        changed = true
      },
    })
    const remembered = await bus.get(DEFINITIONS_KEY).catch(() => undefined)
    if (remembered) directory.recall(remembered)
    const instances = await followInstances(ports, context, (services) => {
      void directory.follow(services)
      return !directory.gathered
    })
    const dispatch = new Dispatch({ ...instances, now })
    const meta = new MetaTools(directory)
    ports.ledger.setting<ServerTags>(TAGS_SETTING).then(
      (tags) => {
        if (tags) meta.tags = tags
      },
      () => undefined,
    )
    const stopTags = bus.subscribe(TAGS_SETTING, (tags) => {
      meta.tags = tags
    })
    const sessions = new Sessions(bus, secret)
    const serving = mcpEndpoint({
      directory,
      meta,
      dispatch,
      sessions,
      access,
      bearer,
      version: plan.version,
      timeoutMs: context.requestTimeoutMs,
      audit,
      telemetry: context.telemetry,
    })
    endpoint = serving
    const watches = new Map<string, Watch>()
    const watch = () => {
      for (const [service, { uris, changing }] of directory.watched) {
        if (watches.has(service)) continue
        const onListChange = changing ? () => void directory.refresh(service) : undefined
        watches.set(
          service,
          watchServer(
            { url: `http://127.0.0.1:${plan.ports[service]}/mcp`, token: bearer },
            { uris, onUpdate: (uri) => serving.notify.resourceUpdated(uri), onListChange },
          ),
        )
      }
    }
    const telling = setInterval(() => {
      void bus.set('gateway:breakers', dispatch.state(), TELL_MS * 10).catch(() => undefined)
      if (!changed || !directory.gathered) return
      changed = false
      watch()
      void bus.set(DEFINITIONS_KEY, directory.remember(), REMEMBER_MS).catch(() => undefined)
    }, TELL_MS)
    // Calls come first: changes of resources are listened to in a moment.
    const watching = setTimeout(watch, TELL_MS)
    app.all('/mcp', (c) => serving.fetch(c.req.raw, c.env))
    app.all('/mcp/:server', (c) => serving.fetch(c.req.raw, c.env))
    app.get('/tools', (c) =>
      c.json({
        tools: [...directory.tools.values()].map(({ listing }) => listing),
        missing: directory.missing,
      }),
    )
    app.get('/capabilities', (c) =>
      c.json({
        service: 'coordination_system',
        kind: 'main',
        version: plan.version,
        http: [
          '/health',
          '/ready',
          '/status',
          '/servers',
          '/agents',
          '/trades',
          '/opportunities',
          '/opportunities/{id}',
          '/openapi.json',
          '/approvals',
          '/approvals/{id}',
          '/approvals/policy',
          '/restart/{service}',
          '/events',
          '/tools',
          '/mcp',
          '/mcp/{server}',
        ],
      }),
    )
    app.get('/', (c) => c.redirect('/status'))
    const events = eventStream(bus, sources, access)
    const stop = () => {
      stopTags()
      sessions.stop()
      void audit.stop()
      clearInterval(telling)
      clearTimeout(watching)
      for (const each of watches.values()) each.close()
      instances.stop()
      events.stop()
    }
    return {
      app,
      upgrade: events.upgrade,
      unready: () => (directory.gathered ? undefined : 'the services are being asked what they offer'),
      stop,
    }
  },
})
