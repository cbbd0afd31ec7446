/**
 * Fixtures of the reference server: constant content, and the short forms in which its tools and prompts are
 * defined.
 */
import { type ContentBlock, ToolContent, text } from '../../../mcp/content.ts'
import { type Prompt, type Tool, toolbox } from '../../../mcp/define.ts'

/** One red pixel: a PNG in base64. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
/** Eight samples of silence: a WAV in base64. */
export const WAV = 'UklGRjQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YRAAAAAAAAAAAAAAAAAAAAAAAAAA'

/** Defines a tool that answers with content. */
export const tool = toolbox<never>().content

/** One line of text as the answer of a tool. */
export const line = (words: string): ToolContent => new ToolContent([text(words)])

/** A tool that returns the same content for every call. */
export const constantTool = (description: string, ...blocks: readonly ContentBlock[]): Tool =>
  tool({
    description,
    effect: 'read',
    constant: true,
    input: {},
    examples: [{}],
    run: () => new ToolContent(blocks),
  })

/** A prompt; the part of its description before the colon is its title. */
export function prompt(
  description: string,
  render: Prompt<never>['render'],
  args: Prompt<never>['arguments'] = [],
): Prompt<never> {
  const [title = ''] = description.split(':')
  return { title, description, arguments: args, render }
}
