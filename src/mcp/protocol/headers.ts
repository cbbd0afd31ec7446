/**
 * What the headers of a request repeat of its body, so that what stands between may route by it (SEP-2243): the method, what it is for, and arguments
 * that a tool's schema marks with `x-mcp-header`, as `Mcp-Param-NAME`.
 */

const PREFIX = 'mcp-param-'
/** The protocol's own code for headers that do not say what the body says. */
export const HEADER_MISMATCH = -32020
/** A value that a header cannot hold is said in base64, between these. */
const ENCODED = /^=\?base64\?(.*)\?=$/s
const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** Which field names what a request is for, by method: it stands in `Mcp-Name`. */
export const NAMED_BY: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/** A text as a header can hold it. */
export const headerValue = (text: string): string =>
  PLAIN.test(text) && !ENCODED.test(text) ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`

interface Schema {
  readonly properties?: Readonly<Record<string, Schema & { readonly 'x-mcp-header'?: unknown }>>
}

/** The values that belong in headers, by the header's name. */
function marked(schema: Schema, given: unknown): Map<string, string> {
  const found = new Map<string, string>()
  if (given === null || typeof given !== 'object') return found
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const value = (given as Record<string, unknown>)[name]
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

/** Headers for a call, made for a client that did not. */
export function parameterHeaders(schema: Schema, given: unknown): Record<string, string> {
  return Object.fromEntries([...marked(schema, given)].map(([name, value]) => [name, headerValue(value)]))
}

export const marksHeaders = (schema: Schema): boolean =>
  Object.values(schema.properties ?? {}).some(
    (property) => typeof property['x-mcp-header'] === 'string' || marksHeaders(property),
  )

/** What is wrong where a header is missing or says something else than the body. */
export function parameterMismatch(schema: Schema, given: unknown, headers: Headers): string | undefined {
  for (const [name, value] of marked(schema, given)) {
    const said = headers.get(name)
    const inBase64 = said === null ? undefined : ENCODED.exec(said)?.[1]
    const decoded =
      inBase64 === undefined
        ? said
        : CANONICAL_BASE64.test(inBase64)
          ? Buffer.from(inBase64, 'base64').toString('utf8')
          : undefined
    if (decoded === value || (decoded && Number(decoded) === Number(value))) continue
    const instead = said === null ? 'is absent' : `says ${JSON.stringify(said.slice(0, 100))}`
    return `Bad Request: the request headers and body disagree: the body says ${JSON.stringify(value.slice(0, 100))}, the header ${name} ${instead}`
  }
  return undefined
}
