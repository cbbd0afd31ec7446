/** Failures of connections in words for people, without the words of libraries. */
import { messageOf } from '../std/errors.ts'

const WORDS: Readonly<Record<string, (at: string) => string>> = {
  ECONNREFUSED: (at) => `nothing listens at ${at}`,
  ENOTFOUND: (at) => `the host of ${at} is unknown`,
  EAI_AGAIN: (at) => `the host of ${at} cannot be looked up`,
  EHOSTUNREACH: (at) => `there is no route to ${at}`,
  ENETUNREACH: (at) => `there is no route to ${at}`,
  ECONNRESET: (at) => `${at} closed the connection`,
  EPIPE: (at) => `${at} closed the connection`,
  UND_ERR_SOCKET: (at) => `${at} closed the connection`,
  ETIMEDOUT: (at) => `${at} does not answer`,
  UND_ERR_CONNECT_TIMEOUT: (at) => `${at} does not answer`,
}
const TLS = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|EPROTO/

/** The system's code of a failure, or of what caused it; undefined if it has none. */
export function failureCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { code, cause, errors } = error as { code?: unknown; cause?: unknown; errors?: readonly unknown[] }
  if (typeof code === 'string') return code
  return failureCode(cause) ?? failureCode(errors?.[0])
}

/** What a failed connection to `at` (`host:port`) shows; other errors keep the message of their cause. */
export function failureText(error: unknown, at: string): string {
  const code = failureCode(error)
  const words = code === undefined ? undefined : WORDS[code]
  if (words) return words(at)
  if (code !== undefined && TLS.test(code)) return `the TLS handshake with ${at} failed (${code})`
  const root = rootOf(error)
  const name = root instanceof Error ? root.name : ''
  if (name === 'HTTPParserError') return `${at} does not speak HTTP`
  if (name === 'TimeoutError') return `${at} does not answer`
  return `${at}: ${messageOf(root)}`
}

const rootOf = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? rootOf(error.cause) : error

/** `host:port` of a URL, with the protocol's own port if it names none; never a user, a path or a key. */
export function addressOf(url: string, defaultPort: number): string {
  const { hostname, port } = new URL(url)
  return `${hostname}:${port === '' ? defaultPort : port}`
}
