/**
 * Standard headers of MCP requests (SEP-2243), so that intermediaries can route without reading the body: the
 * method, the name of its subject, and as `Mcp-Param-NAME` the arguments that a tool's schema marks with
 * `x-mcp-header`.
 */

const PREFIX = 'mcp-param-'
/** JSON-RPC error code for headers that differ from the body. */
export const HEADER_MISMATCH = -32020
/** The encoding of values that a header cannot hold as they are. */
const ENCODED = /^=\?base64\?(.*)\?=$/s
const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** The parameter whose value `Mcp-Name` repeats, by method. */
export const NAMED_BY: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/** Encodes text as a header value: unchanged, or as base64. */
export const headerValue = (text: string): string =>
  PLAIN.test(text) && !ENCODED.test(text) ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`

interface Schema {
  readonly properties?: Readonly<Record<string, Schema & { readonly 'x-mcp-header'?: unknown }>>
}

/** The arguments that the schema marks, as text by lower-case header name. */
function marked(schema: Schema, args: unknown): Map<string, string> {
  const found = new Map<string, string>()
  if (args === null || typeof args !== 'object') return found
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const value = (args as Record<string, unknown>)[name]
    const header = property['x-mcp-header']
    if (
      typeof header === 'string' &&
      (typeof value === 'string' ||
        typeof value === 'boolean' ||
        (typeof value === 'number' && Number.isFinite(value)))
    )
      found.set(`${PREFIX}${header.toLowerCase()}`, String(value))
    else for (const [inner, text] of marked(property, value)) found.set(inner, text)
  }
  return found
}

/** The parameter headers of a call, for clients that do not send them. */
export function parameterHeaders(schema: Schema, args: unknown): Record<string, string> {
  return Object.fromEntries([...marked(schema, args)].map(([name, value]) => [name, headerValue(value)]))
}

/** Whether a schema marks any argument for a header. */
export const marksHeaders = (schema: Schema): boolean =>
  Object.values(schema.properties ?? {}).some(
    (property) => typeof property['x-mcp-header'] === 'string' || marksHeaders(property),
  )

/**
 * The error message for a parameter header that is missing or differs from the body; undefined if all agree.
 */
export function parameterMismatch(schema: Schema, args: unknown, headers: Headers): string | undefined {
  for (const [name, value] of marked(schema, args)) {
    const header = headers.get(name)
    const inBase64 = header === null ? undefined : ENCODED.exec(header)?.[1]
    const decoded =
      inBase64 === undefined
        ? header
        : CANONICAL_BASE64.test(inBase64)
          ? Buffer.from(inBase64, 'base64').toString('utf8')
          : undefined
    if (decoded === value || (decoded && Number(decoded) === Number(value))) continue
    const got = header === null ? 'is missing' : `has ${JSON.stringify(header.slice(0, 100))}`
    return `Bad Request: the request headers and body disagree: the body has ${JSON.stringify(value.slice(0, 100))}, the header ${name} ${got}`
  }
  return undefined
}
