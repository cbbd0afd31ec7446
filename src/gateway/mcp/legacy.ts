/**
 * Calls of clients of 2025, made to servers of 2026: the envelope that such a client does not send is made for it, and what a server asks for
 * with `input_required` is asked of it as a request on the stream of its call.
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
import { eventOf, type Session, type Sessions } from './sessions.ts'

export const MODERN = '2026-07-28'
/** A server that asks on and on is not answered for ever. */
const MAX_ROUNDS = 10
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

export interface LegacyCall {
  readonly id: string | number
  readonly params: Record<string, unknown>
  readonly session: Session | undefined
  readonly sessions: Sessions
  readonly signal: AbortSignal
  /** Sends the call, with these parameters, to its server. */
  once(params: Record<string, unknown>): Promise<Forwarded>
  /** At the end of an answer that comes as a stream. */
  onEnd(): void
}

/** The envelope of a client that sends none. */
export function envelopeFor(
  params: Record<string, unknown>,
  session: Session | undefined,
): Record<string, unknown> {
  const level = session?.state.logLevel
  return {
    ...params,
    _meta: {
      ...(params._meta as Record<string, unknown> | undefined),
      [PROTOCOL_VERSION_META_KEY]: MODERN,
      [CLIENT_CAPABILITIES_META_KEY]: session?.client ?? {},
      ...(level === undefined ? {} : { [LOG_LEVEL_META_KEY]: level }),
    },
  }
}

/** Answers as a server of 2025 would: JSON, or a stream where the server tells or asks something first. */
export async function answerLegacy(call: LegacyCall): Promise<Response> {
  const first = await call.once(call.params)
  if (
    Buffer.isBuffer(first.body) &&
    !first.contentType.startsWith('text/event-stream') &&
    !first.body.includes('"input_required"')
  ) {
    call.onEnd()
    return new Response(said(first.body, call.session), { headers: { 'content-type': 'application/json' } })
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

async function* rounds(call: LegacyCall, first: Forwarded): AsyncGenerator<unknown, void> {
  const { id, session, sessions, signal } = call
  try {
    let answer = first
    for (let round = 1; ; round++) {
      let asked: NonNullable<Message['result']> | undefined
      for await (const message of messagesOf(answer)) {
        if (message.result?.resultType === 'input_required') asked = message.result
        else yield plain(message, session)
      }
      if (!asked) return
      if (!session || round > MAX_ROUNDS)
        throw new KintsugiError(
          'input-not-possible',
          session
            ? `the server asked ${MAX_ROUNDS} times and has not had enough`
            : 'there is no session to ask in',
        )
      const requests = Object.entries(asked.inputRequests ?? {}).map(([key, request]) => ({
        key,
        request,
        id: `kintsugi-${randomUUID()}`,
      }))
      const answers = requests.map((each) => sessions.expect(session.id, each.id, signal))
      for (const each of answers) each.catch(() => undefined)
      for (const { request, id: question } of requests) yield { jsonrpc: '2.0', id: question, ...request }
      const inputResponses = Object.fromEntries(
        (await Promise.all(answers)).map((given, index) => [requests[index]?.key as string, given]),
      )
      answer = await call.once({
        ...call.params,
        inputResponses,
        ...(asked.requestState === undefined ? {} : { requestState: asked.requestState }),
      })
    }
  } catch (error) {
    const report = toErrorReport(error)
    yield { jsonrpc: '2.0', id, error: { code: -32603, message: report.message, data: report } }
  }
}

async function* messagesOf({ contentType, body }: Forwarded): AsyncGenerator<Message, void> {
  if (!contentType.startsWith('text/event-stream')) {
    yield JSON.parse((body as Buffer).toString('utf8')) as Message
    return
  }
  const waiting: Message[] = []
  const parser = createParser({
    onEvent: ({ data }) => void (data === '' || waiting.push(JSON.parse(data) as Message)),
  })
  const decoder = new TextDecoder()
  for await (const chunk of Buffer.isBuffer(body) ? [body] : body) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    yield* waiting.splice(0)
  }
}

function said(body: Buffer, session: Session | undefined): Uint8Array<ArrayBuffer> {
  return (
    body.includes(`${MISSING_CAPABILITY}`)
      ? Buffer.from(JSON.stringify(plain(JSON.parse(body.toString('utf8')) as Message, session)))
      : body
  ) as Uint8Array<ArrayBuffer>
}

/** Says in words what is missing where the revisions are too far apart. */
function plain(message: Message, session: Session | undefined): Message {
  if (message.error?.code !== MISSING_CAPABILITY) return message
  const why = session
    ? 'this client did not say at initialization that it can do what the server asks for'
    : `a client of ${LATEST_PROTOCOL_VERSION} can only be asked within a session: send the ${'Mcp-Session-Id'} that initialize returned`
  return { ...message, error: { ...message.error, message: `${why} (${message.error.message})` } }
}
