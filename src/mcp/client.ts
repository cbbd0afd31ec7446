/** The MCP client of the fleet: the official one, with our deadlines and errors. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Client,
  type ClientOptions,
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { type ErrorReport, errorFromReport, KintsugiError, messageOf } from '../std/errors.ts'

export interface McpClientOptions {
  url: string
  /** A function where it changes with time. */
  token?: string | (() => string | undefined)
  name?: string
  /** For servers that want tokens of an issuer. */
  authProvider?: OAuthClientProvider
}

export interface McpConnection {
  listTools(): Promise<{ name: string; description?: string | undefined }[]>
  /** The structured result. Throws what the tool reported, or `service-unreachable`. */
  callTool(name: string, given: Record<string, unknown>): Promise<Record<string, unknown>>
  protocolVersion: string | undefined
  close(): Promise<void>
}

/** Speaks whichever revision both sides know. */
export const newClient = (name = 'kintsugi', capabilities: ClientOptions['capabilities'] = {}): Client =>
  new Client({ name, version: '1' }, { capabilities, versionNegotiation: { mode: 'auto' } })

export function transportTo({ url, token, authProvider }: McpClientOptions): StreamableHTTPClientTransport {
  const text = typeof token === 'function' ? token() : token
  return new StreamableHTTPClientTransport(new URL(url), {
    ...(text === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${text}` } } }),
    ...(authProvider ? { authProvider } : {}),
  })
}

/** Connects in whichever revision both sides know. */
export async function connectMcp(options: McpClientOptions): Promise<McpConnection> {
  const client = newClient(options.name)
  const transport = transportTo(options)
  try {
    await client.connect(transport)
  } catch (error) {
    throw new KintsugiError('service-unreachable', `${options.url} cannot be reached: ${messageOf(error)}`, {
      retry: 'later',
      cause: error,
    })
  }
  return {
    protocolVersion: client.getNegotiatedProtocolVersion(),
    listTools: async () => (await client.listTools()).tools,
    callTool: async (tool, given) => {
      const result = await client.callTool({ name: tool, arguments: given })
      if (result.isError) {
        const report = result._meta?.['kintsugi/error'] as ErrorReport | undefined
        throw report
          ? errorFromReport(report)
          : new KintsugiError('tool-failed', JSON.stringify(result.content))
      }
      return (result.structuredContent ?? {}) as Record<string, unknown>
    },
    close: () => client.close(),
  }
}

export interface Watch {
  close(): void
}

/** What is listened for, and who is told. */
export interface Watched {
  readonly uris: readonly string[]
  onUpdate(uri: string): void
  /** Absent where lists do not change. */
  readonly onListChange?: (() => void) | undefined
}

const WATCH_AGAIN_MS = 500

/** Tells of changes for as long as it is not closed: a server that goes away is listened to again when it is back. */
export function watchServer(options: McpClientOptions, { uris, onUpdate, onListChange }: Watched): Watch {
  const ends = new AbortController()
  const listen = async () => {
    while (!ends.signal.aborted) {
      const client = newClient(options.name)
      try {
        client.setNotificationHandler('notifications/resources/updated', ({ params }) => onUpdate(params.uri))
        if (onListChange)
          for (const what of ['tools', 'prompts', 'resources'] as const)
            client.setNotificationHandler(`notifications/${what}/list_changed`, onListChange)
        await client.connect(transportTo(options))
        const lists = onListChange
          ? { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true }
          : {}
        const subscription = await client.listen(
          { resourceSubscriptions: [...uris], ...lists },
          { signal: ends.signal },
        )
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
