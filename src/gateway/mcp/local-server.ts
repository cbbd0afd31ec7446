/**
 * The part of the MCP endpoint that the gateway answers itself, through the SDK: lists, search and
 * descriptions.
 */
import { Server } from '@modelcontextprotocol/server'
import { TASKS_EXTENSION } from '../../mcp/elicitation.ts'
import { toToolResult } from '../../mcp/host/tool-result.ts'
import type { Directory } from './directory.ts'
import { compactListing } from './listings.ts'
import { META_LISTINGS, type MetaTools, parseMeta, unknownTool } from './meta-tools.ts'
import { lists, listsTool, type ToolSelection } from './tool-selection.ts'

export interface LocalServerOptions {
  directory: Directory
  meta: MetaTools
  version: string
}

/** Clients may keep a list for this long. */
const LIST_TTL_MS = 5_000
const INSTRUCTIONS =
  'A fleet of servers for flash-loan arbitrage and its own operation. Find tools with search_tools and call them with call_tool, or by their full name server__tool. Reads are free; tools with the effect "write" or "spend" need the token.'

/** An SDK server for one request under a selection of tools. */
export function localServer(selection: ToolSelection, options: LocalServerOptions): Server {
  const server = new Server(
    { name: 'kintsugi', version: options.version, title: 'Kintsugi' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        completions: {},
        logging: {},
        extensions: { [TASKS_EXTENSION]: {} },
      },
      instructions: INSTRUCTIONS,
    },
  )
  serveLists(server, selection, options.directory)
  serveMetaTools(server, options)
  return server
}

function serveLists(server: Server, selection: ToolSelection, directory: Directory): void {
  const listed = <T extends { service: string; listing: { name: string } }>(items: Iterable<T>): T[] =>
    [...items].filter(({ service, listing }) => lists(selection, service, listing.name))
  const common = () => ({
    ttlMs: LIST_TTL_MS,
    cacheScope: 'public' as never,
    ...(directory.missing.length > 0 ? { _meta: { 'kintsugi/missing': directory.missing } } : {}),
  })
  server.setRequestHandler('tools/list', () => {
    const tools = [...directory.tools.values()]
      .filter(({ service, listing }) => listsTool(selection, service, listing.name))
      .map((tool) => underSelection(selection, tool))
      .map((listing) => (selection.kind === 'all' ? compactListing(listing) : listing))
    return {
      tools: [...(selection.kind === 'search' ? META_LISTINGS : []), ...tools] as never,
      ...common(),
    }
  })
  server.setRequestHandler('resources/list', () => ({
    resources: listed(directory.resources.values()).map(({ listing }) => listing),
    ...common(),
  }))
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: listed(directory.templates).map(({ listing }) => listing),
    ...common(),
  }))
  server.setRequestHandler('prompts/list', () => ({
    prompts: listed(directory.prompts.values()).map((prompt) => underSelection(selection, prompt)),
    ...common(),
  }))
}

/**
 * A listing with the name that clients use under a selection: the server's own one if a single server is
 * selected.
 */
function underSelection<L extends { name: string }>(
  selection: ToolSelection,
  { plain, listing }: { plain: string; listing: L },
): L {
  if (selection.kind !== 'server') return listing
  const prefix = `${selection.server}__`
  return { ...listing, name: plain.startsWith(prefix) ? plain.slice(prefix.length) : plain }
}

function serveMetaTools(server: Server, { directory, meta }: LocalServerOptions): void {
  server.setRequestHandler('tools/call', ({ params }) =>
    toToolResult(async () => {
      if (params.name === 'search_tools') {
        const { query, limit } = parseMeta('search_tools', params.arguments)
        return meta.search(query, limit)
      }
      if (params.name === 'describe_tool')
        return { ...meta.describe(parseMeta('describe_tool', params.arguments).name) }
      throw unknownTool(params.name, directory)
    }),
  )
}
