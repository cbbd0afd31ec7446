/** Calls of tools over plain HTTP, from one service to another. */
import { type ErrorReport, errorFromReport } from '../../std/errors.ts'
import type { Answer, Send } from './dispatcher.ts'

/** A call of a tool. */
export interface Query {
  readonly tool: string
  readonly arguments: Record<string, unknown>
  readonly headers: Record<string, string>
  readonly signal: AbortSignal
}

/** The body of an answer: the tool's result or an error report. */
export type QueryAnswer = { result?: Record<string, unknown>; error?: ErrorReport }

/** Sends `POST /query` to an instance. */
export function query({ tool, arguments: args, headers, signal }: Query): Send<QueryAnswer> {
  return async (port): Promise<Answer<QueryAnswer>> => {
    const response = await fetch(`http://127.0.0.1:${port}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ ...args, type: tool }),
      signal,
    })
    const value = (await response.json()) as QueryAnswer
    return { value, ...(value.error ? { code: value.error.code } : {}) }
  }
}

/** The tool's result. Throws the error that the service reported. */
export function resultOf({ result, error }: QueryAnswer): Record<string, unknown> {
  if (error) throw errorFromReport(error)
  return result ?? {}
}
