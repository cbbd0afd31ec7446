/** Other people's MCP servers in the fleet: connected, supervised, and called only as they were approved. */
import * as z from 'zod'
import { CATALOGUE } from '../../fleet/catalogue/catalogue.ts'
import { ToolContent } from '../../mcp/content.ts'
import {
  type Context,
  defineServer,
  type Prompt,
  type PromptMessages,
  type Resource,
  type ResourceTemplate,
  type Tool,
} from '../../mcp/define.ts'
import { nameOf } from '../../mcp/tool-search.ts'
import type { ConnectedServer, Connections, Offered } from '../../ports/connections.ts'
import { KintsugiError } from '../../std/errors.ts'
import type { OfferKind } from '../../trust/pins.ts'

const KINDS = ['tool', 'prompt', 'resource', 'template'] as const satisfies readonly OfferKind[]
const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'lower-case letters, digits and hyphens')
  .describe('what it is called here')
const server = z.object({
  name: z.string(),
  transport: z.string().describe('stdio with the command, or the address'),
  state: z.enum(['connected', 'away']),
  detail: z.string().nullable(),
  protocol: z.string().nullable(),
  items: z.array(
    z.object({
      kind: z.enum(KINDS),
      name: z.string(),
      said: z.record(z.string(), z.unknown()),
      hash: z.string(),
      state: z.enum(['approved', 'new', 'changed']),
      flags: z.array(z.object({ kind: z.string(), found: z.string() })),
      difference: z.array(z.string()),
    }),
  ),
})

const describe = ({ transport, items, ...rest }: ConnectedServer): z.output<typeof server> => ({
  ...rest,
  transport:
    transport.kind === 'http' ? transport.url : `stdio: ${[transport.command, ...transport.args].join(' ')}`,
  items: items.map((each) => ({
    ...each,
    said: { ...each.said },
    flags: [...each.flags],
    difference: [...each.difference],
  })),
})

const wordsOf = ({ said, name: plain }: Offered) => ({
  title: String(said.title ?? said.name ?? plain),
  description: String(said.description ?? ''),
})

/** A connected server's tool among our own: it checks its arguments itself. */
function toolOf(offered: Offered): Tool {
  const { server: of, name: plain, said, effect } = offered
  const { inputSchema, outputSchema } = said as {
    inputSchema: Record<string, unknown>
    outputSchema?: Record<string, unknown>
  }
  return {
    description: wordsOf(offered).description,
    effect,
    input: z.looseObject({}),
    inputSchema,
    ...(outputSchema ? { outputSchema } : {}),
    examples: [{}],
    run: async (
      given: Record<string, unknown>,
      { connections, signal, progress }: Context<'connections'>,
    ) => {
      const { content, structuredContent } = await connections.call(of, plain, given, {
        signal,
        onProgress: progress,
      })
      return new ToolContent(content as never, structuredContent)
    },
  }
}

function promptOf(offered: Offered): Prompt<'connections'> {
  const { server: of, name: plain, said } = offered
  const takes = (said.arguments ?? []) as { name: string; description?: string; required?: boolean }[]
  return {
    ...wordsOf(offered),
    arguments: takes.map(({ name: argument, description = '', required = false }) => ({
      name: argument,
      description,
      required,
      complete: ({ connections }, beginning) => connections.complete(of, plain, argument, beginning),
    })),
    render: async (given, { connections }) =>
      (await connections.prompt(of, plain, { ...given })) as PromptMessages,
  }
}

/** A resource, or a template of resources. */
function readableOf(offered: Offered) {
  const { server: of, kind, name: plain, said } = offered
  const read = async (uri: string, { connections }: { connections: Connections }) => {
    const { text, blob } = await connections.read(of, { kind, name: plain }, uri)
    return blob === undefined ? (text ?? '') : Buffer.from(blob, 'base64')
  }
  const { title, description } = wordsOf(offered)
  return {
    title: nameOf(of, title),
    description,
    ...(typeof said.mimeType === 'string' ? { mimeType: said.mimeType } : {}),
    read,
  }
}

/** By the name under which the fleet knows it. */
const named = <T>(
  connections: Connections,
  wanted: OfferKind,
  make: (offered: Offered) => T,
): Record<string, T> =>
  Object.fromEntries(
    connections
      .offered()
      .flatMap((each) => (each.kind === wanted ? [[nameOf(each.server, each.name), make(each)]] : [])),
  )

const addressed = <T extends Resource<'connections'> | ResourceTemplate<'connections'>>(
  connections: Connections,
  wanted: OfferKind,
  make: (offered: Offered) => T,
): Record<string, T> =>
  Object.fromEntries(
    connections.offered().flatMap((each) => (each.kind === wanted ? [[each.name, make(each)]] : [])),
  )

