/** Sources and HTTP app that the gateway and the dashboard share. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Hono } from 'hono'
import type { MainContext } from '../mcp/define.ts'
import { guardedApp } from '../mcp/host/http-app.ts'
import { baseMetrics, metricsResponse } from '../mcp/host/metrics.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import type { Ports } from '../ports/ports.ts'
import type { StatusSources } from '../views/fleet-status.ts'

/** The ports behind the views, and the market that is traded now. */
export function viewSources(
  ports: Pick<Ports, 'fleet' | 'ledger' | 'chain' | 'halt'>,
  context: MainContext,
): StatusSources {
  const path = join(context.plan.dataFolder, 'chain.json')
  let cached: { at: number; manifest: MarketManifest } | undefined
  return {
    ...ports,
    version: context.plan.version,
    manifest() {
      try {
        const at = statSync(path).mtimeMs
        if (cached?.at !== at) cached = { at, manifest: JSON.parse(readFileSync(path, 'utf8')) }
        return cached?.manifest
      } catch {
        return undefined
      }
    },
  }
}

/** The guarded HTTP app of a main service, with its `/metrics`. */
export function mainApp(
  id: string,
  context: Pick<MainContext, 'now' | 'access' | 'readiness'> & { plan: Pick<MainContext['plan'], 'version'> },
): Hono {
  const startedAt = context.now()
  const uptimeSeconds = () => (context.now() - startedAt) / 1_000
  const app = guardedApp({
    access: context.access,
    identity: { service: id, kind: 'main', version: context.plan.version },
    readiness: context.readiness,
    hint: 'see docs/api.md',
    now: context.now,
    health: () => ({ uptimeSeconds: Math.round(uptimeSeconds()) }),
  })
  const metrics = baseMetrics(id)
  app.get('/metrics', () => {
    metrics.uptime.set(uptimeSeconds())
    return metricsResponse(metrics)
  })
  return app
}
