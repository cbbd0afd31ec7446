/** The one error class of the project, and the shape in which every interface reports failures. */
import { CODES, type Code, isCode, type Retry } from './codes.ts'

/** Codes and retries, as `KintsugiError` uses them. */
export type { Code, Retry }

/** Fields of an error in addition to its code and message. */
export interface ErrorDetails {
  /** The remedy for the reader, in one sentence. */
  hint?: string
  /** Whether trying again can help. Default: as the table of codes says. */
  retry?: Retry
  cause?: unknown
  /** Machine-readable facts (field paths, limits). Never secrets. */
  data?: Record<string, unknown>
}

/**
 * The one error class of the project. `code` is stable and part of the public contract; `message` is for
 * people.
 */
export class KintsugiError extends Error {
  override readonly name = 'KintsugiError'
  readonly code: Code
  readonly hint: string | undefined
  readonly retry: Retry
  readonly data: Record<string, unknown> | undefined

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
    this.retry = details.retry ?? CODES[code].retry
    this.data = details.data
  }
}

/** The shape in which every interface (HTTP, MCP, command line) reports a failure. */
export interface ErrorReport {
  code: string
  message: string
  hint?: string
  retry: Retry
  data?: Record<string, unknown>
}

/** The error that a report describes; a code that is not ours becomes `tool-failed`. */
export function errorFromReport({ code, message, ...details }: ErrorReport): KintsugiError {
  return new KintsugiError(isCode(code) ? code : 'tool-failed', message, details)
}

/** Turns anything thrown into a report; a foreign error becomes `internal` and keeps its message. */
export function toErrorReport(thrown: unknown): ErrorReport {
  if (thrown instanceof KintsugiError) {
    return {
      code: thrown.code,
      message: thrown.message,
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
      retry: thrown.retry,
      ...(thrown.data === undefined ? {} : { data: thrown.data }),
    }
  }
  return { code: 'internal', message: messageOf(thrown), retry: 'later' }
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '')
    return thrown.errors.map(messageOf).join('; ')
  return thrown instanceof Error ? thrown.message : String(thrown)
}
