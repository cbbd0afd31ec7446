/**
 * Prompts of the reference server: each kind of content, arguments with completion, and one that requests
 * input.
 */
import * as z from 'zod'
import { embedded, image, text } from '../../../mcp/content.ts'
import type { Prompt } from '../../../mcp/define.ts'
import { entered } from '../../../mcp/elicitation.ts'
import { PNG, prompt } from './fixtures.ts'
import { form } from './questions.ts'

const CONTEXT = z.object({ context: z.string() })
const COMPLETIONS = ['paris', 'park', 'party', 'test']

/** The prompts, by name. */
export const prompts: Readonly<Record<string, Prompt<never>>> = {
  test_simple_prompt: prompt(
    'A prompt without arguments: one line of text.',
    () => 'This is a simple prompt for testing.',
  ),
  test_prompt_with_arguments: prompt(
    'A prompt with two arguments: its text contains both.',
    ({ arg1, arg2 }) => `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`,
    [
      {
        name: 'arg1',
        description: 'First test argument',
        required: true,
        complete: (_scope, prefix) => COMPLETIONS.filter((word) => word.startsWith(prefix)),
      },
      { name: 'arg2', description: 'Second test argument', required: true },
    ],
  ),
  test_prompt_with_embedded_resource: prompt(
    'A prompt with a resource: embeds the URI that is given.',
    ({ resourceUri = '' }) => [
      {
        role: 'user',
        content: embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
      },
      { role: 'user', content: text('Please process the embedded resource above.') },
    ],
    [{ name: 'resourceUri', description: 'URI of the resource to embed', required: true }],
  ),
  test_prompt_with_image: prompt('A prompt with an image: one red pixel.', () => [
    { role: 'user', content: image(PNG, 'image/png') },
    { role: 'user', content: text('Please analyze the image above.') },
  ]),
  test_input_required_result_prompt: prompt(
    'A prompt that requests input: the context to use.',
    async (_given, { ask }) => {
      const { user_context } = await ask({
        user_context: form('What context should the prompt use?', { context: { type: 'string' } }),
      })
      const answer = entered(user_context, CONTEXT)
      return `Use this context: ${answer === undefined || answer === 'declined' ? 'none' : answer.context}`
    },
  ),
}
