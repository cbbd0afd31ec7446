/** The approved definitions of connected servers, as tools, prompts and resources of a service of ours. */
import * as z from 'zod'
import type { Connections, Offered, ToolAnswer } from '../ports/connections.ts'
import { KintsugiError } from '../std/errors.ts'
import { ToolContent } from './content.ts'
import { type Dynamic, type Prompt, type PromptMessages, type Tool, toolbox } from './define.ts'
import { nameOf } from './tool-search.ts'

type Needs = 'connections'

/** The definitions that are usable now, read again after each change. Calls `onChange` when they change. */
export function connectedDefinitions(connections: Connections, onChange: () => void): Dynamic<Needs> {
  const offered = <T>(
    kind: Offered['kind'],
    keyOf: (offered: Offered) => string,
    make: (offered: Offered) => T,
  ): Record<string, T> =>
    Object.fromEntries(
      connections.offered().flatMap((each) => (each.kind === kind ? [[keyOf(each), make(each)]] : [])),
    )
  const fleetName = ({ server, name }: Offered) => nameOf(server, name)
  const uri = ({ name }: Offered) => name
  const stop = connections.watch(onChange)
  return {
    get tools() {
      return offered('tool', fleetName, toolOf)
    },
    get prompts() {
      return offered('prompt', fleetName, promptOf)
    },
    get resources() {
      return offered('resource', uri, (each) => ({
        ...describedResource(each),
        read: (scope: Pick<{ connections: Connections }, Needs>) =>
          bodyOf(each, each.name, scope.connections),
      }))
    },
    get templates() {
      return offered('template', uri, (each) => ({
        ...describedResource(each),
        read: (_variables: unknown, scope: { connections: Connections; uri: string }) =>
          bodyOf(each, scope.uri, scope.connections),
      }))
    },
    stop,
  }
}

/**
 * Calls an approved tool with the scope of a write. Throws `refused` for a tool that was approved as a spend:
 * it is callable only under its own name, which requires that scope. Otherwise throws what `Connections.call`
 * throws.
 */
export function callAsWrite(
  connections: Connections,
  { server, tool, arguments: args }: { server: string; tool: string; arguments: Record<string, unknown> },
  signal: AbortSignal,
): Promise<ToolAnswer> {
  const spends = connections
    .offered()
    .some(
      (each) =>
        each.kind === 'tool' && each.server === server && each.name === tool && each.effect === 'spend',
    )
  if (spends)
    throw new KintsugiError('refused', `${tool} of ${server} was approved as a tool that moves value`, {
      hint: `call ${nameOf(server, tool)}, which requires the scope "spend"`,
    })
  return connections.call(server, tool, args, { signal })
}

const wordsOf = ({ said, name }: Offered) => ({
  title: String(said.title ?? said.name ?? name),
  description: String(said.description ?? ''),
})

/** A tool whose server validates the arguments itself. */
function toolOf(offered: Offered): Tool {
  const { server, name, said, effect } = offered
  const { inputSchema, outputSchema } = said as Pick<Required<Tool>, 'inputSchema'> &
    Pick<Tool, 'outputSchema'>
  const tool = toolbox<Needs>().content({
    description: wordsOf(offered).description,
    effect,
    input: z.looseObject({}),
    inputSchema,
    examples: [],
    run: async (args, { connections, signal, progress }) => {
      const { content, structuredContent } = await connections.call(server, name, args, {
        signal,
        onProgress: progress,
      })
      return new ToolContent(content as ToolContent['blocks'], structuredContent)
    },
  })
  return outputSchema ? { ...tool, outputSchema } : tool
}

function promptOf(offered: Offered): Prompt<Needs> {
  const { server, name, said } = offered
  const takes = (said.arguments ?? []) as { name: string; description?: string; required?: boolean }[]
  return {
    ...wordsOf(offered),
    arguments: takes.map(({ name: argument, description = '', required = false }) => ({
      name: argument,
      description,
      required,
      complete: ({ connections }, prefix) => connections.complete(server, name, argument, prefix),
    })),
    render: async (args, { connections }) =>
      (await connections.prompt(server, name, { ...args })) as PromptMessages,
  }
}

function describedResource(offered: Offered) {
  const { title, description } = wordsOf(offered)
  const { mimeType } = offered.said
  return {
    title: nameOf(offered.server, title),
    description,
    ...(typeof mimeType === 'string' ? { mimeType } : {}),
  }
}

async function bodyOf({ server, kind, name }: Offered, uri: string, connections: Connections) {
  const { text = '', blob } = await connections.read(server, { kind, name }, uri)
  return blob === undefined ? text : Buffer.from(blob, 'base64')
}
