/** Tools are named by text in profiles, hints, the command line, the page and the documents: each of them exists. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { PROFILES } from '../src/gateway/mcp/tool-selection.ts'
import { loadService, SERVICE_NEEDS } from '../src/processes/services.gen.ts'

const root = join(import.meta.dirname, '..')
/** Written for a reader at one commit: they may name tools that were removed since. */
const HISTORICAL = /^docs\/(decisions\/|benchmarks\.md)/

/** Refusals of tools name tools that must not exist. */
const NOBODY = /__(none|nope)$/

const tools = new Set<string>()
const services = new Set<string>()
for (const service of Object.keys(SERVICE_NEEDS)) {
  const definition = await loadService(service)
  services.add(service)
  if ('tools' in definition)
    for (const tool of Object.keys(definition.tools)) tools.add(`${service}__${tool}`)
}

const filesOf = (folder: string, pattern: RegExp): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
const files = [
  'README.md',
  'AGENTS.md',
  ...filesOf('docs', /\.md$/),
  ...filesOf('src', /(?<!\.test)\.tsx?$/),
].filter((file) => !HISTORICAL.test(file))

/** Every tool of one of our services in a text, as `service__tool` or as the fields of a call. */
function referencesIn(text: string): string[] {
  const names = [
    ...text.matchAll(/\b([a-z0-9][a-z0-9_-]*?)__([a-z][a-z0-9_]*)\b/g),
    ...text.matchAll(/\bservice: '([^']+)',\s*tool: '([^']+)'/g),
  ]
  return names.flatMap(([, service, tool]) =>
    services.has(service as string) ? [`${service}__${tool}`] : [],
  )
}

test('every service__tool in the sources and the documents exists', () => {
  const found = files.flatMap((file) =>
    referencesIn(readFileSync(join(root, file), 'utf8')).map((name) => ({ file, name })),
  )
  expect(found.filter(({ name }) => !tools.has(name) && !NOBODY.test(name))).toEqual([])
  expect(found.length).toBeGreaterThan(10)
})

test('a name that does not exist would be found', () => {
  expect(referencesIn("pinned: ['dex_aggregator_mcp_server__best_route']")).toEqual([
    'dex_aggregator_mcp_server__best_route',
  ])
  expect(tools.has('dex_aggregator_mcp_server__best_route')).toBe(false)
  expect(referencesIn("call({ service: 'dashboard', tool: 'nothing' })")).toEqual(['dashboard__nothing'])
  expect(referencesIn('named `server__tool`, everything__echo')).toEqual([])
})

test('profiles pin tools and servers that exist', () => {
  const pinned = Object.values(PROFILES).flatMap((profile) => profile.pinned)
  const unknown = pinned.filter((name) =>
    name.endsWith('__*') ? !services.has(name.slice(0, -3)) : !tools.has(name),
  )
  expect(unknown).toEqual([])
  expect(pinned.length).toBeGreaterThan(5)
})
