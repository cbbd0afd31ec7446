/**
 * Sessions for clients of 2025; the fleet's servers have none. A session's id is a signed record of what its
 * client can do, so that any gateway serves it. The state that changes during a session (ended, log level,
 * subscriptions) is published on the bus. Answers of clients to requests of servers, and cancellations, reach
 * the gateway that waits for them over the bus too.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { type ClientCapabilities, createRequestStateCodec } from '@modelcontextprotocol/server'
import type { Bus } from '../../ports/bus.ts'
import type { ClientMessage, SessionState } from '../../ports/messages.ts'
import { KintsugiError } from '../../std/errors.ts'

export const SESSION_HEADER = 'mcp-session-id'
/** Lifetime of a session. */
const LIFETIME_SECONDS = 86_400
/** Maximum number of sessions that are kept in memory; the state of others is read from the cache. */
const MAX_CACHED = 5_000
/** An id is verified again after this time: it takes 0.2 ms, too much for each call. */
const VERIFIED_MS = 60_000
/** A stream with more unread notifications than this is ended; its client may open another one. */
const MAX_UNREAD_EVENTS = 100
const ANSWERS = 'mcp:answers'
const CHANGES = 'mcp:sessions'
const keyOf = (id: string): `mcp:session:${string}` =>
  `mcp:session:${createHash('sha256').update(id).digest('hex')}`

interface Identity {
  readonly id: string
  /** The caller that opened the session; no other caller may use it. */
  readonly caller: string
  readonly client: ClientCapabilities
}

/** A session that has not ended. */
export interface Session {
  readonly id: string
  readonly client: ClientCapabilities
  readonly state: SessionState
}

/** A session in memory. */
interface Known {
  readonly identity: Identity
  /** When its id was verified, in ms. */
  readonly verifiedAt: number
  readonly state: SessionState
}

interface Stream {
  readonly session: string
  send(message: unknown): void
}

export class Sessions {
  readonly #bus: Bus
  readonly #codec
  readonly #now: () => number
  readonly #known = new Map<string, Known>()
  readonly #waiting = new Map<string, (message: ClientMessage) => void>()
  readonly #running = new Map<string, AbortController>()
  readonly #streams = new Set<Stream>()
  readonly #stops: (() => void)[]

  /** `secret` signs the ids; it is the same for every gateway. `now` is in ms. */
  constructor(bus: Bus, secret: string | undefined, now: () => number) {
    this.#bus = bus
    this.#now = now
    this.#codec = createRequestStateCodec<Identity>({
      key:
        secret === undefined
          ? randomBytes(32)
          : createHash('sha256').update(`sessions of ${secret}`).digest(),
      ttlSeconds: LIFETIME_SECONDS,
    })
    this.#stops = [
      bus.subscribe(ANSWERS, (message, { retained }) => {
        if (retained) return
        const key = `${message.session} ${message.id}`
        if (message.answer) this.#waiting.get(key)?.(message)
        else this.#running.get(key)?.abort(new DOMException('the client cancelled the call', 'AbortError'))
      }),
      bus.subscribe(CHANGES, ({ id, state }) => {
        this.#adopt(id, state)
      }),
    ]
  }

  /** The id of a new session. */
  begin(caller: string, client: ClientCapabilities): Promise<string> {
    return this.#codec.mint({ id: randomUUID(), caller, client })
  }

  /**
   * A session by its id; undefined if the id is invalid or expired, the session has ended, or it belongs to
   * another caller.
   */
  async find(id: string, caller: string): Promise<Session | undefined> {
    const known = this.#known.get(id)
    const session =
      known && this.#now() - known.verifiedAt < VERIFIED_MS ? known : await this.#verify(id, known?.state)
    if (session?.identity.caller !== caller || session.state.ended) return undefined
    return { id, client: session.identity.client, state: session.state }
  }

  async #verify(id: string, known: SessionState | undefined): Promise<Known | undefined> {
    const identity = await this.#codec.verify(id, undefined as never).catch(() => undefined)
    if (!identity) {
      this.#known.delete(id)
      return undefined
    }
    const state = known ?? (await this.#bus.get(keyOf(id)).catch(() => undefined)) ?? {}
    if (this.#known.size >= MAX_CACHED) this.#forget()
    const session = { identity, verifiedAt: this.#now(), state }
    this.#known.set(id, session)
    return session
  }

  #adopt(id: string, state: SessionState): void {
    const known = this.#known.get(id)
    if (known) this.#known.set(id, { ...known, state })
  }

  /**
   * Drops sessions from memory, except those with an open stream: their subscriptions are read at each
   * notification.
   */
  #forget(): void {
    const listening = new Set([...this.#streams].map(({ session }) => session))
    for (const id of this.#known.keys()) if (!listening.has(id)) this.#known.delete(id)
  }

  /** Changes a session's state at every gateway. Throws `bus-unreachable` (retry later). */
  async change({ id, state }: Session, change: SessionState): Promise<void> {
    const next = { ...state, ...change }
    this.#adopt(id, next)
    await this.#bus.set(keyOf(id), next, LIFETIME_SECONDS * 1_000)
    this.#bus.publish(CHANGES, { id, state: next })
  }

  /**
   * The client's answer to the request `id`. Throws `input-refused` for an error answer, and the signal's
   * reason.
   */
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
              `the client refused to answer: ${answer.error.message ?? 'no reason given'}`,
            ),
          )
        else resolve(answer?.result)
      })
    })
  }

  /** Registers a call, which its client may cancel at any gateway. `end` unregisters it. */
  run(session: string, id: string | number): { cancelled: AbortSignal; end(): void } {
    const key = `${session} ${id}`
    const ends = new AbortController()
    this.#running.set(key, ends)
    return { cancelled: ends.signal, end: () => void this.#running.delete(key) }
  }

  /** Sends a client's message to the gateway that waits for it. */
  deliver(message: ClientMessage): void {
    this.#bus.publish(ANSWERS, message)
  }

  /** The event stream of a session's notifications. */
  stream(session: string, signal: AbortSignal): Response {
    let stream: Stream | undefined
    const encoder = new TextEncoder()
    const close = () => {
      if (stream) this.#streams.delete(stream)
    }
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(encoder.encode(': listening\n\n'))
        const send = (message: unknown) => {
          if ((controller.desiredSize ?? 0) > -MAX_UNREAD_EVENTS)
            controller.enqueue(encoder.encode(eventOf(message)))
          else {
            close()
            controller.error(new Error('the client does not read its notifications'))
          }
        }
        stream = { session, send }
        this.#streams.add(stream)
        signal.addEventListener('abort', close, { once: true })
      },
      cancel: close,
    })
    return new Response(body, {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
    })
  }

  /** Notifies every session with an open stream; with `uri`, only those that subscribed to it. */
  notify(method: string, uri?: string): void {
    for (const { session, send } of this.#streams)
      if (uri === undefined || this.#known.get(session)?.state.watched?.includes(uri))
        send({ jsonrpc: '2.0', method, ...(uri === undefined ? {} : { params: { uri } }) })
  }

  /** Unsubscribes from the bus. */
  stop(): void {
    for (const stop of this.#stops) stop()
  }
}

/** A JSON-RPC message as a server-sent event. */
export const eventOf = (message: unknown): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`
