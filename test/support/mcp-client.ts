/** The official MCP client, connected in memory to a hosted service. */
import { type Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { newClient } from '../../src/mcp/client.ts'
import type { HostedService } from '../../src/mcp/host/host.ts'

/** Connects to the service's MCP endpoint without a port. Close it after use. */
export async function connectInMemory({ app }: Pick<HostedService, 'app'>): Promise<Client> {
  const client = newClient('spec')
  const fetch = async (url: URL | string, init?: RequestInit) => {
    const headers = new Headers(init?.headers)
    headers.set('host', 'localhost')
    return app.request(String(url), { ...init, headers })
  }
  await client.connect(new StreamableHTTPClientTransport(new URL('http://localhost/mcp'), { fetch }))
  return client
}
