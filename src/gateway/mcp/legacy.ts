/**
 * Calls of clients of 2025 to servers of 2026: the gateway adds the envelope that such a client does not
 * send, and turns a result `input_required` into requests to the client on the stream of its call.
 */
import { randomUUID } from 'node:crypto'
import {
  CLIENT_CAPABILITIES_META_KEY,
  LATEST_PROTOCOL_VERSION,
  LOG_LEVEL_META_KEY,
  PROTOCOL_VERSION_META_KEY,
} from '@modelcontextprotocol/server'
import { createParser } from 'eventsource-parser'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import type { Forwarded } from './forward.ts'
import { MODERN_REVISION } from './revision.ts'
import { eventOf, type Session, type Sessions } from './sessions.ts'

/** A server may request input this many times per call. */
const MAX_ROUNDS = 10
/** The protocol's error code for a missing client capability. */
const MISSING_CAPABILITY = -32021

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly result?: {
    readonly resultType?: string
    readonly inputRequests?: Readonly<Record<string, { method: string; params?: unknown }>>
    readonly requestState?: string
  }
  readonly error?: { readonly code: number; readonly message: string }
}

/** A call of a client of 2025. */
export interface LegacyCall {
  readonly id: string | number
  readonly params: Record<string, unknown>
  readonly session: Session | undefined
  readonly sessions: Sessions
  readonly signal: AbortSignal
  /** Sends the call to its server, with these parameters. */
  send(params: Record<string, unknown>): Promise<Forwarded>
  /** Called once the answer is complete. */
  onEnd(): void
}

/** Parameters with the envelope of the 2026 revision, for a client that sends none. */
export function envelopeFor(
  params: Record<string, unknown>,
  session: Session | undefined,
): Record<string, unknown> {
  const level = session?.state.logLevel
  return {
    ...params,
    _meta: {
      ...(params._meta as Record<string, unknown> | undefined),
      [PROTOCOL_VERSION_META_KEY]: MODERN_REVISION,
      [CLIENT_CAPABILITIES_META_KEY]: session?.client ?? {},
      ...(level === undefined ? {} : { [LOG_LEVEL_META_KEY]: level }),
    },
  }
}

/**
 * Answers as a server of 2025 would: JSON, or a stream if the server sends notifications or requests input.
 */
export async function answerLegacy(call: LegacyCall): Promise<Response> {
  const first = await call.send(call.params)
  if (
    Buffer.isBuffer(first.body) &&
    !first.contentType.startsWith('text/event-stream') &&
    !first.body.includes('"input_required"')
  ) {
    call.onEnd()
    return new Response(explained(first.body, call.session), {
      headers: { 'content-type': 'application/json' },
    })
  }
  const messages = rounds(call, first)
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await messages.next()
      if (done) {
        call.onEnd()
        controller.close()
      } else controller.enqueue(encoder.encode(eventOf(value)))
    },
    cancel() {
      call.onEnd()
      void messages.return()
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
}

/**
 * The messages of the answer. Each round ends with the final answer, or with requests to the client, whose
 * answers start the next round.
 */
async function* rounds(call: LegacyCall, first: Forwarded): AsyncGenerator<unknown, void> {
  const { id, session, sessions, signal } = call
  try {
    let answer = first
    for (let round = 1; ; round++) {
      let required: NonNullable<Message['result']> | undefined
      for await (const message of messagesOf(answer)) {
        if (message.result?.resultType === 'input_required') required = message.result
        else yield withExplanation(message, session)
      }
      if (!required) return
      if (!session || round > MAX_ROUNDS)
        throw new KintsugiError(
          'input-not-possible',
          session
            ? `the server requested input more than ${MAX_ROUNDS} times`
            : 'the server requests input from the client, which needs a session',
        )
      const requests = Object.entries(required.inputRequests ?? {}).map(([key, request]) => ({
        key,
        request,
        id: `kintsugi-${randomUUID()}`,
      }))
      const answers = requests.map((each) => sessions.expect(session.id, each.id, signal))
      for (const each of answers) each.catch(() => undefined)
      for (const { request, id: requestId } of requests) yield { jsonrpc: '2.0', id: requestId, ...request }
      const inputResponses = Object.fromEntries(
        (await Promise.all(answers)).map((received, index) => [requests[index]?.key as string, received]),
      )
      answer = await call.send({
        ...call.params,
        inputResponses,
        ...(required.requestState === undefined ? {} : { requestState: required.requestState }),
      })
    }
  } catch (error) {
    const report = toErrorReport(error)
    yield { jsonrpc: '2.0', id, error: { code: -32603, message: report.message, data: report } }
  }
}

/** The JSON-RPC messages of an answer, as they arrive. */
async function* messagesOf({ contentType, body }: Forwarded): AsyncGenerator<Message, void> {
  if (!contentType.startsWith('text/event-stream')) {
    yield JSON.parse((body as Buffer).toString('utf8')) as Message
    return
  }
  const parsed: Message[] = []
  const parser = createParser({
    onEvent: ({ data }) => void (data === '' || parsed.push(JSON.parse(data) as Message)),
  })
  const decoder = new TextDecoder()
  for await (const chunk of Buffer.isBuffer(body) ? [body] : body) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    yield* parsed.splice(0)
  }
}

/** A JSON answer as this client can read it. */
function explained(body: Buffer, session: Session | undefined): Uint8Array<ArrayBuffer> {
  return (
    body.includes(`${MISSING_CAPABILITY}`)
      ? Buffer.from(JSON.stringify(withExplanation(JSON.parse(body.toString('utf8')) as Message, session)))
      : body
  ) as Uint8Array<ArrayBuffer>
}

/** Adds a hint for clients of 2025 to a missing-capability error. */
function withExplanation(message: Message, session: Session | undefined): Message {
  if (message.error?.code !== MISSING_CAPABILITY) return message
  const why = session
    ? 'this client did not declare the requested capability at initialization'
    : `a client of ${LATEST_PROTOCOL_VERSION} receives requests only within a session: send the Mcp-Session-Id that initialize returned`
  return { ...message, error: { ...message.error, message: `${why} (${message.error.message})` } }
}
