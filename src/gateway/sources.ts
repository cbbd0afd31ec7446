/** What the gateway's and the dashboard's views are made from. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Hono } from 'hono'
import type { MainContext } from '../mcp/define.ts'
import { guardedApp } from '../mcp/host/http-app.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import type { Ports } from '../ports/ports.ts'
import type { ViewSources } from './views.ts'

export function viewSources(
  ports: Pick<Ports, 'fleet' | 'ledger' | 'chain'>,
  context: MainContext,
): ViewSources {
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

/** The app of a main service: guarded like every other, with its own name. */
export function mainApp(id: string, context: MainContext): Hono {
  const startedAt = context.now()
  return guardedApp({
    access: context.access,
    identity: { service: id, kind: 'main', version: context.plan.version },
    readiness: context.readiness,
    hint: 'see docs/api.md',
    health: () => ({ uptimeSeconds: Math.round((context.now() - startedAt) / 1_000) }),
  })
}
