/** Sends one JSON-RPC request to one instance of a service; the answer's bytes are passed on unchanged. */
import { createParser } from 'eventsource-parser'
import { Agent, type Dispatcher } from 'undici'
import type { Answer, Send } from '../../adapters/dispatch/dispatcher.ts'

/** The answer of a service. */
export interface Forwarded {
  readonly status: number
  readonly contentType: string
  /** Complete, or a stream that starts with the events that were read already. */
  readonly body: Buffer | AsyncIterable<Buffer>
}

/** The request to a service. */
export interface Forwarding {
  readonly body: string
  readonly headers: Record<string, string>
  readonly signal: AbortSignal
}

/** Unread chunks before the sender is paused. */
const MAX_UNREAD_CHUNKS = 8

/**
 * Connections to services are kept alive and shared by all calls; only the call's own deadline limits an
 * answer.
 */
const agent = new Agent({
  connections: 128,
  pipelining: 1,
  keepAliveTimeout: 30_000,
  headersTimeout: 0,
  bodyTimeout: 0,
})

/**
 * A function that sends the request to a port. The answer's `code` is that of the service's error report, if
 * it is one.
 */
export function forward({ body, headers, signal }: Forwarding): Send<Forwarded> {
  return async (port): Promise<Answer<Forwarded>> => {
    const { status, contentType, chunks } = await exchange(`http://127.0.0.1:${port}`, body, headers, signal)
    if (!contentType.startsWith('text/event-stream')) {
      const whole = await chunks.whole()
      return { value: { status, contentType, body: whole }, ...codeOf(status, whole) }
    }
    // A stream that holds only the final answer is read to its end; any other is passed on as it arrives.
    let first: string | undefined
    const parser = createParser({ onEvent: ({ data }) => void (first ??= data === '' ? undefined : data) })
    const decoder = new TextDecoder()
    const read: Buffer[] = []
    for (let chunk = await chunks.next(); chunk; chunk = await chunks.next()) {
      read.push(chunk)
      parser.feed(decoder.decode(chunk, { stream: true }))
      if (first !== undefined && !isFinal(first))
        return { value: { status, contentType, body: rest(Buffer.concat(read), chunks) } }
    }
    if (first === undefined) throw new Error('the connection closed before the answer was complete')
    return {
      value: { status, contentType, body: Buffer.concat(read) },
      ...codeOf(status, Buffer.from(first)),
    }
  }
}

/** The chunks of an answer: less general than a stream, and much faster. */
class Chunks {
  readonly #received: Buffer[] = []
  readonly #controller: Dispatcher.DispatchController
  #ended = false
  #failure: Error | undefined
  #wake: (() => void) | undefined

  constructor(controller: Dispatcher.DispatchController) {
    this.#controller = controller
  }

  push(chunk: Buffer): void {
    this.#received.push(chunk)
    if (this.#received.length > MAX_UNREAD_CHUNKS && !this.#controller.paused) this.#controller.pause()
    this.#wake?.()
  }

  end(failure?: Error): void {
    this.#ended = true
    this.#failure = failure
    this.#wake?.()
  }

  /** The next chunk; undefined at the end. Throws if the connection failed. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#received.shift()
      if (chunk) {
        if (this.#controller.paused) this.#controller.resume()
        return chunk
      }
      if (this.#failure) throw this.#failure
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async whole(): Promise<Buffer> {
    const all: Buffer[] = []
    for (let chunk = await this.next(); chunk; chunk = await this.next()) all.push(chunk)
    return all.length === 1 ? (all[0] as Buffer) : Buffer.concat(all)
  }

  /** Aborts the answer: its reader has disconnected. */
  drop(): void {
    if (!this.#ended) this.#controller.abort(new Error('the reader of the answer has disconnected'))
  }
}

function exchange(
  origin: string,
  body: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<{ status: number; contentType: string; chunks: Chunks }> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    let controller: Dispatcher.DispatchController | undefined
    let chunks: Chunks | undefined
    const abort = () =>
      controller?.abort(signal.reason instanceof Error ? signal.reason : new Error('the call was aborted'))
    signal.addEventListener('abort', abort, { once: true })
    agent.dispatch(
      { origin, path: '/mcp', method: 'POST', headers, body },
      {
        onRequestStart: (started) => {
          controller = started
          if (signal.aborted) abort()
        },
        onResponseStart: (started, status, answered) => {
          chunks = new Chunks(started)
          resolve({ status, contentType: String(answered['content-type'] ?? ''), chunks })
        },
        onResponseData: (_controller, chunk) => chunks?.push(chunk),
        onResponseEnd: () => {
          signal.removeEventListener('abort', abort)
          chunks?.end()
        },
        onResponseError: (_controller, error) => {
          signal.removeEventListener('abort', abort)
          chunks?.end(error)
          reject(error)
        },
      },
    )
  })
}

/** The chunks that were read already, then the others. */
async function* rest(read: Buffer, chunks: Chunks): AsyncGenerator<Buffer> {
  try {
    yield read
    for (let chunk = await chunks.next(); chunk; chunk = await chunks.next()) yield chunk
  } finally {
    chunks.drop()
  }
}

/** Whether a message is the answer, and not a notification. */
function isFinal(message: string): boolean {
  try {
    const { result, error } = JSON.parse(message) as { result?: unknown; error?: unknown }
    return result !== undefined || error !== undefined
  } catch {
    return false
  }
}

/** The code of the service's error report, in a tool's result or in the body of an HTTP error. */
function codeOf(status: number, body: Buffer): { code?: string } {
  if (status < 400 && !body.includes('"kintsugi/error"')) return {}
  try {
    const parsed = JSON.parse(body.toString('utf8')) as {
      error?: { code?: unknown }
      result?: { _meta?: Record<string, { code?: unknown }> }
    }
    const code = parsed.result?._meta?.['kintsugi/error']?.code ?? parsed.error?.code
    return typeof code === 'string' ? { code } : {}
  } catch {
    return {}
  }
}
