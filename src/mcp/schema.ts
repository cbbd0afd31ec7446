/** Tool schemas as JSON Schema, and the validation of inputs and outputs. */
import * as z from 'zod'
import type { ToolListing } from '../ports/definitions.ts'
import type { MarketView } from '../ports/market.ts'
import { formatAmount, parseAmount } from '../std/amounts.ts'
import { KintsugiError } from '../std/errors.ts'
import type { Tool } from './define.ts'
import { tokenFieldOf } from './fields.ts'
import { describeIssues, type FieldProblem, nulIn, problemText } from './issues.ts'
import { strictDeep } from './strict-schema.ts'

/** Bounds of safe integers say nothing to a reader; zod states them for every integer. */
const SAFE_INTEGERS: ReadonlySet<unknown> = new Set([Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER])

/**
 * Without what costs a model tokens and tells it nothing: bounds of safe integers, and for answers the
 * patterns of texts.
 */
function concise(value: unknown, io: 'input' | 'output'): unknown {
  if (Array.isArray(value)) return value.map((each) => concise(each, io))
  if (value === null || typeof value !== 'object') return value
  const kept = Object.entries(value).filter(
    ([key, item]) =>
      !SAFE_INTEGERS.has(item) && !(io === 'output' && key === 'pattern' && typeof item === 'string'),
  )
  return withoutUnion(Object.fromEntries(kept.map(([key, item]) => [key, concise(item, io)])))
}

/** `{ anyOf: [{ type: 'integer' }, { type: 'null' }] }` as `{ type: ['integer', 'null'] }`. */
function withoutUnion({ anyOf, ...rest }: Record<string, unknown>): Record<string, unknown> {
  if (anyOf === undefined) return rest
  const types = (anyOf as Record<string, unknown>[]).map((option) =>
    Object.keys(option).length === 1 ? option.type : undefined,
  )
  return types.every((type) => typeof type === 'string') ? { ...rest, type: types } : { ...rest, anyOf }
}

const jsonSchema = (schema: z.ZodObject, io: 'input' | 'output') => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return concise(rest, io) as Record<string, unknown>
}

const listings = new WeakMap<Tool, ToolListing>()

/** How MCP and `GET /tools` describe a tool. Made once: a spare makes them beforehand. */
export function listTool(name: string, tool: Tool): ToolListing {
  const known = listings.get(tool)
  if (known) return known
  const outputSchema = tool.outputSchema ?? (tool.output && jsonSchema(tool.output, 'output'))
  const listing: ToolListing = {
    name,
    title: name.replaceAll('_', ' ').replaceAll('-', ' '),
    description: tool.description,
    inputSchema: tool.inputSchema ?? jsonSchema(tool.input, 'input'),
    ...(outputSchema ? { outputSchema } : {}),
    annotations: annotationsOf(tool),
    _meta: {
      'kintsugi/effect': tool.effect,
      'kintsugi/guarded': tool.guarded === true,
      'kintsugi/approvable': tool.effect === 'spend' || tool.critical === true,
      'kintsugi/example': exampleOf(tool),
    },
  }
  listings.set(tool, listing)
  return listing
}

/**
 * MCP's hints, from the declared facts. A spend moves value on a chain: it is destructive and reaches
 * outside.
 */
function annotationsOf({ effect, idempotent, destructive, openWorld }: Tool): ToolListing['annotations'] {
  return {
    readOnlyHint: effect === 'read',
    destructiveHint: effect === 'spend' || (effect === 'write' && destructive === true),
    idempotentHint: effect === 'read' || idempotent === true,
    openWorldHint: effect === 'spend' || openWorld === true,
  }
}

/** The first example as documentation and error hints show it. */
export function exampleOf({ examples }: Tool): Record<string, unknown> {
  const [first = {}] = examples
  return { ...(isFound(first) ? first.shown : first) }
}

/** Whether arguments have to be looked up on the running system. */
export function isFound(
  example: object,
): example is { shown: Record<string, unknown>; find(scope: never): unknown } {
  return 'find' in example && typeof example.find === 'function'
}

/**
 * Parses arguments. Amounts as people write them ("10 ETH") become smallest units if the service has a
 * market. Throws `bad-argument` naming each field, its value and what was expected.
 */
export function parseArguments(name: string, tool: Tool, args: unknown, market?: MarketView): never {
  const nul = nulIn(args)
  if (nul !== undefined)
    throw refusal(name, example(tool), [
      { field: nul, expected: 'expected text without NUL characters', got: 'one' },
    ])
  const wrong: FieldProblem[] = []
  const converted = market ? inSmallestUnits(tool, args, market, wrong) : args
  if (wrong.length > 0) throw refusal(name, example(tool), wrong)
  return parseFields(name, tool.input, converted, { example: example(tool), given: args }) as never
}

