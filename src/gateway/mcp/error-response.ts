/** Failures of the gateway as JSON-RPC responses. */
import { ProtocolError } from '@modelcontextprotocol/server'
import { type ErrorReport, toErrorReport } from '../../std/errors.ts'
import type { JsonRpcRequest } from './target.ts'

const INVALID_PARAMS = -32602
const INTERNAL_ERROR = -32603
const SESSION_NOT_FOUND = -32001
/** Codes that HTTP reports with 401 or 403 and a challenge, if an issuer can give the client a token. */
const ACCESS_CODES: ReadonlySet<string> = new Set(['token-required', 'bad-token', 'insufficient-scope'])

/** The request that failed, and whether an external issuer is configured. */
export interface FailedRequest {
  readonly message: JsonRpcRequest
  /** Whether the client uses the 2026 revision. */
  readonly modern: boolean
  readonly oauth: boolean
}

/**
 * A tool's error is a result that a model can read; any other error is a JSON-RPC error. With an issuer, it
 * rethrows refusals of access, which the HTTP app answers.
 */
export function errorResponse({ message, modern, oauth }: FailedRequest, error: unknown): Response {
  if (error instanceof ProtocolError)
    return Response.json(
      {
        jsonrpc: '2.0',
        id: message.id,
        error: { code: error.code, message: error.message, data: error.data },
      },
      { status: modern ? 400 : 200 },
    )
  const report = toErrorReport(error)
  if (oauth && ACCESS_CODES.has(report.code)) throw error
  const body =
    message.method === 'tools/call'
      ? { result: toolError(report, modern) }
      : { error: protocolError(report, message.params?.uri) }
  return Response.json({ jsonrpc: '2.0', id: message.id, ...body })
}

function toolError(report: ErrorReport, modern: boolean) {
  const text = `${report.code}: ${report.message}${report.hint ? ` (${report.hint})` : ''}`
  return {
    content: [{ type: 'text', text }],
    isError: true,
    _meta: { 'kintsugi/error': report },
    ...(modern ? { resultType: 'complete' } : {}),
  }
}

function protocolError(report: ErrorReport, uri: unknown) {
  const isInvalid = report.code === 'not-found' || report.code === 'bad-argument'
  return {
    code: isInvalid ? INVALID_PARAMS : INTERNAL_ERROR,
    message: report.message,
    data: { ...report, ...(uri === undefined ? {} : { uri }) },
  }
}

/** The response to a session id that is unknown, expired, ended or another caller's. */
export const sessionNotFound = (): Response =>
  Response.json(
    {
      jsonrpc: '2.0',
      id: null,
      error: {
        code: SESSION_NOT_FOUND,
        message: 'Session not found: it has ended or belongs to another caller; send initialize again',
      },
    },
    { status: 404 },
  )
