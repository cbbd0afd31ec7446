/**
 * The services' definitions as clients of the gateway see them: full names, one owner per name and URI. Pure.
 */
import { nameOf } from '../../mcp/tool-search.ts'
import type {
  PromptListing,
  ResourceListing,
  ServiceDefinitions,
  TemplateListing,
  ToolListing,
} from '../../ports/definitions.ts'

/** An item of a service as clients see it. */
export interface Listed<T> {
  readonly service: string
  /** Its name, or URI, at the service. */
  readonly plain: string
  readonly listing: T
  /** Words for the search; of tools only. */
  readonly keywords?: string
}

export interface Listings {
  /** By full name. */
  readonly tools: ReadonlyMap<string, Listed<ToolListing>>
  /** By URI in the fleet. */
  readonly resources: ReadonlyMap<string, Listed<ResourceListing>>
  readonly templates: readonly Listed<TemplateListing>[]
  /** By full name. */
  readonly prompts: ReadonlyMap<string, Listed<PromptListing>>
}

/** The kinds of lists, as clients are notified of changes. */
export type ListKind = 'tools' | 'resources' | 'prompts'

/** The second service that offers a URI gets one of its own. */
const uriOf = (service: string, uri: string): string => `kintsugi://${service}/${encodeURIComponent(uri)}`

/**
 * The listings of all services; those whose definitions are unknown offer nothing, but their names are
 * reserved. A connected server's items come through a service whose lists change; such services come last, so
 * that they never take a name or URI of another.
 */
export function listingsOf(services: ReadonlyMap<string, ServiceDefinitions | undefined>): Listings {
  const tools = new Map<string, Listed<ToolListing>>()
  const resources = new Map<string, Listed<ResourceListing>>()
  const prompts = new Map<string, Listed<PromptListing>>()
  const templates: Listed<TemplateListing>[] = []
  const isTaken = (name: string) => name.includes('__') && services.has(name.split('__')[0] as string)
  for (const [service, definitions] of inOrder(services)) {
    const renamed = <L extends { name: string }>(listing: L): L => ({
      ...listing,
      name: nameOf(service, listing.name),
    })
    for (const tool of definitions.tools) {
      if (isTaken(tool.name)) continue
      const listing = renamed(tool)
      const keywords = definitions.keywords[tool.name] ?? ''
      tools.set(listing.name, { service, plain: tool.name, listing, keywords })
    }
    for (const prompt of definitions.prompts) {
      if (isTaken(prompt.name)) continue
      const listing = renamed(prompt)
      prompts.set(listing.name, { service, plain: prompt.name, listing })
    }
    for (const resource of definitions.resources) {
      const uri = resources.has(resource.uri) ? uriOf(service, resource.uri) : resource.uri
      resources.set(uri, { service, plain: resource.uri, listing: { ...renamed(resource), uri } })
    }
    for (const template of definitions.resourceTemplates)
      templates.push({ service, plain: template.uriTemplate, listing: renamed(template) })
  }
  return { tools, resources, templates, prompts }
}

/** By name; services whose lists change last. */
function inOrder(
  services: ReadonlyMap<string, ServiceDefinitions | undefined>,
): (readonly [string, ServiceDefinitions])[] {
  return [...services]
    .flatMap(([service, definitions]) => (definitions ? [[service, definitions] as const] : []))
    .sort(
      ([a, { changing: isLastA }], [b, { changing: isLastB }]) =>
        Number(isLastA) - Number(isLastB) || (a < b ? -1 : 1),
    )
}

/** The kinds of lists in which two listings differ. */
export function changedLists(before: Listings, after: Listings): ListKind[] {
  const differs = (one: unknown, other: unknown) => JSON.stringify(one) !== JSON.stringify(other)
  return [
    ...(differs([...before.tools], [...after.tools]) ? (['tools'] as const) : []),
    ...(differs([...before.resources], [...after.resources]) || differs(before.templates, after.templates)
      ? (['resources'] as const)
      : []),
    ...(differs([...before.prompts], [...after.prompts]) ? (['prompts'] as const) : []),
  ]
}

const SCHEMAS_BY_NAME = new Set(['properties', '$defs', 'definitions', 'patternProperties'])

/** A JSON schema without the descriptions of its parts; properties named `description` stay. */
function withoutDescriptions(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDescriptions)
  if (typeof schema !== 'object' || schema === null) return schema
  const entries = Object.entries(schema).flatMap(([key, value]): [string, unknown][] => {
    if (key === 'description') return []
    if (['const', 'default', 'enum', 'required'].includes(key)) return [[key, value]]
    if (!SCHEMAS_BY_NAME.has(key)) return [[key, withoutDescriptions(value)]]
    return [
      [
        key,
        Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withoutDescriptions(part)])),
      ],
    ]
  })
  return Object.fromEntries(entries)
}

/**
 * A tool's listing as a client of the whole fleet receives it: the output schema has no descriptions, which
 * would be a fifth of what a model reads. `describe_tool` and the service's own endpoint return them.
 */
export function compactListing(tool: ToolListing): ToolListing {
  const { outputSchema } = tool
  return outputSchema
    ? { ...tool, outputSchema: withoutDescriptions(outputSchema) as typeof outputSchema }
    : tool
}
