/** Connected servers and their definitions. */
import * as z from 'zod'
import type { ConnectedServer, ConnectionTransport } from '../ports/connections.ts'
import type { JudgedDefinition } from '../trust/pins.ts'
import { view } from './view.ts'

/** The kinds of definitions that an MCP server offers. */
export const DEFINITION_KINDS = ['tool', 'prompt', 'resource', 'template'] as const
/** The states of a definition; the ones that need a decision first. */
export const DEFINITION_STATES = ['changed', 'new', 'approved'] as const

/** The name of a connected server. */
export const connectedName = z
  .string()
  .min(1)
  .max(40)
  .describe('the name of a connected server, from list_connected')

/** The fields of a request to connect a server: exactly one of `url` and `command`. */
export const connectionRequest = {
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'expected lower-case letters, digits and hyphens')
    .describe('the name of the server in this fleet'),
  url: z.url({ protocol: /^https?$/ }).optional(),
  command: z.string().min(1).max(500).optional().describe('a program, such as npx or an absolute path'),
  args: z.array(z.string().max(2_000)).max(50).default([]),
}

/** The fields of an approval: of one definition by `name` and `hash`, or of all that are not flagged. */
export const approvalRequest = {
  server: connectedName,
  kind: z.enum(DEFINITION_KINDS).default('tool'),
  name: z.string().min(1).max(2_000).optional().describe('of a tool or prompt; of a resource its URI'),
  hash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')
    .optional()
    .describe('the hash of the definition that you reviewed; required with a name'),
  effect: z
    .enum(['read', 'write', 'spend'])
    .default('write')
    .describe('the most that it may do: a read needs no token and is repeated when it fails'),
}

const count = (of: string) => z.int().describe(`definitions that ${of}`)

/** A connected server, with the number of its definitions by state. */
export const connectedServer = view(
  z.object({
    name: z.string(),
    transport: z.string().describe('the URL, or "stdio: " and the command'),
    state: z.enum(['connected', 'unavailable']),
    detail: z.string().nullable().describe('why it is unavailable'),
    protocol: z.string().nullable().describe('the negotiated revision of MCP'),
    definitions: z.object({
      approved: count('are approved and unchanged'),
      new: count('are not approved yet'),
      changed: count('changed since their approval and are refused'),
      flagged: count('contain something suspicious'),
    }),
  }),
  ({ name, transport, state, detail, protocol, items }: ConnectedServer) => {
    const count = (wanted: JudgedDefinition['state']) => items.filter((item) => item.state === wanted).length
    return {
      name,
      transport: transportText(transport),
      state,
      detail,
      protocol,
      definitions: {
        approved: count('approved'),
        new: count('new'),
        changed: count('changed'),
        flagged: items.filter(({ flags }) => flags.length > 0).length,
      },
    }
  },
)

const transportText = (transport: ConnectionTransport): string =>
  transport.kind === 'http' ? transport.url : `stdio: ${[transport.command, ...transport.args].join(' ')}`

/** A definition of a connected server, compared with the approved one. */
export const connectedDefinition = view(
  z.object({
    server: z.string(),
    kind: z.enum(DEFINITION_KINDS),
    name: z.string().describe('of a resource its URI, of a template its URI template'),
    state: z.enum(DEFINITION_STATES),
    hash: z.string().describe('SHA-256 of the definition; approve_definition needs it'),
    flags: z.array(
      z.object({ kind: z.string(), found: z.string() }).describe('something suspicious, and the text of it'),
    ),
    difference: z.array(z.string()).describe('lines removed (-) and added (+) since the approval'),
    definition: z.record(z.string(), z.unknown()).describe('every field that a model or a client uses'),
  }),
  ({
    server,
    kind,
    name,
    state,
    hash,
    flags,
    difference,
    said,
  }: JudgedDefinition & { readonly server: string }) => ({
    server,
    kind,
    name,
    state,
    hash,
    flags,
    difference,
    definition: said,
  }),
)
