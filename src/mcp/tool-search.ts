/** What services offer, as gateways leave it on the bus, and how a tool of it is searched for. */
import type { ToolListing } from '../ports/definitions.ts'
import type { SearchableTool } from '../search/index.ts'

/** Where gateways leave for each other, and for whoever searches, what services offer. */
export const DEFINITIONS_KEY = 'gateway:definitions'
/** Words that people tagged servers with: kept in the ledger, told on the bus. */
export const TAGS_SETTING = 'server-tags'

/** A tool's name in the fleet; that of a connected server's tool says whose it is already. */
export const nameOf = (service: string, plain: string): string =>
  plain.includes('__') ? plain : `${service}__${plain}`

/** A tool as the search reads it. */
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
  }
}

/** `symbol: string, amount?: integer`, as short as it can be said. */
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
