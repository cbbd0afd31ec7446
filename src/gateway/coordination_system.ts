/** The coordination system: every tool behind one endpoint, the REST and WebSocket API, the state of the fleet. */
import { defineMain } from '../mcp/define.ts'
import { apiRoutes } from './api/routes.ts'
import { eventStream } from './events.ts'
import { mainApp, viewSources } from './sources.ts'
import { Dispatch } from '../adapters/fleet/dispatch.ts'
import { followInstances } from './instances.ts'
import { toolGateway } from './tools.ts'

const TELL_MS = 1_000

export default defineMain({
  id: 'coordination_system',
  needs: ['fleet', 'ledger', 'chain', 'bus'],
  start: async (ports, context) => {
    const sources = viewSources(ports, context)
    const options = { access: context.access, sources }
    const app = mainApp('coordination_system', context)
    apiRoutes(app, options)
    const instances = await followInstances(ports, context)
    const dispatch = new Dispatch({ ...instances, now: context.now })
    const telling = setInterval(() => void ports.bus.set('gateway:breakers', dispatch.state(), TELL_MS * 10).catch(() => undefined), TELL_MS)
    const gateway = toolGateway({
      fleet: ports.fleet,
      access: context.access,
      token: context.token,
      dispatch,
      version: context.plan.version,
      timeoutMs: context.requestTimeoutMs,
      now: context.now,
    })
    app.all('/mcp', (c) => gateway.handle(c.req.raw))
    app.get('/tools', async (c) => {
      const { tools, missing } = await gateway.list()
      return c.json({ tools: tools.map(({ service: _, plainName: __, ...tool }) => tool), missing })
    })
    app.get('/capabilities', (c) =>
      c.json({
        service: 'coordination_system',
        kind: 'main',
        version: context.plan.version,
        http: ['/health', '/ready', '/status', '/servers', '/agents', '/trades', '/opportunities', '/opportunities/{id}', '/restart/{service}', '/events', '/tools', '/mcp'],
      }),
    )
    app.get('/', (c) => c.redirect('/status'))
    const events = eventStream(ports.bus, sources, context.access)
    const stop = () => {
      clearInterval(telling)
      instances.stop()
      events.stop()
    }
    return { app, upgrade: events.upgrade, stop }
  },
})
