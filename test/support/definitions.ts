/** Definitions of services, and a directory of them, for tests of the gateway. */
import { Directory } from '../../src/gateway/mcp/directory.ts'
import type { ServiceDefinitions, ToolListing } from '../../src/ports/definitions.ts'

/** A read without arguments. */
export const toolListing = (name: string, change: Partial<ToolListing> = {}): ToolListing => ({
  name,
  title: name,
  description: `the tool ${name}`,
  inputSchema: { type: 'object' },
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  _meta: {
    'kintsugi/effect': 'read',
    'kintsugi/guarded': false,
    'kintsugi/approvable': false,
    'kintsugi/example': {},
  },
  ...change,
})

/** A tool with an effect. */
export const listingOf = (name: string, effect: 'read' | 'write' | 'spend'): ToolListing =>
  toolListing(name, {
    _meta: {
      'kintsugi/effect': effect,
      'kintsugi/guarded': false,
      'kintsugi/approvable': false,
      'kintsugi/example': {},
    },
  })

/** A service that offers nothing but `change`. */
export const definitionsOf = (change: Partial<ServiceDefinitions> = {}): ServiceDefinitions => ({
  tools: [],
  resources: [],
  resourceTemplates: [],
  prompts: [],
  keywords: {},
  watched: [],
  changing: false,
  hash: JSON.stringify(change),
  ...change,
})

/** A gathered directory of these services. */
export function directoryOf(services: Readonly<Record<string, ServiceDefinitions>>): Directory {
  const directory = new Directory({
    now: () => 0,
    fetchDefinitions: () => Promise.reject(new Error('not needed')),
    onChange: () => undefined,
  })
  directory.recall(
    Object.fromEntries(
      Object.entries(services).map(([service, definitions]) => [service, { process: '1', definitions }]),
    ),
  )
  return directory
}
