/** The tools that stand for all the others: search, describe, call. */
import * as z from 'zod'
import { argumentsOf, searchableTool } from '../../mcp/tool-search.ts'
import type { ServerTags, ToolListing } from '../../ports/definitions.ts'
import { ToolIndex } from '../../search/index.ts'
import { KintsugiError } from '../../std/errors.ts'
import type { Directory, Listed } from './directory.ts'

const MAX_FOUND = 20
const MAX_CHARACTERS = 180

const schemas = {
  search_tools: {
    description: `Finds tools of this fleet (flash-loan arbitrage, markets and prices, the fleet's own health, tasks) by what you want to do, in plain words. Returns names, what they do and their arguments; call one with call_tool. Use it before anything else.`,
    input: z.strictObject({
      query: z.string().min(1).max(500).describe('what you want to do, in plain words'),
      limit: z.int().min(1).max(MAX_FOUND).default(5).describe('how many tools to return'),
    }),
  },
  describe_tool: {
    description:
      'The full definition of a tool: its description, input and output schema, effect (read, write, spend) and an example.',
    input: z.strictObject({
      name: z.string().min(1).max(200).describe('server__tool, as search_tools returns it'),
    }),
  },
  call_tool: {
    description: 'Calls a tool by its full name with its arguments, and returns its result as it is.',
    input: z.strictObject({
      name: z.string().min(1).max(200).describe('server__tool, as search_tools returns it'),
      arguments: z.record(z.string(), z.unknown()).default({}).describe("the tool's arguments"),
    }),
  },
}
export type MetaTool = keyof typeof schemas

export const isMetaTool = (name: unknown): name is MetaTool =>
  typeof name === 'string' && Object.hasOwn(schemas, name)

export const META_LISTINGS = Object.entries(schemas).map(([name, { description, input }]) => {
  const { $schema: _, ...inputSchema } = z.toJSONSchema(input, { io: 'input' }) as Record<string, unknown>
  const reads = name !== 'call_tool'
  return {
    name,
    title: name.replaceAll('_', ' '),
    description,
    inputSchema,
    annotations: { readOnlyHint: reads, destructiveHint: !reads, openWorldHint: !reads },
  }
})

/** Arguments of a meta tool. Throws `bad-argument`. */
export function parseMeta<M extends MetaTool>(
  name: M,
  given: unknown,
): z.output<(typeof schemas)[M]['input']> {
  const parsed = schemas[name].input.safeParse(given ?? {})
  if (parsed.success) return parsed.data as z.output<(typeof schemas)[M]['input']>
  const issue = parsed.error.issues[0]
  throw new KintsugiError('bad-argument', `${issue?.path.join('.') || 'arguments'}: ${issue?.message}`)
}

export class MetaTools {
  readonly #directory: Directory
  #indexed: ReadonlyMap<string, Listed<ToolListing>> | undefined
  #index = new ToolIndex([])
  #tags: ServerTags = {}

  constructor(directory: Directory) {
    this.#directory = directory
  }

  /** Words that people tagged servers with: the search knows them from now on. */
  set tags(tags: ServerTags) {
    this.#tags = tags
    this.#indexed = undefined
  }

  search(query: string, limit: number) {
    const { tools } = this.#directory
    if (this.#indexed !== tools) {
      this.#index = new ToolIndex(
        [...tools.values()].map(({ service, plain, listing, keywords }) =>
          searchableTool(service, plain, listing, keywords ?? '', this.#tags[service] ?? []),
        ),
      )
      this.#indexed = tools
    }
    const { missing } = this.#directory
    const found = this.#index.search(query, limit).flatMap(({ name }) => tools.get(name) ?? [])
    return {
      tools: found.map(({ listing }) => ({
        name: listing.name,
        description: shorten(listing.description),
        arguments: argumentsOf(listing),
        effect: listing._meta['kintsugi/effect'],
      })),
      ...(missing.length > 0 ? { missing } : {}),
      ...(found.length === 0
        ? { hint: 'nothing matches: try other words, such as price, arbitrage, loan, health, restart, task' }
        : {}),
    }
  }

  describe(name: string) {
    const tool = this.#directory.tools.get(name)
    if (!tool) throw unknownTool(name, this.#directory)
    return tool.listing
  }
}

export function unknownTool(name: string, directory: Directory): KintsugiError {
  const { missing } = directory
  return new KintsugiError('unknown-tool', `no tool is called ${JSON.stringify(name.slice(0, 120))}`, {
    hint: `tools are named server__tool; search_tools finds them${missing.length > 0 ? `; not answering now: ${missing.map(({ service }) => service).join(', ')}` : ''}`,
  })
}

function shorten(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS - 1)}…`
}
