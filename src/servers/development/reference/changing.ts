/** Definitions of the reference server that are added and removed while it runs. */
import { text } from '../../../mcp/content.ts'
import type { Dynamic, Prompt, Tool } from '../../../mcp/define.ts'
import { constantTool, line, prompt, tool } from './fixtures.ts'

const ADDED = 'This was added while the server ran.'
const furtherTool = constantTool('Exists after test_trigger_tool_change was called.', text(ADDED))
const furtherPrompt = prompt('A further prompt: exists after test_trigger_prompt_change.', () => ADDED)

/** A tool and a prompt that two further tools add and remove. Calls `onChange` after each change. */
export function changing(onChange: () => void): Dynamic<never> {
  const listed = { tool: false, prompt: false }
  // A read: it changes only what this process lists.
  const toggle = (kind: keyof typeof listed): Tool =>
    tool({
      description: `Adds a ${kind}, or removes it again, so that clients are notified of the changed list.`,
      effect: 'read',
      input: {},
      examples: [{}],
      run: () => {
        listed[kind] = !listed[kind]
        onChange()
        return line(`${listed[kind] ? 'Added' : 'Removed'} test_further_${kind}.`)
      },
    })
  const triggers = {
    test_trigger_tool_change: toggle('tool'),
    test_trigger_prompt_change: toggle('prompt'),
  }
  return {
    get tools(): Readonly<Record<string, Tool>> {
      return { ...triggers, ...(listed.tool ? { test_further_tool: furtherTool } : {}) }
    },
    get prompts(): Readonly<Record<string, Prompt<never>>> {
      return listed.prompt ? { test_further_prompt: furtherPrompt } : {}
    },
  }
}
