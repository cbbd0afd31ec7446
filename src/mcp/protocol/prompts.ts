/** Prompts of a service over MCP, and the completion of their arguments. */
import type { PromptMessage, Server, ServerContext } from '@modelcontextprotocol/server'
import { KintsugiError } from '../../std/errors.ts'
import type { HostScope, Prompt } from '../define.ts'
import { type Conversation, InputNeeded } from '../elicitation.ts'
import { CACHED } from './caching.ts'
import type { Definitions } from './definitions.ts'

/** The protocol's own limit. */
const MAX_COMPLETIONS = 100

/** Opens the conversation in which a prompt may ask its client. */
export type OpenConversation = (
  context: ServerContext,
  prompt: string,
  args: Record<string, string>,
) => Promise<Pick<Conversation, 'ask'>>

/** Serves `prompts/list`, `prompts/get` and `completion/complete`. */
export function servePrompts(
  server: Server,
  definitions: Definitions,
  scope: HostScope,
  open: OpenConversation,
): void {
  server.setRequestHandler('prompts/list', () => ({ prompts: definitions.listing.prompts, ...CACHED }))
  server.setRequestHandler('prompts/get', async ({ params: { name, arguments: args = {} } }, protocol) => {
    const prompt = findPrompt(definitions, name)
    requireArguments(prompt, args)
    try {
      const { ask } = await open(protocol, name, args)
      const rendered = await prompt.render(args, { ...scope, ask })
      const messages: PromptMessage[] =
        typeof rendered === 'string'
          ? [{ role: 'user', content: { type: 'text', text: rendered } }]
          : [...rendered]
      return { description: prompt.description, messages }
    } catch (error) {
      if (error instanceof InputNeeded) return error.result
      throw error
    }
  })
  server.setRequestHandler('completion/complete', async ({ params }) => {
    const argument =
      params.ref.type === 'ref/prompt'
        ? findPrompt(definitions, params.ref.name).arguments.find(({ name }) => name === params.argument.name)
        : undefined
    const values = (await argument?.complete?.(scope, params.argument.value)) ?? []
    return {
      completion: {
        values: values.slice(0, MAX_COMPLETIONS),
        total: values.length,
        hasMore: values.length > MAX_COMPLETIONS,
      },
    }
  })
}

function findPrompt({ prompts }: Definitions, name: string): Prompt {
  const prompt = prompts.get(name)
  if (prompt) return prompt
  throw new KintsugiError('not-found', `there is no prompt ${name.slice(0, 80)}`, {
    hint: [...prompts.keys()].join(', '),
  })
}

function requireArguments(prompt: Prompt, args: Readonly<Record<string, string>>): void {
  const missing = prompt.arguments.find(({ name, required }) => required && args[name] === undefined)
  if (missing)
    throw new KintsugiError('bad-argument', `${missing.name}: expected ${missing.description} (got nothing)`)
}
