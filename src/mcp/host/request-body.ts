/** Reading of JSON bodies. */
import type { McpHandlerRequestOptions, McpHttpHandler } from '@modelcontextprotocol/server'
import { KintsugiError } from '../../std/errors.ts'
import { MAX_DEPTH, parseShallow, tooDeep } from '../../std/shallow-json.ts'

const JSON_HINT = 'send a JSON object such as {"type": "price_query", "symbol": "ETH"}'

/** The JSON object in the body of a request. Throws `bad-json`. */
export async function readJsonObject(request: Request): Promise<Record<string, unknown>> {
  const value = parseShallow(await request.text(), JSON_HINT)
  if (value !== null && typeof value === 'object' && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new KintsugiError('bad-json', 'body: expected a JSON object', { hint: JSON_HINT })
}

/** The body of an MCP request. `body` is undefined if the text is not JSON. */
export interface McpMessage {
  readonly text: string
  readonly body: unknown
}

/**
 * Reads the body of an MCP request, which can be read only once. Throws `bad-json` if it is nested too deep.
 */
export async function readMessage(request: Request): Promise<McpMessage> {
  const text = await request.text()
  if (tooDeep(text)) throw new KintsugiError('bad-json', `the body is nested deeper than ${MAX_DEPTH} levels`)
  try {
    return { text, body: JSON.parse(text) }
  } catch {
    return { text, body: undefined }
  }
}

/**
 * Serves a request whose body was read already. The SDK refuses a body that is not JSON with the protocol's
 * own error.
 */
export function serveRead(
  handler: Pick<McpHttpHandler, 'fetch'>,
  request: Request,
  { text, body }: McpMessage,
  options: Pick<McpHandlerRequestOptions, 'authInfo'> = {},
): Promise<Response> {
  if (body !== undefined) return handler.fetch(request, { ...options, parsedBody: body })
  const { url, headers } = request
  return handler.fetch(new Request(url, { method: 'POST', headers, body: text }), options)
}
