/** The tools of the whole fleet: their groups, and the search among them. */
import { CATALOGUE } from '../fleet/catalogue/catalogue.ts'
import type { FleetDefinitions, ServerTags, ToolListing } from '../ports/definitions.ts'
import { ToolIndex } from '../search/index.ts'
import { KintsugiError } from '../std/errors.ts'
import { nearest } from '../std/nearest.ts'
import { nameOf, searchableTool, TEST_SERVERS } from './tool-search.ts'

/** A tool that matches a query. */
export interface FoundTool {
  /** `server__tool`. */
  readonly name: string
  readonly listing: ToolListing
  /** Only for comparison with others of the same search. */
  readonly score: number
}

/** Servers of one category, or with one tag. */
export interface ServerGroup {
  readonly group: string
  readonly kind: 'category' | 'tag'
  readonly servers: readonly string[]
  /** The number of their tools. */
  readonly tools: number
}

const categories = new Map(CATALOGUE.map(({ id, category }) => [id, category]))
const categoryOf = (service: string): string => categories.get(service) ?? 'other'

/** Searches the tools of the fleet. It keeps its indexes until a definition or a tag changes. */
export class FleetTools {
  #key = ''
  /** By group; the empty string is the whole fleet. */
  readonly #indexes = new Map<string, { index: ToolIndex; listings: ReadonlyMap<string, ToolListing> }>()

  /**
   * The tools that match, best first, and the number of tools that were searched. `group`: a category or a
   * tag. Servers that only test the protocol are searched only with their group.
   */
  search(
    fleet: FleetDefinitions,
    tags: ServerTags,
    { query, group = '' }: { query: string; group?: string | undefined },
  ): { found: FoundTool[]; searched: number } {
    const { index, listings } = this.#indexOf(fleet, tags, group)
    const found = index.search(query, listings.size).flatMap(({ name, score }) => {
      const listing = listings.get(name)
      return listing ? [{ name, listing, score }] : []
    })
    return { found, searched: listings.size }
  }

  #indexOf(fleet: FleetDefinitions, tags: ServerTags, group: string) {
    const key = JSON.stringify([
      Object.entries(fleet).map(([id, { definitions }]) => [id, definitions.hash]),
      tags,
    ])
    if (key !== this.#key) this.#indexes.clear()
    this.#key = key
    const known = this.#indexes.get(group)
    if (known) return known
    const listed = Object.entries(fleet)
      .filter(([service]) =>
        group === ''
          ? !TEST_SERVERS.has(service)
          : categoryOf(service) === group || tags[service]?.includes(group) === true,
      )
      .flatMap(([service, { definitions }]) =>
        definitions.tools.map((listing) => ({
          listing,
          tool: searchableTool(
            service,
            listing.name,
            listing,
            definitions.keywords[listing.name] ?? '',
            tags[service] ?? [],
          ),
        })),
      )
    const made = {
      index: new ToolIndex(listed.map(({ tool }) => tool)),
      listings: new Map(listed.map(({ tool, listing }) => [tool.name, listing])),
    }
    // An unknown group has no tools; callers choose the names, so it is not kept.
    if (listed.length > 0) this.#indexes.set(group, made)
    return made
  }
}

/** The groups of the fleet's servers, categories first, by name. */
export function serverGroups(fleet: FleetDefinitions, tags: ServerTags): ServerGroup[] {
  const groups = new Map<
    string,
    { group: string; kind: ServerGroup['kind']; servers: string[]; tools: number }
  >()
  const add = (group: string, kind: ServerGroup['kind'], service: string, tools: number) => {
    const known = groups.get(`${kind} ${group}`) ?? { group, kind, servers: [], tools: 0 }
    groups.set(`${kind} ${group}`, known)
    known.servers.push(service)
    known.tools += tools
  }
  for (const [service, { definitions }] of Object.entries(fleet)) {
    add(categoryOf(service), 'category', service, definitions.tools.length)
    for (const tag of tags[service] ?? []) add(tag, 'tag', service, definitions.tools.length)
  }
  return [...groups.values()].sort((a, b) => a.kind.localeCompare(b.kind) || a.group.localeCompare(b.group))
}

/** A tool's listing by its fleet-wide name. Throws `unknown-tool` with the closest names. */
export function findListing(fleet: FleetDefinitions, name: string): ToolListing {
  const all = new Map(
    Object.entries(fleet).flatMap(([service, { definitions }]) =>
      definitions.tools.map((listing) => [nameOf(service, listing.name), listing] as const),
    ),
  )
  const listing = all.get(name)
  if (listing) return { ...listing, name }
  const [suggestion] = nearest(name, all.keys())
  throw new KintsugiError('unknown-tool', `name: unknown tool ${JSON.stringify(name.slice(0, 120))}`, {
    hint: suggestion
      ? `did you mean ${suggestion}?`
      : 'tools are named server__tool; search_tools finds them',
  })
}
