/**
 * Sessions for clients of 2025, which the fleet's servers do without: a session's id says what its client can do, signed, so that any gateway
 * serves it; what changes while it lasts (whether it has ended, the log level, what it watches) is told on the bus. Answers of clients to what
 * servers asked, and cancellations, reach the gateway that waits for them the same way.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { type ClientCapabilities, createRequestStateCodec } from '@modelcontextprotocol/server'
import type { Bus } from '../../ports/bus.ts'
import type { ClientMessage, SessionState } from '../../ports/messages.ts'
import { KintsugiError } from '../../std/errors.ts'

export const SESSION_HEADER = 'mcp-session-id'
const LASTS_SECONDS = 86_400
/** Sessions whose state is remembered here; the rest is asked for again. */
const MAX_KNOWN = 5_000
const ANSWERS = 'mcp:answers'
const CHANGES = 'mcp:sessions'
const keyOf = (id: string): `mcp:session:${string}` =>
  `mcp:session:${createHash('sha256').update(id).digest('hex')}`

interface Identity {
  readonly id: string
  /** Who began it: it is nobody else's. */
  readonly caller: string
  readonly client: ClientCapabilities
}

export interface Session {
  readonly id: string
  readonly client: ClientCapabilities
  readonly state: SessionState
}

interface Stream {
  readonly session: string
  send(message: unknown): void
}

export class Sessions {
  readonly #bus: Bus
  readonly #codec
  readonly #states = new Map<string, SessionState>()
  readonly #waiting = new Map<string, (told: ClientMessage) => void>()
  readonly #running = new Map<string, AbortController>()
  readonly #streams = new Set<Stream>()
  readonly #stops: (() => void)[]

  /** `secret`: the same for every gateway. */
  constructor(bus: Bus, secret: string | undefined) {
    this.#bus = bus
    this.#codec = createRequestStateCodec<Identity>({
      key:
        secret === undefined
          ? randomBytes(32)
          : createHash('sha256').update(`sessions of ${secret}`).digest(),
      ttlSeconds: LASTS_SECONDS,
    })
    this.#stops = [
      bus.subscribe(ANSWERS, (told, { retained }) => {
        if (retained) return
        const key = `${told.session} ${told.id}`
        if (told.answer) this.#waiting.get(key)?.(told)
        else this.#running.get(key)?.abort(new DOMException('its caller cancelled it', 'AbortError'))
      }),
      bus.subscribe(CHANGES, ({ id, state }) => {
        if (this.#states.has(id)) this.#states.set(id, state)
      }),
    ]
  }

  begin(caller: string, client: ClientCapabilities): Promise<string> {
    return this.#codec.mint({ id: randomUUID(), caller, client })
  }

  /** Undefined for an id that is not ours, too old, somebody else's, or of a session that has ended. */
  async find(id: string, caller: string): Promise<Session | undefined> {
    const identity = await this.#codec.verify(id, undefined as never).catch(() => undefined)
    if (identity?.caller !== caller) return undefined
    const state = this.#states.get(id) ?? (await this.#bus.get(keyOf(id)).catch(() => undefined)) ?? {}
    if (this.#states.size >= MAX_KNOWN) this.#forget()
    this.#states.set(id, state)
    return state.ended ? undefined : { id, client: identity.client, state }
  }

  /** All but those that listen: what they watch is asked for with each change. */
  #forget(): void {
    const listening = new Set([...this.#streams].map(({ session }) => session))
    for (const id of this.#states.keys()) if (!listening.has(id)) this.#states.delete(id)
  }

  async change({ id, state }: Session, change: SessionState): Promise<void> {
    const next = { ...state, ...change }
    this.#states.set(id, next)
    await this.#bus.set(keyOf(id), next, LASTS_SECONDS * 1_000)
    this.#bus.publish(CHANGES, { id, state: next })
  }

  /** Resolves with what the client answers. Rejects with the signal. */
  expect(session: string, id: string, signal: AbortSignal): Promise<unknown> {
    const key = `${session} ${id}`
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(key)
        signal.removeEventListener('abort', aborted)
      }
      const aborted = () => {
        end()
        reject(signal.reason)
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', aborted, { once: true })
      this.#waiting.set(key, ({ answer }) => {
        end()
        if (answer?.error)
          reject(
            new KintsugiError(
              'input-refused',
              `the client did not answer: ${answer.error.message ?? 'no reason given'}`,
            ),
          )
        else resolve(answer?.result)
      })
    })
  }

  /** A call that its client may cancel, at whichever gateway. Returns what to do at its end. */
  run(session: string, id: string | number): { cancelled: AbortSignal; end(): void } {
    const key = `${session} ${id}`
    const ends = new AbortController()
    this.#running.set(key, ends)
    return { cancelled: ends.signal, end: () => void this.#running.delete(key) }
  }

  tell(told: ClientMessage): void {
    this.#bus.publish(ANSWERS, told)
  }

  /** The stream on which a session hears of changes. */
  stream(session: string, signal: AbortSignal): Response {
    let stream: Stream | undefined
    const encoder = new TextEncoder()
    const close = () => {
      if (stream) this.#streams.delete(stream)
    }
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(encoder.encode(': listening\n\n'))
        stream = { session, send: (message) => controller.enqueue(encoder.encode(eventOf(message))) }
        this.#streams.add(stream)
        signal.addEventListener('abort', close, { once: true })
      },
      cancel: close,
    })
    return new Response(body, {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
    })
  }

  /** To every session that listens; `uri`: only to those that watch it. */
  notify(method: string, uri?: string): void {
    for (const { session, send } of this.#streams)
      if (uri === undefined || this.#states.get(session)?.watched?.includes(uri))
        send({ jsonrpc: '2.0', method, ...(uri === undefined ? {} : { params: { uri } }) })
  }

  stop(): void {
    for (const stop of this.#stops) stop()
  }
}

/** A message as an event of a stream. */
export const eventOf = (message: unknown): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`
