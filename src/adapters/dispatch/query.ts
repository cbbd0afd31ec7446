/** A tool asked over plain HTTP: how services call each other. */
import { type ErrorReport, errorFromReport, KintsugiError } from '../../std/errors.ts'
import type { Answer, Send } from './dispatcher.ts'

export interface Query {
  readonly tool: string
  readonly arguments: Record<string, unknown>
  readonly headers: Record<string, string>
  readonly signal: AbortSignal
}

type Said = { result?: Record<string, unknown>; error?: ErrorReport }

/** `POST /query` to an instance. The answer may be an error report: `resultOf` throws it. */
export function query({ tool, arguments: given, headers, signal }: Query): Send<Said> {
  return async (port): Promise<Answer<Said>> => {
    const response = await fetch(`http://127.0.0.1:${port}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ ...given, type: tool }),
      signal,
    })
    const said = (await response.json()) as Said
    return { value: said, ...(said.error ? { code: said.error.code } : {}) }
  }
}

/** Throws what the service reported. */
export function resultOf({ result, error }: Said): Record<string, unknown> {
  if (error) throw errorFromReport(error)
  return result ?? {}
}
