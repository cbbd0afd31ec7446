/** One JSON-RPC request to one instance, as it is but for its name and what is per hop; the answer as it comes. */
import { createParser } from 'eventsource-parser'
import { Agent, type Dispatcher } from 'undici'
import type { Answer, Send } from '../../adapters/dispatch/dispatcher.ts'

export interface Forwarded {
  readonly status: number
  readonly contentType: string
  /** Whole, or what follows the events that were read already. */
  readonly body: Buffer | AsyncIterable<Buffer>
}

export interface Forwarding {
  readonly body: string
  readonly headers: Record<string, string>
  readonly signal: AbortSignal
}

/** Pieces that wait to be read before the sender is made to wait. */
const MAX_UNREAD = 64

/** Connections to services are kept and shared by all calls; an answer may take as long as its deadline lets it. */
const agent = new Agent({
  connections: 128,
  pipelining: 1,
  keepAliveTimeout: 30_000,
  headersTimeout: 0,
  bodyTimeout: 0,
})

export function forward({ body, headers, signal }: Forwarding): Send<Forwarded> {
  return async (port): Promise<Answer<Forwarded>> => {
    const { status, contentType, chunks } = await exchange(`http://127.0.0.1:${port}`, body, headers, signal)
    if (!contentType.startsWith('text/event-stream')) {
      const whole = await chunks.whole()
      return { value: { status, contentType, body: whole }, ...codeOf(status, whole) }
    }
    // An event stream of a single event is an answer like any other; more than that is passed on as it comes.
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
    if (first === undefined) throw new Error('the answer broke off')
    return {
      value: { status, contentType, body: Buffer.concat(read) },
      ...codeOf(status, Buffer.from(first)),
    }
  }
}

/** What comes of an answer, piece by piece: less than a stream, and so much quicker. */
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
    if (this.#received.length > MAX_UNREAD && !this.#controller.paused) this.#controller.pause()
    this.#wake?.()
  }

  end(failure?: Error): void {
    this.#ended = true
    this.#failure = failure
    this.#wake?.()
  }

  /** The next piece; undefined at the end. Throws where the answer broke off. */
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

  /** Nobody reads on. */
  drop(): void {
    if (!this.#ended) this.#controller.abort(new Error('nobody reads the answer'))
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
      controller?.abort(signal.reason instanceof Error ? signal.reason : new Error('it was ended'))
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

async function* rest(read: Buffer, chunks: Chunks): AsyncGenerator<Buffer> {
  try {
    yield read
    for (let chunk = await chunks.next(); chunk; chunk = await chunks.next()) yield chunk
  } finally {
    chunks.drop()
  }
}

/** Whether a message ends the exchange: an answer does, a notification does not. */
function isFinal(message: string): boolean {
  try {
    const { result, error } = JSON.parse(message) as { result?: unknown; error?: unknown }
    return result !== undefined || error !== undefined
  } catch {
    return false
  }
}

/** The code of the service's own error report: in a tool's result, or as plain HTTP. */
function codeOf(status: number, body: Buffer): { code?: string } {
  if (status < 400 && !body.includes('"kintsugi/error"')) return {}
  try {
    const said = JSON.parse(body.toString('utf8')) as {
      error?: { code?: unknown }
      result?: { _meta?: Record<string, { code?: unknown }> }
    }
    const code = said.result?._meta?.['kintsugi/error']?.code ?? said.error?.code
    return typeof code === 'string' ? { code } : {}
  } catch {
    return {}
  }
}
