/** Third-party MCP servers in memory, and the real connections to them. */
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler, Server } from '@modelcontextprotocol/server'
import { ConnectedServers } from '../../../src/adapters/connections/connected-servers.ts'
import type { Ledger } from '../../../src/ports/ledger.ts'

const UNCACHED = { ttlMs: 0, cacheScope: 'private' as const }

/** A third-party server: adds numbers, greets, and has a note. Its definitions can be changed. */
export class SmallForeignServer {
  description = 'Adds two numbers.'
  /** Arguments of the calls that it received. */
  readonly calls: unknown[] = []
  readonly #handler = createMcpHandler(() => this.#server())

  fetch(request: Request): Promise<Response> {
    return this.#handler.fetch(request)
  }

  #server(): Server {
    const server = new Server(
      { name: 'foreign', version: '1' },
      { capabilities: { tools: {}, prompts: {}, resources: {}, completions: {} } },
    )
    const number = { type: 'number' }
    const add = {
      name: 'add',
      description: this.description,
      inputSchema: { type: 'object' as const, properties: { a: number, b: number } },
    }
    server.setRequestHandler('tools/list', () => ({ tools: [add], ...UNCACHED }))
    server.setRequestHandler('tools/call', ({ params: { arguments: { a = 0, b = 0 } = {} } }) => {
      this.calls.push({ a, b })
      const isError = Number(b) < 0
      const text = isError ? 'expected b of at least 0' : String(Number(a) + Number(b))
      return { content: [{ type: 'text', text }], ...(isError ? { isError } : {}) }
    })
    const greet = {
      name: 'greet',
      description: 'A greeting.',
      arguments: [{ name: 'name', description: 'Whom to greet', required: true }],
    }
    server.setRequestHandler('prompts/list', () => ({ prompts: [greet], ...UNCACHED }))
    server.setRequestHandler('prompts/get', ({ params }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: `Greet ${params.arguments?.name}.` } }],
    }))
    server.setRequestHandler('completion/complete', ({ params }) => ({
      completion: { values: ['Ada', 'Grace'].filter((name) => name.startsWith(params.argument.value)) },
    }))
    const mimeType = 'text/plain'
    server.setRequestHandler('resources/list', () => ({
      resources: [
        { uri: 'note://today', name: 'today', description: 'A note.', mimeType },
        { uri: 'note://picture', name: 'picture', mimeType: 'image/png' },
      ],
      ...UNCACHED,
    }))
    server.setRequestHandler('resources/templates/list', () => ({
      resourceTemplates: [{ uriTemplate: 'note://day/{day}', name: 'note of a day', mimeType }],
      ...UNCACHED,
    }))
    server.setRequestHandler('resources/read', ({ params: { uri } }) => ({
      contents: [
        uri === 'note://picture'
          ? { uri, blob: Buffer.from('pixels').toString('base64') }
          : { uri, text: `text of ${uri}` },
      ],
      ...UNCACHED,
    }))
    return server
  }
}

/** The real connections, over an in-memory network on which `servers` are reachable by host name. */
export function smallConnections(
  ledger: Pick<Ledger, 'setting' | 'saveSetting'>,
  servers: Readonly<Record<string, SmallForeignServer>>,
): ConnectedServers {
  const fetch = (url: URL | string, init?: RequestInit) => {
    const server = servers[new URL(url).hostname]
    if (!server) throw new TypeError(`connect ECONNREFUSED ${url}`)
    return server.fetch(new Request(url, init))
  }
  return new ConnectedServers(
    ledger,
    () => undefined,
    (transport) => {
      if (transport.kind === 'stdio') throw new TypeError(`spawn ${transport.command} ENOENT`)
      return new StreamableHTTPClientTransport(new URL(transport.url), {
        fetch: async (...args) => fetch(...args),
      })
    },
  )
}