/**
 * Parses named fields by their schema. `given`: the fields as the caller wrote them, if they were converted
 * before. Throws `bad-argument` naming each field, its value and what was expected.
 */
export function parseFields<Schema extends z.ZodObject>(
  name: string,
  schema: Schema,
  args: unknown,
  { example, given = args }: { example: Record<string, unknown> | undefined; given?: unknown },
): z.output<Schema> {
  const parsed = schema.safeParse(args)
  if (parsed.success) return parsed.data
  throw refusal(name, example, describeIssues(parsed.error, given, Object.keys(schema.shape)))
}

const example = (tool: Tool) => (tool.examples.length > 0 ? exampleOf(tool) : undefined)

const refusal = (
  name: string,
  example: Record<string, unknown> | undefined,
  fields: readonly FieldProblem[],
): KintsugiError =>
  new KintsugiError('bad-argument', `${name}: ${problemText(fields)}`, {
    ...(example ? { hint: `for example ${JSON.stringify(example)}` } : {}),
    data: { fields },
  })

/** Fields of the input that hold amounts, with the token that each is of, as far as the caller named one. */
function* amountsIn(tool: Tool, args: unknown) {
  if (args === null || typeof args !== 'object') return
  const values = args as Record<string, unknown>
  for (const [field, schema] of Object.entries(tool.input.shape)) {
    const tokenField = tokenFieldOf(schema as z.ZodType)
    if (tokenField === undefined) continue
    const [text, token] = [values[field], values[tokenField]]
    if (typeof text === 'string' && typeof token === 'string') yield { field, text: text.trim(), token }
  }
}

const WHOLE = /^(\d+(?:\.\d+)?)\s*([A-Za-z][\w.]*)?$/

/** Whether the text names this token. */
const names = (market: MarketView, text: string, address: string): boolean => {
  try {
    return market.token(text).address === address
  } catch {
    return false
  }
}

/** The arguments with amounts in smallest units. Amounts that cannot be converted are added to `wrong`. */
function inSmallestUnits(tool: Tool, args: unknown, market: MarketView, wrong: FieldProblem[]): unknown {
  const changed: Record<string, string> = {}
  for (const { field, text, token: named } of amountsIn(tool, args)) {
    const [, number = '', symbol] = WHOLE.exec(text) ?? []
    if (number === '' || (symbol === undefined && !number.includes('.'))) continue
    const token = market.token(named)
    const got = JSON.stringify(text)
    const raw = parseAmount(number, token.decimals)
    if (symbol !== undefined && !names(market, symbol, token.address))
      wrong.push({ field, expected: `expected an amount of ${token.symbol}: ${formsOf(token.symbol)}`, got })
    else if (raw === undefined)
      wrong.push({
        field,
        expected: `expected at most ${token.decimals} decimals, as ${token.symbol} has`,
        got,
      })
    else changed[field] = String(raw)
  }
  return { ...(args as object), ...changed }
}

const formsOf = (symbol: string) =>
  `smallest units ("10000000000000000000"), or whole tokens ("10.5", "10 ${symbol}")`

/** Below this share of a token, an integer was probably meant as whole tokens. */
const TINY = 1_000_000n

/**
 * An explanation of an integer amount that is less than a millionth of a token, and how to write whole
 * tokens.
 */
export function noteOnAmounts(tool: Tool, args: unknown, market: MarketView): string | undefined {
  for (const { field, text, token: named } of amountsIn(tool, args)) {
    if (!/^\d+$/.test(text)) continue
    const { symbol, decimals } = market.token(named)
    if (BigInt(text) * TINY >= 10n ** BigInt(decimals)) continue
    const whole = formatAmount(BigInt(text), decimals)
    return `${field}: ${text} smallest units of ${symbol} are ${whole} ${symbol}; for whole tokens write "${text} ${symbol}"`
  }
  return undefined
}

const strictOutputs = new WeakMap<Tool, z.ZodObject>()

/**
 * Throws `internal` where an answer does not match its tool's output schema or has undeclared fields.
 * `answer`: as JSON.
 */
export function checkAnswer(name: string, tool: Tool, answer: Record<string, unknown>): void {
  if (!tool.output) return
  const schema = strictOutputs.get(tool) ?? strictDeep(tool.output)
  strictOutputs.set(tool, schema)
  const parsed = schema.safeParse(answer)
  if (parsed.success) return
  throw new KintsugiError(
    'internal',
    `${name}: the answer does not match its output schema: ${problemText(describeIssues(parsed.error, answer))}`,
    { retry: 'never' },
  )
}
