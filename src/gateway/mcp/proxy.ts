/** Sends a call to its service and returns the answer: authorised once, traced, and ended with its client. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Dispatch } from '../../adapters/dispatch/dispatcher.ts'
import { type AccessPolicy, ANONYMOUS, authorize, type Caller, countCall } from '../../mcp/host/access.ts'
import { IDEMPOTENCY_HEADER, IDEMPOTENCY_META } from '../../mcp/host/idempotency.ts'
import type { AuditEntry, AuditRecorder } from '../../ports/audit.ts'
import type { Operation, Telemetry } from '../../ports/telemetry.ts'
import { toErrorReport } from '../../std/errors.ts'
import { nextTraceparent, traceOf, traceparentOf } from '../../std/trace.ts'
import { lifetimeOf } from './call-lifetime.ts'
import { errorResponse } from './error-response.ts'
import { type Forwarded, forward } from './forward.ts'
import type { GatewayCall } from './gateway-call.ts'
import { hopBody, hopHeaders } from './hop.ts'
import { answerLegacy, envelopeFor } from './legacy.ts'
import { MODERN_REVISION } from './revision.ts'
import type { Sessions } from './sessions.ts'
import type { Target } from './target.ts'

export interface ProxyOptions {
  dispatch: Dispatch
  sessions: Sessions
  access: AccessPolicy
  /** The gateway's own token for services. */
  bearer(): string | undefined
  version: string
  timeoutMs: number
  /** ms since 1970. */
  now(): number
  telemetry?: Telemetry | undefined
  /** Records the calls that the gateway refuses; a service records those that reach it. */
  audit?: AuditRecorder
}

/**
 * The answer to a call; failures are JSON-RPC responses. With an external issuer it throws `token-required`
 * and `insufficient-scope` before anything is sent.
 */
export async function proxyCall(call: GatewayCall, target: Target, options: ProxyOptions): Promise<Response> {
  const { message, modern, session } = call
  const failed = { message, modern, oauth: options.access.oauth !== undefined }
  const { span, traceparent } = beginSpan(call, target, options.telemetry)
  try {
    admitCall(call.caller, target, options, traceOf(traceparent))
  } catch (error) {
    span?.end(toErrorReport(error).code)
    return errorResponse(failed, error)
  }
  const { sessions, timeoutMs } = options
  const running = !modern && session ? sessions.run(session.id, message.id) : undefined
  const { signal, release } = lifetimeOf(call.request, call.env, { timeoutMs, cancelled: running?.cancelled })
  const finish = (error?: string) => {
    span?.end(error)
    release()
    running?.end()
  }
  const send = senderOf(call, target, options, { traceparent, signal })
  try {
    if (!modern) {
      const params = envelopeFor(target.params, session)
      const onEnd = () => finish()
      return await answerLegacy({ id: message.id, params, session, sessions, signal, send, onEnd })
    }
    const answer = await send(target.params)
    if (Buffer.isBuffer(answer.body)) finish()
    else span?.end()
    return responseOf(answer)
  } catch (error) {
    finish(toErrorReport(error).code)
    return errorResponse(failed, error)
  }
}

/**
 * Authorises the call and counts it against its token's limit; a refusal is recorded. Throws
 * `token-required`, `insufficient-scope`, `too-many-calls`.
 */
export function admitCall(
  caller: Caller,
  target: Target,
  { access, audit, now }: Pick<ProxyOptions, 'access' | 'audit' | 'now'>,
  trace: string | null,
): void {
  try {
    authorize(access, caller, { ...target, tool: target.what })
    countCall(caller, now())
  } catch (error) {
    audit?.record(refusal(caller, target, { trace, at: now(), code: toErrorReport(error).code }))
    throw error
  }
}

function refusal(
  caller: Caller,
  { service, what, effect, params }: Target,
  { trace, at, code }: { trace: string | null; at: number; code: string },
): AuditEntry {
  const argumentsHash = createHash('sha256')
    .update(JSON.stringify(params.arguments ?? {}))
    .digest('hex')
  return {
    at,
    who: caller.name,
    service,
    tool: what,
    effect,
    argumentsHash,
    definitionHash: '',
    trace,
    decision: 'refused',
    outcome: code,
    durationMs: null,
  }
}

function beginSpan(
  { request, message, modern, session }: GatewayCall,
  target: Target,
  telemetry: Telemetry | undefined,
): { span: Operation | undefined; traceparent: string } {
  const meta = target.params._meta as Record<string, unknown> | undefined
  const parent = traceparentOf(request.headers.get('traceparent') ?? meta?.traceparent)
  if (!telemetry) return { span: undefined, traceparent: nextTraceparent(parent) }
  const attributes = {
    'jsonrpc.request.id': String(message.id),
    // With the id itself, a reader of the traces could send requests in the session.
    'mcp.session.id': session && createHash('sha256').update(session.id).digest('hex').slice(0, 16),
    'mcp.protocol.version': modern
      ? MODERN_REVISION
      : (request.headers.get('mcp-protocol-version') ?? undefined),
  }
  const span = telemetry.begin('server', message.method, target.what, attributes, parent)
  return { span, traceparent: span.traceparent }
}

/** A function that sends the call, with the given parameters, through the dispatcher. */
function senderOf(
  call: GatewayCall,
  target: Target,
  { dispatch, telemetry, bearer, version }: ProxyOptions,
  { traceparent, signal }: { traceparent: string; signal: AbortSignal },
): (params: Record<string, unknown>) => Promise<Forwarded> {
  const headers = hopHeaders(call, target, bearer())
  const meta = (target.params._meta ?? {}) as Record<string, unknown>
  const dispatched = {
    service: target.service,
    tool: target.what,
    effect: target.effect,
    signal,
    caller: call.caller === ANONYMOUS ? undefined : call.caller.name,
    keyed: meta[IDEMPOTENCY_META] !== undefined || call.request.headers.has(IDEMPOTENCY_HEADER),
    // A client that listens to progress would receive it from both attempts.
    hedged: !target.guarded && meta.progressToken === undefined,
  }
  return (params) => {
    const attributes = { 'server.address': target.service }
    const hop = telemetry?.begin('client', call.message.method, target.what, attributes, traceparent)
    headers.traceparent = hop?.traceparent ?? traceparent
    const body = hopBody(call.message, params, version)
    const answer = dispatch.call(dispatched, forward({ body, headers, signal }))
    if (hop)
      answer.then(
        () => hop.end(),
        (error) => hop.end(toErrorReport(error).code),
      )
    return answer
  }
}

function responseOf({ status, contentType, body }: Forwarded): Response {
  const content = Buffer.isBuffer(body)
    ? (body as Uint8Array<ArrayBuffer>)
    : (Readable.toWeb(Readable.from(body, { objectMode: false })) as ReadableStream<Uint8Array>)
  return new Response(content, { status, headers: { 'content-type': contentType } })
}
