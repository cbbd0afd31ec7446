/**
 * Shedding: a service that gets too little CPU works on a bounded number of requests at a time and answers
 * the others at once, before any work, with `overloaded` (retry later).
 */
import { isEssential } from '../../mcp/host/essential.ts'
import type { FetchHandler } from './placeholders.ts'

/**
 * Requests at a time while the machine is overloaded and the event loop is late: more would not be answered
 * sooner, and later ones not within their deadlines.
 */
const MAX_RUNNING = 16
const LATE_MS = 250
const RETRY_AFTER_SECONDS = '1'
/** JSON-RPC: the first code that is left to servers. */
const SERVER_ERROR = -32_000

/** The facts by which a service sheds load. */
export interface SheddingOptions {
  readonly service: string
  /** Whether the machine is overloaded, as the supervisor says. */
  overloaded(): boolean
  /** Maximum delay of the event loop, in ms. */
  loopDelayMs(): number
}

/** The requests of one service. */
export class Shedding {
  readonly #options: SheddingOptions
  #running = 0
  /** Requests that were shed. */
  count = 0

  constructor(options: SheddingOptions) {
    this.#options = options
  }

  /** Passes a request to `handle`, or answers it as overloaded. */
  async answer(request: Request, env: unknown, handle: FetchHandler): Promise<Response> {
    const { url } = request
    if (this.#isFull() && !isEssential(new URL(url).pathname)) {
      this.count++
      return this.#later(url)
    }
    this.#running++
    try {
      return await handle(request, env)
    } finally {
      this.#running--
    }
  }

  #isFull(): boolean {
    const { overloaded, loopDelayMs } = this.#options
    return this.#running >= MAX_RUNNING && overloaded() && loopDelayMs() > LATE_MS
  }

  #later(url: string): Response {
    const error = {
      code: 'overloaded',
      message: `the machine is overloaded, and ${this.#options.service} works on ${this.#running} requests already`,
      retry: 'later',
      hint: 'nothing was started; try again in a moment',
    }
    const body = url.includes('/mcp')
      ? { jsonrpc: '2.0', id: null, error: { code: SERVER_ERROR, message: error.message, data: error } }
      : { error }
    return Response.json(body, { status: 503, headers: { 'retry-after': RETRY_AFTER_SECONDS } })
  }
}
