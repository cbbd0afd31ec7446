/** The MCP client of the fleet: the official one, with our deadlines and errors. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { type ErrorReport, KintsugiError, messageOf } from '../std/errors.ts'

export interface McpClientOptions {
  url: string
  token?: string
  name?: string
}

export interface McpConnection {
  listTools(): Promise<{ name: string; description?: string | undefined }[]>
  /** The structured result. Throws what the tool reported, or `service-unreachable`. */
  callTool(name: string, given: Record<string, unknown>): Promise<Record<string, unknown>>
  protocolVersion: string | undefined
  close(): Promise<void>
}

/** Connects in whichever revision both sides know. */
export async function connectMcp({ url, token, name = 'kintsugi' }: McpClientOptions): Promise<McpConnection> {
  const client = new Client({ name, version: '1' }, { versionNegotiation: { mode: 'auto' } })
  const transport = new StreamableHTTPClientTransport(new URL(url), token ? { requestInit: { headers: { authorization: `Bearer ${token}` } } } : {})
  try {
    await client.connect(transport)
  } catch (error) {
    throw new KintsugiError('service-unreachable', `${url} cannot be reached: ${messageOf(error)}`, { retry: 'later', cause: error })
  }
  return {
    protocolVersion: client.getNegotiatedProtocolVersion(),
    listTools: async () => (await client.listTools()).tools,
    callTool: async (tool, given) => {
      const result = await client.callTool({ name: tool, arguments: given })
      if (result.isError) {
        const report = result._meta?.['kintsugi/error'] as ErrorReport | undefined
        throw new KintsugiError(report?.code ?? 'tool-failed', report?.message ?? JSON.stringify(result.content), report ?? {})
      }
      return (result.structuredContent ?? {}) as Record<string, unknown>
    },
    close: () => client.close(),
  }
}

export interface ResourceWatch {
  close(): void
}

const WATCH_AGAIN_MS = 500

/** Tells of each change of these resources, for as long as it is not closed: a server that goes away is listened to again when it is back. */
export function watchResources({ url, token, name = 'kintsugi' }: McpClientOptions, uris: readonly string[], onUpdate: (uri: string) => void): ResourceWatch {
  const ends = new AbortController()
  const listen = async () => {
    while (!ends.signal.aborted) {
      const client = new Client({ name, version: '1' }, { versionNegotiation: { mode: 'auto' } })
      try {
        client.setNotificationHandler('notifications/resources/updated', ({ params }) => onUpdate(params.uri))
        await client.connect(new StreamableHTTPClientTransport(new URL(url), token ? { requestInit: { headers: { authorization: `Bearer ${token}` } } } : {}))
        const subscription = await client.listen({ resourceSubscriptions: [...uris] }, { signal: ends.signal })
        await subscription.closed
      } catch {
        // It is away: it is tried again.
      }
      await client.close().catch(() => undefined)
      await sleep(WATCH_AGAIN_MS, undefined, { signal: ends.signal }).catch(() => undefined)
    }
  }
  void listen()
  return { close: () => ends.abort() }
}
