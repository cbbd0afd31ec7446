/** The meta tools, which give access to all other tools: search, describe, call. */
import * as z from 'zod'
import { describeIssues, problemText } from '../../mcp/issues.ts'
import { argumentsOf, searchableTool, TEST_SERVERS } from '../../mcp/tool-search.ts'
import type { ServerTags, ToolListing } from '../../ports/definitions.ts'
import { ToolIndex } from '../../search/index.ts'
import { KintsugiError } from '../../std/errors.ts'
import { nearest } from '../../std/nearest.ts'
import { parseShallow } from '../../std/shallow-json.ts'
import type { Directory } from './directory.ts'
import type { Listed } from './listings.ts'

const MAX_RESULTS = 20
const MAX_DESCRIPTION_CHARACTERS = 180

const schemas = {
  search_tools: {
    description: `Finds tools of this fleet (flash-loan arbitrage, markets and prices, the fleet's own health, tasks) by what you want to do, in plain words. Returns names, what they do and their arguments; call one with call_tool. Use it before anything else.`,
    input: z.strictObject({
      query: z.string().min(1).max(500).describe('what you want to do, in plain words'),
      limit: z.int().min(1).max(MAX_RESULTS).default(5).describe('how many tools to return'),
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
/** The name of a meta tool. */
export type MetaTool = keyof typeof schemas

/** Whether a name is a meta tool's. */
export const isMetaTool = (name: unknown): name is MetaTool =>
  typeof name === 'string' && Object.hasOwn(schemas, name)

/** The meta tools as `tools/list` returns them. */
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

/**
 * The arguments of `call_tool`, with `arguments` parsed if it is the JSON text of an object: models often
 * send it so.
 */
function withParsedArguments(args: unknown): unknown {
  if (!isPlainObject(args) || typeof args.arguments !== 'string') return args
  try {
    const parsed = parseShallow(args.arguments)
    return isPlainObject(parsed) ? { ...args, arguments: parsed } : args
  } catch {
    return args
  }
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The validated arguments of a meta tool. Throws `bad-argument`. */
export function parseMeta<M extends MetaTool>(
  name: M,
  args: unknown,
): z.output<(typeof schemas)[M]['input']> {
  const given = args ?? {}
  const parsed = schemas[name].input.safeParse(name === 'call_tool' ? withParsedArguments(given) : given)
  if (parsed.success) return parsed.data as z.output<(typeof schemas)[M]['input']>
  const problems = describeIssues(parsed.error, given, Object.keys(schemas[name].input.shape))
  throw new KintsugiError('bad-argument', problemText(problems), { data: { fields: problems } })
}

/** Search and descriptions over a directory. Servers that only test the protocol are not searched. */
export class MetaTools {
  readonly #directory: Directory
  #indexed: ReadonlyMap<string, Listed<ToolListing>> | undefined
  #index = new ToolIndex([])
  #tags: ServerTags = {}

  constructor(directory: Directory) {
    this.#directory = directory
  }

  /** Words that users tagged servers with; the search uses them from now on. */
  set tags(tags: ServerTags) {
    this.#tags = tags
    this.#indexed = undefined
  }

  /** The tools that match a query best, best first. */
  search(query: string, limit: number) {
    const { tools } = this.#directory
    if (this.#indexed !== tools) {
      this.#index = new ToolIndex(
        [...tools.values()]
          .filter(({ service }) => !TEST_SERVERS.has(service))
          .map(({ service, plain, listing, keywords }) =>
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
        ? { hint: 'no tool matches; try other words, such as price, arbitrage, loan, health, restart, task' }
        : {}),
    }
  }

  /** A tool's full definition. Throws `unknown-tool`. */
  describe(name: string) {
    const tool = this.#directory.tools.get(name)
    if (!tool) throw unknownTool(name, this.#directory)
    return tool.listing
  }
}

/** The error for a tool that does not exist, with the most similar names. */
export function unknownTool(name: string, { tools, missing }: Directory): KintsugiError {
  const similar = nearest(name, tools.keys())
  const sentences = [
    ...(similar.length > 0 ? [`did you mean ${similar.join(' or ')}?`] : []),
    'tools are named server__tool; search_tools finds them',
    ...(missing.length > 0
      ? [`services that do not answer now: ${missing.map(({ service }) => service).join(', ')}`]
      : []),
  ]
  return new KintsugiError('unknown-tool', `unknown tool ${JSON.stringify(name.slice(0, 120))}`, {
    hint: sentences.join('; '),
  })
}

function shorten(text: string): string {
  return text.length <= MAX_DESCRIPTION_CHARACTERS
    ? text
    : `${text.slice(0, MAX_DESCRIPTION_CHARACTERS - 1)}…`
}
