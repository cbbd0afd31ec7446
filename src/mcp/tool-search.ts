/** Fleet-wide tool names, and the form in which tools are indexed for search. */
import type { ToolListing } from '../ports/definitions.ts'
import type { SearchableTool } from '../search/index.ts'

/** Cache key under which gateways publish the definitions of all services. */
export const DEFINITIONS_KEY = 'gateway:definitions'
/** Ledger setting that holds the tags of servers; changes are published on the bus. */
export const TAGS_SETTING = 'server-tags'

/** Servers that exist to test the protocol: clients and searches list them only on request. */
export const TEST_SERVERS: ReadonlySet<string> = new Set(['mcp_server_base'])

/** The fleet-wide name `server__tool`. The tool of a connected server already has such a name. */
export const nameOf = (service: string, plain: string): string =>
  plain.includes('__') ? plain : `${service}__${plain}`

/** The searchable form of a tool: its name, description, parameters, keywords and tags as text. */
export function searchableTool(
  service: string,
  plain: string,
  listing: ToolListing,
  keywords: string,
  tags: readonly string[],
): SearchableTool {
  const properties = (listing.inputSchema.properties ?? {}) as Record<string, { description?: string }>
  const parameters = Object.entries(properties).map(
    ([name, { description }]) => `${name} ${description ?? ''}`,
  )
  return {
    name: nameOf(service, plain),
    service,
    tool: plain,
    description: listing.description,
    keywords,
    parameters: parameters.join(' '),
    tags: tags.join(' '),
    acts: listing._meta['kintsugi/effect'] !== 'read',
  }
}

/** A one-line signature of a tool's arguments, such as `symbol: string, amount?: integer`. */
export function argumentsOf({ inputSchema }: Pick<ToolListing, 'inputSchema'>): string {
  const properties = (inputSchema.properties ?? {}) as Record<string, { type?: string; enum?: unknown[] }>
  const required = new Set((inputSchema.required ?? []) as string[])
  return Object.entries(properties)
    .map(
      ([name, { type, enum: values }]) =>
        `${name}${required.has(name) ? '' : '?'}: ${values ? values.join('|') : (type ?? 'any')}`,
    )
    .join(', ')
}
