/** Finds the right tool among hundreds, and lets people put servers into groups of their own. */
import * as z from 'zod'
import { CATALOGUE } from '../../fleet/catalogue/catalogue.ts'
import { defineServer } from '../../mcp/define.ts'
import { limit } from '../../mcp/fields.ts'
import {
  argumentsOf,
  DEFINITIONS_KEY,
  searchableTool,
  TAGS_SETTING,
  TEST_SERVERS,
} from '../../mcp/tool-search.ts'
import type { Bus } from '../../ports/bus.ts'
import type { FleetDefinitions, ServerTags } from '../../ports/definitions.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { ToolIndex } from '../../search/index.ts'
import { KintsugiError } from '../../std/errors.ts'

const MAX_TAGS = 20

async function definitions(bus: Bus): Promise<FleetDefinitions> {
  const found = await bus.get(DEFINITIONS_KEY)
  if (found) return found
  throw new KintsugiError('not-ready', 'no gateway has told yet what the servers offer', {
    retry: 'later',
    hint: 'is the coordination system (8000) running?',
  })
}

const tagsOf = async (ledger: Ledger): Promise<ServerTags> =>
  (await ledger.setting<ServerTags>(TAGS_SETTING)) ?? {}

export default defineServer({
  id: 'organize_mcp_servers',
  needs: ['bus', 'ledger'],
  tools: ({ read, write }) => ({
    search_tools: read({
      description:
        'Finds tools by what you want to do, in plain words, best first; within one group where it is named. Returns names, descriptions and arguments.',
      keywords: 'which tool should I use, look for a tool, discover what can be done',
      input: {
        query: z.string().min(1).max(500),
        group: z.string().max(60).optional().describe('a category or a tag'),
        limit: limit(50, 10),
      },
      output: {
        tools: z.array(
          z.object({
            name: z.string(),
            description: z.string(),
            arguments: z.string(),
            effect: z.string(),
            score: z.number(),
          }),
        ),
        searched: z.int(),
      },
      examples: [{ query: 'price of ETH', limit: 3 }],
      run: async ({ query, group, limit: most }, { bus, ledger }) => {
        const [fleet, tags] = await Promise.all([definitions(bus), tagsOf(ledger)])
        const inGroup = ([service]: readonly [string, unknown]) =>
          group === undefined
            ? !TEST_SERVERS.has(service)
            : (tags[service] ?? []).includes(group) || categoryOf(service) === group
        const listed = Object.entries(fleet)
          .filter(inGroup)
          .flatMap(([service, { definitions: offer }]) =>
            offer.tools.map((listing) => ({
              listing,
              tool: searchableTool(
                service,
                listing.name,
                listing,
                offer.keywords[listing.name] ?? '',
                tags[service] ?? [],
              ),
            })),
          )
        const byName = new Map(listed.map((each) => [each.tool.name, each.listing]))
        const found = new ToolIndex(listed.map((each) => each.tool))
          .search(query, most)
          .flatMap(({ name, score }) => {
            const listing = byName.get(name)
            return listing
              ? [
                  {
                    name,
                    description: listing.description,
                    arguments: argumentsOf(listing),
                    effect: listing._meta['kintsugi/effect'],
                    score,
                  },
                ]
              : []
          })
        return { tools: found, searched: listed.length }
      },
    }),
    list_groups: read({
      description:
        'The groups of servers, by category and by the tags that people gave them, with the servers in each and how many tools they have.',
      keywords: 'categories, which servers are there, overview of the fleet by topic',
      input: {},
      output: {
        groups: z.array(
          z.object({
            group: z.string(),
            kind: z.enum(['category', 'tag']),
            servers: z.array(z.string()),
            tools: z.int(),
          }),
        ),
      },
      examples: [{}],
      run: async (_input, { bus, ledger }) => {
        const [fleet, tags] = await Promise.all([definitions(bus), tagsOf(ledger)])
        const groups = new Map<
          string,
          { group: string; kind: 'category' | 'tag'; servers: string[]; tools: number }
        >()
        const add = (group: string, kind: 'category' | 'tag', service: string) => {
          const known = groups.get(`${kind} ${group}`) ?? { group, kind, servers: [], tools: 0 }
          groups.set(`${kind} ${group}`, known)
          known.servers.push(service)
          known.tools += fleet[service]?.definitions.tools.length ?? 0
        }
        for (const service of Object.keys(fleet)) {
          add(categoryOf(service), 'category', service)
          for (const tag of tags[service] ?? []) add(tag, 'tag', service)
        }
        return {
          groups: [...groups.values()].sort(
            (a, b) => a.kind.localeCompare(b.kind) || a.group.localeCompare(b.group),
          ),
        }
      },
    }),
    tag_server: write({
      description:
        'Gives a server tags, which the search of the gateway then knows and which make a group; an empty list takes them away.',
      keywords: 'label a server, put into a group, organise',
      input: {
        server: z.string().min(1).max(100),
        tags: z
          .array(z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'lower-case letters, digits and hyphens'))
          .max(MAX_TAGS),
      },
      output: { server: z.string(), tags: z.array(z.string()) },
      examples: [{ server: 'mcp_price_feed_server', tags: ['prices'] }],
      run: async ({ server, tags }, { bus, ledger }) => {
        const fleet = await definitions(bus)
        if (!fleet[server])
          throw new KintsugiError('unknown-service', `server: there is no ${JSON.stringify(server)}`, {
            hint: `one of ${Object.keys(fleet).join(', ')}`,
          })
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
      input: { name: z.string().min(1).max(200) },
      output: { definition: z.record(z.string(), z.unknown()) },
      examples: [{ name: 'mcp_price_feed_server__price_query' }],
      run: async ({ name }, { bus }) => {
        const [service = '', plain = ''] = name.split(/__(.*)/s)
        const listing = (await definitions(bus))[service]?.definitions.tools.find(
          (each) => each.name === plain,
        )
        if (!listing)
          throw new KintsugiError('unknown-tool', `no tool is called ${JSON.stringify(name)}`, {
            hint: 'tools are named server__tool; search_tools finds them',
          })
        return { definition: { ...listing, name } }
      },
    }),
  }),
})

const categories = new Map(CATALOGUE.map(({ id, category }) => [id, category]))
const categoryOf = (service: string): string => categories.get(service) ?? 'other'
