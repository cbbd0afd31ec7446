/** The dashboard: the page and the API at one origin. */
import { existsSync, readFileSync } from 'node:fs'
import { extname, join, normalize } from 'node:path'
import { Hono } from 'hono'
import { Approvals } from '../engine/governance/approvals.ts'
import { AuditSink } from '../engine/governance/audit-sink.ts'
import { defineMain } from '../mcp/define.ts'
import { KintsugiError } from '../std/errors.ts'
import { packageRoot } from '../std/package-root.ts'
import { apiRoutes } from './api/routes.ts'
import { eventStream } from './events.ts'
import { mainApp, viewSources } from './sources.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}
const CONTENT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export default defineMain({
  id: 'dashboard',
  needs: ['fleet', 'ledger', 'chain', 'bus', 'records', 'audit', 'halt'],
  start: async (ports, context) => {
    const sources = viewSources(ports, context)
    const audit = new AuditSink({
      open: async () => ports.audit,
      onNote: (note) => context.log.warn({}, note),
    })
    const options = {
      access: context.access,
      sources,
      approvals: new Approvals(ports.records, context.now),
      audit,
      mode: context.mode,
      now: context.now,
    }
    const app = mainApp('dashboard', context)
    const api = new Hono()
    apiRoutes(api, options)
    app.route('/api', api)
    const events = eventStream(ports.bus, sources, context.access)
    pageRoutes(app)
    return {
      app,
      upgrade: events.upgrade,
      stop: () => {
        void audit.stop()
        events.stop()
      },
    }
  },
})

/** Serves the built page; any other path gets the page too. */
function pageRoutes(app: Hono): void {
  const folder = join(packageRoot(), 'dist/web')
  const index = join(folder, 'index.html')
  app.get('*', (c) => {
    if (!existsSync(index))
      throw new KintsugiError('not-built', 'the page is not built', { hint: 'run `npm run build`' })
    const requested = normalize(join(folder, c.req.path === '/' ? 'index.html' : c.req.path))
    const isFile = requested.startsWith(folder) && existsSync(requested) && extname(requested) !== ''
    const path = isFile ? requested : index
    return new Response(readFileSync(path), {
      headers: {
        'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
        'content-security-policy': CONTENT_POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      },
    })
  })
}
