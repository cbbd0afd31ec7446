/** Finds the right tool among hundreds, and lets people put servers into groups of their own. */
import * as z from 'zod'
import { findService } from '../../fleet/find-service.ts'
import { defineServer } from '../../mcp/define.ts'
import { page, paged, paginate, service } from '../../mcp/fields.ts'
import { FleetTools, findListing, serverGroups } from '../../mcp/fleet-tools.ts'
import { DEFINITIONS_KEY, TAGS_SETTING } from '../../mcp/tool-search.ts'
import type { Bus } from '../../ports/bus.ts'
import type { FleetDefinitions, ServerTags } from '../../ports/definitions.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { KintsugiError } from '../../std/errors.ts'
import { foundTool, serverGroup } from '../../views/tools.ts'

/** Maximum number of tags of one server. */
const MAX_TAGS = 20

const UNREADY = 'tool definitions are not available yet: coordination_system has not published them'

/** The definitions that the gateway published last, and the search among them. */
class PublishedTools {
  readonly #tools = new FleetTools()
  readonly #unwatch: () => void
  #fleet: FleetDefinitions | undefined

  /** `fleet`: what is published already. */
  constructor(bus: Bus, fleet: FleetDefinitions | undefined) {
    this.#fleet = fleet
    this.#unwatch = bus.watch(DEFINITIONS_KEY, (published) => {
      this.#fleet = published
    })
  }

  /** Throws `not-ready` (retry later) before the gateway published them. */
  get fleet(): FleetDefinitions {
    if (this.#fleet) return this.#fleet
    throw new KintsugiError('not-ready', UNREADY, {
      retry: 'later',
      hint: '`kintsugi status` shows whether coordination_system runs',
    })
  }

  search(tags: ServerTags, query: { query: string; group: string | undefined }) {
    return this.#tools.search(this.fleet, tags, query)
  }

  unready(): string | undefined {
    return this.#fleet ? undefined : UNREADY
  }

  stop(): void {
    this.#unwatch()
  }
}

const tagsOf = async (ledger: Ledger): Promise<ServerTags> =>
  (await ledger.setting<ServerTags>(TAGS_SETTING)) ?? {}

export default defineServer({
  id: 'organize_mcp_servers',
  needs: ['bus', 'ledger'],
  state: async ({ bus }) => new PublishedTools(bus, await bus.get(DEFINITIONS_KEY).catch(() => undefined)),
  tools: ({ read, write }) => ({
    search_tools: read({
      description:
        'Finds tools by what you want to do, in plain words, best first; with a group, only among its servers. Tools that change something come last unless the words are a command, such as "restart the price feed".',
      keywords: 'which tool should I use, look for a tool, discover what can be done',
      input: {
        query: z.string().min(1).max(500),
        group: z.string().min(1).max(60).optional().describe('a category or a tag, from list_groups'),
        ...page(50, 10),
      },
      output: { ...paged('tools', foundTool.schema), searched: z.int().describe('tools that were searched') },
      examples: [{ query: 'price of ETH', limit: 3 }],
      run: async ({ query, group, ...paging }, { ledger, state }) => {
        const { found, searched } = state.search(await tagsOf(ledger), { query, group })
        const { tools, ...rest } = paginate('tools', found, paging)
        return { ...rest, tools: tools.map(foundTool.of), searched }
      },
    }),
    list_groups: read({
      description:
        'The groups of servers, by category and by the tags that people gave them, with the servers of each and the number of their tools.',
      keywords: 'categories, which servers are there, overview of the fleet by topic',
      input: page(500, 20),
      output: paged('groups', serverGroup.schema),
      examples: [{}],
      run: async (paging, { ledger, state }) => {
        const groups = serverGroups(state.fleet, await tagsOf(ledger))
        return paginate('groups', groups.map(serverGroup.of), paging)
      },
    }),
    tag_server: write({
      description:
        'Replaces the tags of a server; an empty list removes them. The search knows the tags, and the servers with one tag are a group.',
      keywords: 'label a server, put into a group, organise',
      idempotent: true,
      input: {
        server: service(),
        tags: z
          .array(
            z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'expected lower-case letters, digits and hyphens'),
          )
          .max(MAX_TAGS),
      },
      output: { server: z.string(), tags: z.array(z.string()) },
      examples: [{ server: 'mcp_price_feed_server', tags: ['prices'] }],
      refusals: [
        [{ server: 'nobody', tags: [] }, 'unknown-service'],
        [{ server: 'mcp_price_feed_server', tags: ['Two Words'] }, 'bad-argument'],
      ],
      run: async ({ server, tags }, { bus, ledger, state }) => {
        findService(
          Object.keys(state.fleet).map((id) => ({ id })),
          server,
        )
        const { [server]: _, ...others } = await tagsOf(ledger)
        const wanted = [...new Set(tags)]
        const all: ServerTags = wanted.length > 0 ? { ...others, [server]: wanted } : others
        await ledger.saveSetting(TAGS_SETTING, all)
        bus.publish(TAGS_SETTING, all)
        return { server, tags: wanted }
      },
    }),
    tool_schema: read({
      description:
        'The full definition of a tool by its name server__tool: description, input and output schema, effect and an example.',
      keywords: 'how is this tool called, its parameters, arguments, definition',
      input: { name: z.string().min(1).max(200).describe('server__tool, as search_tools returns it') },
      output: { definition: z.record(z.string(), z.unknown()).describe('as MCP lists it') },
      examples: [{ name: 'mcp_price_feed_server__price_query' }],
      refusals: ['mcp_price_feed_server__none', 'constructor', '__proto__'].map(
        (name) => [{ name }, 'unknown-tool'] as const,
      ),
      run: ({ name }, { state }) => ({ definition: { ...findListing(state.fleet, name) } }),
    }),
  }),
})
