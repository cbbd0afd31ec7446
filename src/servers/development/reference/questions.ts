/** Questions of the reference server to its client, and its answers as text. */
import * as z from 'zod'
import { type Answers, elicit, entered, type Question, sample } from '../../../mcp/elicitation.ts'

const NAME = z.object({ name: z.string() })

/** A form with these fields (JSON Schema). Every field is required unless `required` names fewer. */
export const form = (
  message: string,
  properties: Record<string, unknown>,
  required = Object.keys(properties),
): Question => elicit({ message, requestedSchema: { type: 'object', properties, required } as never })

/** A form that requests a name. */
export const nameForm = (message = 'What is your name?'): Question =>
  form(message, { name: { type: 'string' } })

/** A question to the client's model. */
export const askModel = (question: string, maxTokens = 100): Question =>
  sample({ messages: [{ role: 'user', content: { type: 'text', text: question } }], maxTokens })

/** An answered form, as `action=accept, content={...}`. */
export function formText(answer: unknown): string {
  const { action, content } = answer as { action: string; content?: unknown }
  return `action=${action}, content=${JSON.stringify(content ?? {})}`
}

/** The text of a model's answer. */
export function modelText(answer: unknown): string {
  const { content } = answer as { content: { text?: string } | { text?: string }[] }
  return (Array.isArray(content) ? content : [content]).map((block) => block.text ?? '').join(' ')
}

/** The URIs of the client's root folders; `none` without any. */
export const rootsText = (answer: unknown): string =>
  (answer as { roots: { uri: string }[] }).roots.map(({ uri }) => uri).join(', ') || 'none'

/** The name that a `nameForm` returned; `stranger` if the person declined. */
export function enteredName(answers: Answers, key = 'user_name'): string {
  const answer = entered(answers[key], NAME)
  return answer === undefined || answer === 'declined' ? 'stranger' : answer.name
}
