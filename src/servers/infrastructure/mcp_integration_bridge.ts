/** Third-party MCP servers in the fleet: connected, supervised, and callable only as they were approved. */
import * as z from 'zod'
import { definitionsToReview, requestedTransport, reviewed } from '../../engine/operations/connecting.ts'
import { callAsWrite, connectedDefinitions } from '../../mcp/connected.ts'
import { defineServer } from '../../mcp/define.ts'
import { page, paged, paginate } from '../../mcp/fields.ts'
import {
  approvalRequest,
  connectedDefinition,
  connectedName,
  connectedServer,
  connectionRequest,
  DEFINITION_KINDS,
  DEFINITION_STATES,
} from '../../views/connections.ts'

export default defineServer({
  id: 'mcp_integration_bridge',
  needs: ['connections'],
  // It alone holds the connections.
  singleton: true,
  dynamic: ({ connections }, onChange) => connectedDefinitions(connections, onChange),
  tools: ({ read, write }) => ({
    connect_server: write({
      description:
        'Connects a third-party MCP server, by its URL (Streamable HTTP) or by a command that is started without a shell and without the secrets of the fleet. Its definitions must be approved before use; list_connected_definitions shows them.',
      openWorld: true,
      critical: true,
      keywords: 'add an external MCP server, plug in, integrate, filesystem, memory',
      input: connectionRequest,
      output: connectedServer.schema,
      // Only a server that runs can be connected.
      examples: [],
      refusals: [
        [{ name: 'example', url: 'http://127.0.0.1:9/mcp' }, 'server-unreachable'],
        [{ name: 'example' }, 'bad-argument'],
        [{ name: 'example', url: 'http://127.0.0.1:9/mcp', command: 'npx' }, 'bad-argument'],
        [{ name: 'dashboard', url: 'http://127.0.0.1:9/mcp' }, 'conflict'],
      ],
      validate: ({ name, ...wanted }) => void requestedTransport(name, wanted),
      run: async ({ name, ...wanted }, { connections }) =>
        connectedServer.of(await connections.connect(name, requestedTransport(name, wanted))),
    }),
    list_connected: read({
      description:
        'The third-party MCP servers that are connected: whether each answers, and how many of its definitions are approved, new, changed or suspicious.',
      guarded: true,
      keywords: 'external servers, integrations, plugged in',
      input: { server: connectedName.optional(), ...page(100, 10) },
      output: paged('servers', connectedServer.schema),
      examples: [{}],
      run: async ({ server: only, ...paging }, { connections }) => {
        const all = (await connections.list()).filter(({ name }) => only === undefined || name === only)
        return paginate('servers', all.map(connectedServer.of), paging)
      },
    }),
    list_connected_definitions: read({
      description:
        'The tools, prompts and resources of connected servers as a person reviews them: the definition with its hash, what is suspicious in it, and what changed since its approval. Those that need a decision come first.',
      guarded: true,
      keywords: 'review, quarantined definitions, what changed, external tools, hash',
      input: {
        server: connectedName.optional(),
        kind: z.enum(DEFINITION_KINDS).optional(),
        state: z.enum(DEFINITION_STATES).optional(),
        ...page(100, 3),
      },
      output: paged('definitions', connectedDefinition.schema),
      examples: [{}],
      run: async ({ limit, offset, ...wanted }, { connections }) => {
        const all = definitionsToReview(await connections.list(), wanted)
        const page = paginate('definitions', all, { limit, offset })
        return { ...page, definitions: page.definitions.map(connectedDefinition.of) }
      },
    }),
    call_connected_tool: write({
      openWorld: true,
      description:
        'Calls a tool of a connected server. Only an approved and unchanged definition is callable; a tool approved as "spend" only under its own name.',
      keywords: 'use an external tool, call an integration',
      input: {
        server: connectedName,
        tool: z.string().min(1).max(200),
        arguments: z.record(z.string(), z.unknown()).default({}),
      },
      output: {
        content: z.array(z.unknown()).describe('blocks of MCP content'),
        structuredContent: z.unknown().optional(),
      },
      // A fleet may have no connected server.
      examples: [],
      refusals: ['none', 'constructor', '__proto__'].map(
        (name) => [{ server: name, tool: name }, 'not-found'] as const,
      ),
      run: (call, { connections, signal }) => callAsWrite(connections, call, signal),
    }),
    approve_definition: write({
      description:
        'Approves one definition of a connected server (a tool, prompt, resource or template) by the hash that you reviewed, or, without a name, every definition that is not flagged.',
      critical: true,
      idempotent: true,
      keywords: 'trust an external tool, accept a change, allow, pin',
      input: approvalRequest,
      output: connectedServer.schema,
      examples: [],
      refusals: [
        [{ server: 'none' }, 'not-found'],
        [{ server: 'none', name: 'x' }, 'bad-argument'],
      ],
      validate: (wanted) => void reviewed(wanted),
      run: async ({ server: name, effect, ...wanted }, { connections }) =>
        connectedServer.of(await connections.approve(name, reviewed(wanted), effect)),
    }),
    disconnect_server: write({
      description: 'Disconnects a third-party MCP server and forgets what was approved of it.',
      destructive: true,
      keywords: 'remove an external server, unplug an integration',
      input: { server: connectedName },
      output: { disconnected: z.string() },
      examples: [],
      refusals: [[{ server: 'none' }, 'not-found']],
      run: async ({ server: name }, { connections }) => {
        await connections.disconnect(name)
        return { disconnected: name }
      },
    }),
  }),
})
