/** What the gateway's and the dashboard's views are made from. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { MainContext } from '../mcp/define.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import type { Ports } from '../ports/ports.ts'
import type { ViewSources } from './views.ts'

export function viewSources(ports: Pick<Ports, 'fleet' | 'ledger' | 'chain'>, context: MainContext): ViewSources {
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