export default defineServer({
  id: 'mcp_integration_bridge',
  needs: ['connections'],
  // It alone keeps the connections.
  singleton: true,
  dynamic: ({ connections }, onChange) => {
    const stop = connections.watch(onChange)
    return {
      get tools() {
        return named(connections, 'tool', toolOf)
      },
      get prompts() {
        return named(connections, 'prompt', promptOf)
      },
      get resources() {
        return addressed(connections, 'resource', (offered): Resource<'connections'> => {
          const { read, ...words } = readableOf(offered)
          return { ...words, read: (context) => read(offered.name, context) }
        })
      },
      get templates() {
        return addressed(connections, 'template', (offered): ResourceTemplate<'connections'> => {
          const { read, ...words } = readableOf(offered)
          return { ...words, read: (_variables, context) => read(context.uri, context) }
        })
      },
      stop,
    }
  },
  tools: ({ read, write }) => ({
    connect_server: write({
      description:
        "Connects somebody else's MCP server, by its address (Streamable HTTP) or by a command that is started without a shell and without our secrets. What it offers must be approved before it is called.",
      openWorld: true,
      keywords: 'add an external MCP server, plug in, integrate, filesystem, memory',
      input: {
        name,
        url: z.url({ protocol: /^https?$/ }).optional(),
        command: z.string().min(1).max(500).optional().describe('a program, such as npx or an absolute path'),
        args: z.array(z.string().max(2_000)).max(50).default([]),
      },
      output: server,
      examples: [{ name: 'example', url: 'http://127.0.0.1:9/mcp' }],
      run: async ({ name: as, url, command, args }, { connections }) => {
        if ((url === undefined) === (command === undefined))
          throw new KintsugiError('bad-argument', 'url, command: expected one of the two')
        if (CATALOGUE.some(({ id }) => id === as))
          throw new KintsugiError('conflict', `name: ${as} is a server of this fleet`, {
            hint: 'choose another name',
          })
        return describe(
          await connections.connect(
            as,
            url === undefined ? { kind: 'stdio', command: command as string, args } : { kind: 'http', url },
          ),
        )
      },
    }),
    list_connected: read({
      description:
        'The servers that are connected, whether they answer, and each of their tools, prompts and resources: approved, new or changed, with what is suspicious in its definition.',
      guarded: true,
      keywords: 'external servers, integrations, quarantined definitions, what changed',
      input: { server: z.string().max(40).optional() },
      output: { servers: z.array(server) },
      examples: [{}],
      run: async ({ server: only }, { connections }) => ({
        servers: (await connections.list())
          .filter((each) => only === undefined || each.name === only)
          .map(describe),
      }),
    }),
    call_connected_tool: write({
      description:
        'Calls a tool of a connected server. Only a definition that was approved, and is still the same, is called; one approved as "spend" by its own name alone.',
      keywords: 'use an external tool, call an integration',
      input: {
        server: z.string().min(1).max(40),
        tool: z.string().min(1).max(200),
        arguments: z.record(z.string(), z.unknown()).default({}),
      },
      output: { content: z.array(z.unknown()), structuredContent: z.unknown().optional() },
      examples: [{ server: 'none', tool: 'none' }],
      run: async ({ server: of, tool: wanted, arguments: given }, { connections, signal }) => {
        // This call was judged as a write: one that was approved as more is judged under its own name.
        if (
          connections
            .offered()
            .some(
              ({ server: from, kind, name: plain, effect }) =>
                kind === 'tool' && from === of && plain === wanted && effect === 'spend',
            )
        )
          throw new KintsugiError('refused', `${wanted} of ${of} was approved as one that moves value`, {
            hint: `call ${nameOf(of, wanted)}, which asks for the scope "spend"`,
          })
        return (await connections.call(of, wanted, given, { signal })) as {
          content: unknown[]
          structuredContent?: unknown
        }
      },
    }),
    approve_definition: write({
      description:
        'Pins what a connected server offers: one tool, prompt or resource by the hash you looked at, or, without a name, everything that is not flagged.',
      openWorld: true,
      keywords: 'trust an external tool, accept a change, allow',
      input: {
        server: z.string().min(1).max(40),
        kind: z.enum(KINDS).default('tool'),
        name: z.string().min(1).max(2_000).optional().describe('of a tool or prompt; of a resource its URI'),
        hash: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional()
          .describe('of the definition as you saw it; needed with a name'),
        effect: z
          .enum(['read', 'write', 'spend'])
          .default('write')
          .describe(
            'what it may do at most, as you see it: a read needs no token and is repeated when it fails',
          ),
      },
      output: server,
      examples: [{ server: 'none' }],
      run: async ({ server: of, kind, name: wanted, hash, effect }, { connections }) => {
        if ((wanted === undefined) !== (hash === undefined))
          throw new KintsugiError('bad-argument', 'name, hash: expected both or none', {
            hint: 'list_connected shows the hashes',
          })
        return describe(
          await connections.approve(
            of,
            wanted === undefined || hash === undefined ? null : { kind, name: wanted, hash },
            effect,
          ),
        )
      },
    }),
    disconnect_server: write({
      description: 'Ends the connection to a server and forgets what was approved of it.',
      keywords: 'remove an external server, unplug an integration',
      input: { server: z.string().min(1).max(40) },
      output: { disconnected: z.string() },
      examples: [{ server: 'none' }],
      run: async ({ server: of }, { connections }) => {
        await connections.disconnect(of)
        return { disconnected: of }
      },
    }),
  }),
})
