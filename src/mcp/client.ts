/**
 * The MCP client of the fleet: the official client with the fleet's errors and subscriptions that reconnect.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Client,
  type ClientOptions,
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { type ErrorReport, errorFromReport, KintsugiError, messageOf } from '../std/errors.ts'

/** How to reach a server. */
export interface McpClientOptions {
  url: string
  /** Bearer token; a function if it changes over time. */
  token?: string | (() => string | undefined)
  name?: string
  /** Obtains tokens from the server's OAuth issuer. */
  authProvider?: OAuthClientProvider
}

/** An open connection to a server. */
export interface McpConnection {
  listTools(): Promise<{ name: string; description?: string | undefined }[]>
  /**
   * Returns the structured result. Throws the error that the tool reports, or `tool-failed` if it reports no
   * code.
   */
  callTool(name: string, args: Record<string, unknown>): Promise<Record<string, unknown>>
  /** The negotiated revision, such as `2026-07-28`. */
  protocolVersion: string | undefined
  close(): Promise<void>
}

/** A client that negotiates the newest revision which both sides support. */
export const newClient = (name = 'kintsugi', capabilities: ClientOptions['capabilities'] = {}): Client =>
  new Client({ name, version: '1' }, { capabilities, versionNegotiation: { mode: 'auto' } })

/** A Streamable HTTP transport to a server. */
export function transportTo({ url, token, authProvider }: McpClientOptions): StreamableHTTPClientTransport {
  const text = typeof token === 'function' ? token() : token
  return new StreamableHTTPClientTransport(new URL(url), {
    ...(text === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${text}` } } }),
    ...(authProvider ? { authProvider } : {}),
  })
}

/**
 * Connects to a server in the newest revision that both sides support. Throws `service-unreachable` (retry
 * later).
 */
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
    callTool: async (tool, args) => {
      const result = await client.callTool({ name: tool, arguments: args })
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

/** A running subscription. */
export interface Watch {
  close(): void
}

/** The scope of a subscription, and its callbacks. */
export interface Watched {
  readonly uris: readonly string[]
  onUpdate(uri: string): void
  /** Called after a change of the tools, prompts or resources lists; absent to ignore those changes. */
  readonly onListChange?: (() => void) | undefined
}

const RECONNECT_DELAY_MS = 500

/** Subscribes to a server's changes until closed. Reconnects when the server becomes unavailable. */
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
        // The server is unavailable: the loop reconnects.
      }
      await client.close().catch(() => undefined)
      await sleep(RECONNECT_DELAY_MS, undefined, { signal: ends.signal }).catch(() => undefined)
    }
  }
  void listen()
  return { close: () => ends.abort() }
}
