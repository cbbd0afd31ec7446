/** A client of one call: answers questions from a script, and records what it received. */
import type { Conversation, Question } from '../../src/mcp/elicitation.ts'

/** The client, and what it received in order. */
export interface ScriptedClient {
  readonly conversation: Conversation
  readonly questions: Readonly<Record<string, Question>>[]
  readonly progress: [done: number, total: number | undefined][]
  readonly logs: [level: string, data: unknown][]
  /** How often the call was detached as a task. */
  detached: number
}

/** `answers`: by the key of their question. A question without an answer fails the call. */
export function scriptedClient(
  answers: Readonly<Record<string, unknown>> = {},
  capabilities: Conversation['client'] = {},
): ScriptedClient {
  const client: ScriptedClient = {
    questions: [],
    progress: [],
    logs: [],
    detached: 0,
    conversation: {
      client: capabilities,
      progress: (done, total) => void client.progress.push([done, total]),
      log: async (level, data) => void client.logs.push([level, data]),
      ask: async (questions) => {
        client.questions.push(questions)
        const keys = Object.keys(questions)
        const missing = keys.find((key) => !Object.hasOwn(answers, key))
        if (missing !== undefined) throw new Error(`the script has no answer to "${missing}"`)
        return Object.fromEntries(keys.map((key) => [key, answers[key]]))
      },
      detach: async () => void client.detached++,
    },
  }
  return client
}

/** A form that the person accepted. */
export const accepted = (content: Record<string, unknown>) => ({ action: 'accept', content })
/** A form that the person declined. */
export const declined = { action: 'decline' }
/** The answer of the client's model. */
export const sampled = (text: string) => ({
  model: 'scripted',
  role: 'assistant',
  content: { type: 'text', text },
})
