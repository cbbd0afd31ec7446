/** Questions to the person at the terminal. */
import { createInterface } from 'node:readline/promises'
import { KintsugiError } from '../std/errors.ts'

/** Asks a question and resolves with the trimmed answer. */
export type Ask = (question: string) => Promise<string>

/** Asks on the terminal; undefined if standard input is none. */
export function terminal(): Ask | undefined {
  if (!process.stdin.isTTY) return undefined
  return async (question) => {
    const prompt = createInterface({ input: process.stdin, output: process.stderr })
    // Ctrl-D answers nothing.
    const closed = new Promise<string>((resolve) => prompt.once('close', () => resolve('')))
    const answer = await Promise.race([prompt.question(question), closed])
    prompt.close()
    return answer.trim()
  }
}

/**
 * Asks a yes-or-no question whose default is no. Throws `not-confirmed` if there is nobody to ask; the
 * message is `consequence`.
 */
export async function confirmed(
  consequence: string,
  question: string,
  ask: Ask | undefined,
): Promise<boolean> {
  if (!ask) throw notConfirmed(consequence)
  return /^y(es)?$/i.test(await ask(`${question} [y/N] `))
}

/** The error of an operation that nobody confirmed. */
export const notConfirmed = (consequence: string): KintsugiError =>
  new KintsugiError('not-confirmed', consequence, {
    hint: 'add --yes to confirm without a prompt, or run the command on a terminal',
  })
