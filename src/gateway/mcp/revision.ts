/** The MCP revision of a message, and whether its headers repeat its body as the 2026 revision demands. */
import { classifyInboundRequest, PROTOCOL_VERSION_META_KEY } from '@modelcontextprotocol/server'
import { NAMED_BY } from '../../mcp/protocol/headers.ts'
import type { JsonRpcRequest } from './target.ts'

/** The revision that the fleet's servers use. */
export const MODERN_REVISION = '2026-07-28'
const VERSION_HEADER = 'mcp-protocol-version'

/** `legacy`: 2025 and earlier. `reject`: the SDK refuses the message with the protocol's own error. */
export type Revision = 'modern' | 'legacy' | 'reject'

/** A message that is plainly modern is not inspected further: its server validates it anyway. */
export function revisionOf(headers: Headers, message: JsonRpcRequest): Revision {
  const meta = message?.params?._meta as Record<string, unknown> | undefined
  const plainlyModern =
    typeof message?.method === 'string' &&
    message.id !== undefined &&
    meta?.[PROTOCOL_VERSION_META_KEY] === MODERN_REVISION &&
    headers.get(VERSION_HEADER) === MODERN_REVISION
  if (plainlyModern && headersAgree(headers, message)) return 'modern'
  return classifyInboundRequest({
    httpMethod: 'POST',
    ...headerAs(headers, VERSION_HEADER, 'protocolVersionHeader'),
    ...headerAs(headers, 'mcp-method', 'mcpMethodHeader'),
    ...headerAs(headers, 'mcp-name', 'mcpNameHeader'),
    body: message,
  }).kind
}

/** Whether method and name in the headers equal those in the body. */
export function headersAgree(headers: Headers, { method, params }: JsonRpcRequest): boolean {
  const field = NAMED_BY[method]
  return (
    headers.get(VERSION_HEADER) !== null &&
    headers.get('mcp-method') === method &&
    (field === undefined || headers.get('mcp-name')?.trim() === params?.[field])
  )
}

const headerAs = <K extends string>(headers: Headers, header: string, key: K): Partial<Record<K, string>> => {
  const value = headers.get(header)
  return (value === null ? {} : { [key]: value }) as Partial<Record<K, string>>
}
