/** Tool schemas as JSON Schema, and what validation failures say. */
import * as z from 'zod'
import type { ToolListing } from '../ports/definitions.ts'
import { KintsugiError } from '../std/errors.ts'
import type { Tool } from './define.ts'

const jsonSchema = (schema: z.ZodObject, io: 'input' | 'output') => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<
    string,
    unknown
  >
  return rest
}

const listings = new WeakMap<Tool, ToolListing>()

/** How MCP and `GET /tools` describe a tool. Made once: a spare makes them beforehand. */
export function listTool(name: string, tool: Tool): ToolListing {
  const known = listings.get(tool)
  if (known) return known
  const listing: ToolListing = {
    name,
    title: name.replaceAll('_', ' ').replaceAll('-', ' '),
    description: tool.description,
    inputSchema: tool.inputSchema ?? jsonSchema(tool.input, 'input'),
    ...(tool.outputSchema
      ? { outputSchema: tool.outputSchema }
      : tool.output
        ? { outputSchema: jsonSchema(tool.output, 'input') }
        : {}),
    annotations: {
      readOnlyHint: tool.effect === 'read',
      destructiveHint: tool.effect === 'spend',
      idempotentHint: tool.effect === 'read' || tool.idempotent === true,
      openWorldHint: tool.effect === 'spend',
    },
    _meta: {
      'kintsugi/effect': tool.effect,
      'kintsugi/guarded': tool.guarded === true,
      'kintsugi/example': tool.example,
    },
  }
  listings.set(tool, listing)
  return listing
}

/** Parses arguments; throws `bad-argument` naming each field, what it got and what was expected. */
export function parseArguments(name: string, tool: Tool, given: unknown): never {
  const parsed = (tool.inputSchema ? tool.input : tool.input.strict()).safeParse(given)
  if (parsed.success) return parsed.data as never
  const fields = parsed.error.issues.slice(0, 10).map((issue) => ({
    field:
      issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : '(arguments)'),
    expected: issue.message.replace(/^Invalid input: /, ''),
    got: describe(valueAt(given, issue.path)),
  }))
  throw new KintsugiError(
    'bad-argument',
    `${name}: ${fields.map((field) => `${field.field}: ${field.expected} (got ${field.got})`).join('; ')}`,
    {
      hint: `for example ${JSON.stringify(tool.example)}`,
      data: { fields },
    },
  )
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      at === null || typeof at !== 'object' ? undefined : (at as Record<PropertyKey, unknown>)[key],
    value,
  )
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
